// History: what clients did and saw, and what the store says that happened. The checkers of this folder
// judge the one by the other; the simulator and tests of real processes make both.
//
// Every operation is an etcd request with the time it was invoked and the time it returned, on one clock that
// all clients share. A put or delete is a transaction of one operation. An operation without an answer
// (kUnknown) may have happened, or may still: its end is kNever. Puts carry values that no other put of the
// history carries: by them an unanswered put is found again in the log.
//
// EventLog: all changes in revision order, as a watch on every key from the first revision would deliver them
// (or as the simulator sees them applied).
#pragma once

#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "kvstore/types.h"

namespace keelson::jepsen {

using kvstore::LeaseId;
using kvstore::Revision;

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

struct Op {
  enum class Kind : std::uint8_t { kTxn, kRange, kCompact, kLeaseGrant, kLeaseRevoke, kLeaseKeepAlive };
  // kFailed: it certainly did not happen, and never will.
  enum class Status : std::uint8_t { kUnknown, kOk, kFailed };
  std::uint64_t id = 0;
  int client = 0;
  Kind kind = Kind::kTxn;
  Status status = Status::kUnknown;
  std::int64_t invoked_ns = 0;
  std::int64_t returned_ns = kNever;
  kvstore::TxnRequest txn;
  kvstore::RangeRequest range;
  Revision revision = 0;   // kCompact
  LeaseId lease = 0;       // kLease*
  std::int64_t ttl_s = 0;  // kLeaseGrant: asked for, then granted; kLeaseKeepAlive: answered
  std::string error;       // kFailed
  kvstore::TxnResult txn_result;
  kvstore::RangeResult range_result;
};

struct LoggedRevision {
  Revision revision = 0;
  // Not later than anybody could know of it; 0: not known.
  std::int64_t at_ns = 0;
  std::vector<kvstore::Event> events;  // in the order of their sub-revisions
};
using EventLog = std::vector<LoggedRevision>;

struct Violation {
  std::string property;
  std::string text;
};
using Violations = std::vector<Violation>;

// "put k3=c1-9", "txn {…}": for traces and violations.
std::string describe(const Op& op);
std::string describe(const kvstore::Event& event);

// One JSON object a line: the operations, then the log's revisions. For people and other checkers.
void write_json_lines(const std::vector<Op>& ops, const EventLog& log, std::FILE* out);

}  // namespace keelson::jepsen
