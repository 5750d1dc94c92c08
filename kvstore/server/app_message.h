// AppMessage: what members say to one another beside consensus: requests only the leader can answer, hashes
// of the state, that somebody is no member any more, and entries of the log for a member whose own are
// damaged. Carried by raft::Transport::send_app. Pure values.
//
// Bytes (protobuf wire): 1 kind · 2 request id · 3 operation (Pending::Op) · 4 lease · 5 with keys · 6 member
// change {1 op, 2 id, 3 peer URL*} · 7 target · 8 error {1 code, 2 message} · 9 lease info {1 id, 2 granted,
// 3 remaining, 4 key*} · 10 applied index · 11 hash* {1 index, 2 hash} · 12 id of a new member · 13, 14
// first and last index of entries asked for · 15 a snapshot is asked for · 16 LogRepair::Answer · 17 entry*
// {1 term, 2 index, 3 type, 4 data}. Unknown fields are passed over.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "kvstore/server/hash_ring.h"
#include "kvstore/server/log_repair.h"
#include "kvstore/server/pending.h"

namespace keelson::kvstore {

struct AppMessage {
  enum class Kind : std::uint8_t {
    kRequest = 1,  // to the leader
    kReply = 2,
    kHashes = 3,   // of the sender's state
    kRemoved = 4,  // the receiver is no member any more
    kFetch = 5,    // the sender's log is damaged: `range`, or a snapshot
    kFetched = 6,  // `answer` and `entries`, of `range`
  };
  Kind kind = Kind::kRequest;
  std::uint64_t request = 0;
  Pending::Op op = Pending::Op::kKeepAlive;
  LeaseId lease = 0;
  bool lease_keys = false;
  MemberChange change;
  std::uint64_t target = 0;
  std::optional<Error> error;
  LeaseInfo info;
  raft::Index applied;  // kReply: the leader had applied this much; kRequest of a removed member: nothing
  std::uint64_t new_member = 0;
  std::vector<IndexHash> hashes;
  raft::IndexRange range;
  bool snapshot = false;
  LogRepair::Answer answer = LogRepair::Answer::kNotYet;
  std::vector<raft::Entry> entries;
};

std::string encode(const AppMessage& message);
// kDataLoss for bytes that are none.
Result<AppMessage> decode_app_message(const Bytes& bytes);

}  // namespace keelson::kvstore
