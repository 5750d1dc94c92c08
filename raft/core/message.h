// Message: what members of one group say to one another. Pure values; raft/transport carries them,
// raft/core/message_codec.h has the bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "raft/core/membership.h"
#include "raft/core/types.h"

namespace keelson::raft {

enum class MessageType : std::uint8_t {
  kPreVote = 1,  // RequestVote that changes nobody's term (dissertation §9.6)
  kPreVoteReply = 2,
  kVote = 3,  // RequestVote
  kVoteReply = 4,
  kAppend = 5,  // AppendEntries with entries, or to probe
  kAppendReply = 6,
  kHeartbeat = 7,  // AppendEntries without entries; carries the newest ReadIndex round
  kHeartbeatReply = 8,
  kSnapshot = 9,     // InstallSnapshot: metadata only, the bytes travel on a stream of their own
  kTimeoutNow = 10,  // leadership transfer (dissertation §3.10)
  kPropose = 11,     // a follower hands proposals on to its leader; `entries`. With `reject` the leader gives
                     // them back: it has not appended them and never will
  kReadIndex = 12,   // a follower asks its leader for a read index; `context`
  kReadIndexReply = 13,
  kTransferLeader = 14,  // a follower hands a transfer request on; `context` is the transferee
  kCommit = 15,          // a heartbeat that wants no answer: the commit index has moved
};

// What a snapshot stands for. The bytes are the state machine's business: whoever carries a kSnapshot message
// makes them of the state as it is then, and puts that state's index, term and membership here; it is never
// older than what the node had written.
struct SnapshotMeta {
  Index index;
  Term term;
  Membership membership;
};

struct Message {
  MessageType type{};
  NodeId from;
  NodeId to;
  Term term;                   // the sender's; of the campaign for kPreVote
  Index prev_index;            // kAppend: prevLogIndex. kVote, kPreVote: lastLogIndex
  Term prev_term;              //          prevLogTerm.                   lastLogTerm
  std::vector<Entry> entries;  // kAppend, kPropose
  Index commit;                // leaderCommit; in replies to the leader: how much the sender knows of it
  bool reject = false;         // replies
  Index index;                 // kAppendReply: matchIndex, or the rejected prev_index
  Index hint_index;            // rejected kAppendReply: newest index that may match
  Term hint_term;              //                        the term there
  std::uint64_t context = 0;   // ReadIndex round or request; transferee; kPropose: number of the message
  bool force = false;          // kVote: by leadership transfer, a live leader is no reason to refuse
                               // kPropose given back: there was too much to do
  std::optional<SnapshotMeta> snapshot;  // kSnapshot
};

}  // namespace keelson::raft
