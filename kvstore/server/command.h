// Command: what a log entry says, as bytes (docs/formats/command.md). Every member decodes the same bytes,
// the proposer too. Pure functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "kvstore/mvcc/auth_store.h"
#include "kvstore/mvcc/lease_table.h"
#include "kvstore/server/member.h"
#include "kvstore/types.h"

namespace keelson::kvstore {

struct Command {
  enum class Kind : std::uint8_t {
    kNone,
    kTxn,
    kCompact,
    kLeaseGrant,
    kLeaseRevoke,
    kLeaseCheckpoint,
    kMemberPublish,
    kMemberUpdate,
    kAlarm,
    kAuth,
  };
  Kind kind = Kind::kNone;
  std::uint64_t request = 0;  // 0: nobody waits for it
  Identity who;

  TxnRequest txn;                        // kTxn
  Revision revision = 0;                 // kCompact
  LeaseId lease = 0;                     // kLeaseGrant, kLeaseRevoke
  std::int64_t ttl_s = 0;                // kLeaseGrant
  std::vector<LeaseCheckpoint> remains;  // kLeaseCheckpoint
  MemberInfo member;      // kMemberPublish: id, name, client URLs; kMemberUpdate: id, peer URLs
  Alarm alarm;            // kAlarm
  bool activate = false;  // kAlarm: else it is taken back
  AuthCommand auth;       // kAuth
};

// Each begins with a header that leaves room for the request's id.
std::string encode_txn(const TxnRequest& request, const Identity& who = Identity::internal());
std::string encode_compact(Revision revision, const Identity& who = Identity::internal());
std::string encode_lease_grant(LeaseId id, std::int64_t ttl_s, const Identity& who = Identity::internal());
std::string encode_lease_revoke(LeaseId id, const Identity& who = Identity::internal());
std::string encode_lease_checkpoint(const std::vector<LeaseCheckpoint>& remains);
std::string encode_member_publish(const MemberInfo& member);
std::string encode_member_update(const MemberInfo& member);
std::string encode_alarm(const Alarm& alarm, bool activate, const Identity& who = Identity::internal());
std::string encode_auth(const AuthCommand& command, const Identity& who = Identity::internal());
// Writes the id into an encoded command.
void set_request_id(std::string& command, std::uint64_t id);

// kDataLoss for malformed bytes and for a kind that this version does not know. Values share `bytes`' memory.
// An empty command is kNone: the entry of a new leader.
Result<Command> decode_command(const Bytes& bytes);

// What a membership change carries for the state machine: raft::ConfChange::context.
struct ConfContext {
  std::uint64_t request = 0;
  std::vector<MemberInfo> members;  // those that are added, with their peer URLs
};
std::string encode(const ConfContext& context);
Result<ConfContext> decode_conf_context(const Bytes& bytes);

}  // namespace keelson::kvstore
