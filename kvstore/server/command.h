// Command: what a log entry says, as bytes (docs/formats/command.md). Every member decodes the same bytes,
// the proposer too. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"
#include "kvstore/types.h"

namespace keelson::kvstore {

struct Command {
  enum class Kind : std::uint8_t { kNone, kTxn, kCompact, kLeaseGrant, kLeaseRevoke };
  Kind kind = Kind::kNone;
  TxnRequest txn;          // kTxn
  Revision revision = 0;   // kCompact
  LeaseId lease = 0;       // kLeaseGrant, kLeaseRevoke
  std::int64_t ttl_s = 0;  // kLeaseGrant
};

std::string encode_txn(const TxnRequest& request);
std::string encode_compact(Revision revision);
std::string encode_lease_grant(LeaseId id, std::int64_t ttl_s);
std::string encode_lease_revoke(LeaseId id);

// kDataLoss for malformed bytes and for a kind that this version does not know. Values share `bytes`' memory.
// An empty command is kNone: the entry of a new leader.
Result<Command> decode_command(const Bytes& bytes);

}  // namespace keelson::kvstore
