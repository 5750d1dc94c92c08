// The plain values of the store's contract: requests, results, events, in etcd's terms. store.h says what
// they mean; kvstore/mvcc (pure, no coroutines) works on them too, which is why they live apart from it.
// Thread rule: as any value type.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace keelson::kvstore {

using Revision = std::int64_t;  // main revision; etcd's int64 on the wire
using LeaseId = std::int64_t;

// What every reply tells of the one who made it (etcdserverpb.ResponseHeader).
struct Header {
  std::uint64_t cluster_id = 0;
  std::uint64_t member_id = 0;
  Revision revision = 0;
  std::uint64_t raft_term = 0;
};

struct KeyValue {
  Bytes key;
  Bytes value;
  Revision create_revision = 0;
  Revision mod_revision = 0;
  std::int64_t version = 0;
  LeaseId lease = 0;
};

enum class SortTarget : std::uint8_t { kKey, kVersion, kCreate, kMod, kValue };
enum class SortOrder : std::uint8_t { kNone, kAscend, kDescend };

struct RangeRequest {
  std::string key;
  std::string end;
  std::int64_t limit = 0;     // 0: no limit
  Revision revision = 0;      // 0: now
  bool serializable = false;  // may be answered by a member that lags
  bool keys_only = false;
  bool count_only = false;
  SortOrder sort_order = SortOrder::kNone;
  SortTarget sort_target = SortTarget::kKey;
  Revision min_mod_revision = 0, max_mod_revision = 0, min_create_revision = 0, max_create_revision = 0;
};

struct RangeResult {
  Revision revision = 0;  // the store's revision when the answer was made
  std::vector<KeyValue> kvs;
  std::int64_t count = 0;  // matching keys without regard to limit
  bool more = false;
};

struct PutRequest {
  std::string key;
  Bytes value;
  LeaseId lease = 0;
  bool prev_kv = false;
  bool ignore_value = false;
  bool ignore_lease = false;
};

struct DeleteRequest {
  std::string key;
  std::string end;
  bool prev_kv = false;
};

struct Compare {
  enum class Target : std::uint8_t { kVersion, kCreate, kMod, kValue, kLease };
  enum class Op : std::uint8_t { kEqual, kGreater, kLess, kNotEqual };
  std::string key;
  std::string end;
  Target target = Target::kMod;
  Op op = Op::kEqual;
  std::int64_t number = 0;  // for all targets but kValue
  std::string value;        // for kValue
};

struct TxnRequest;
struct TxnOp {
  enum class Kind : std::uint8_t { kRange, kPut, kDelete, kTxn };
  Kind kind = Kind::kRange;
  RangeRequest range;
  PutRequest put;
  DeleteRequest del;
  std::shared_ptr<TxnRequest> txn;
};
struct TxnRequest {
  std::vector<Compare> compares;
  std::vector<TxnOp> success;
  std::vector<TxnOp> failure;
};

struct TxnOpResult {
  TxnOp::Kind kind = TxnOp::Kind::kRange;
  RangeResult range;                   // kRange
  std::optional<KeyValue> prev_kv;     // kPut
  std::int64_t deleted = 0;            // kDelete
  std::vector<KeyValue> prev_kvs;      // kDelete
  bool succeeded = false;              // kTxn
  std::vector<TxnOpResult> responses;  // kTxn
};
struct TxnResult {
  Revision revision = 0;  // of this transaction; unchanged store revision when nothing was written
  bool succeeded = false;
  std::vector<TxnOpResult> responses;
};

struct Event {
  enum class Type : std::uint8_t { kPut, kDelete };
  Type type = Type::kPut;
  KeyValue kv;                      // for kDelete: key and mod_revision only
  std::optional<KeyValue> prev_kv;  // where asked for and not compacted
};

// All events of `events` have mod_revision <= revision; a batch never splits one revision's events unless
// `fragment`. With no events it is a progress notification: everything up to `revision` has been delivered.
struct WatchBatch {
  Revision revision = 0;
  std::vector<Event> events;
};

struct WatchRequest {
  std::string key;
  std::string end;
  Revision start_revision = 0;  // first revision wanted; 0: from now on
  bool prev_kv = false;
  bool progress_notify = false;
  bool no_put = false;
  bool no_delete = false;
  // What a watcher too slow for its buffer gets: true: what it missed, from history (cancelled only where
  // that was compacted); false: a cancellation.
  bool resync = false;
};

struct LeaseInfo {
  LeaseId id = 0;
  std::int64_t granted_ttl_s = 0;
  std::int64_t remaining_ttl_s = 0;  // -1: no such lease
  std::vector<std::string> keys;
  Revision revision = 0;  // of the store when it was granted; of a grant alone
};

}  // namespace keelson::kvstore
