// Store: the contract of the replicated multi-version key-value store, in etcd's terms (revisions, leases, watches).
// Implemented by kvstore/server (embedded) and kvstore/client (remote, over the etcd v3 API). The API server sees only this.
//
// Semantics are etcd v3's (etcd docs "KV API guarantees"): one main revision per write transaction; a key's create and mod
// revision and version; tombstones; compaction. Key ranges are half-open [key, end); an empty `end` means the single
// key; end == "\0" (one zero byte) means "from key on".
//
// Thread rule: every method may be called from any thread; tasks resume on the caller's executor.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/task.h"

namespace keelson::kvstore {

using Revision = std::int64_t;  // main revision; etcd's int64 on the wire
using LeaseId = std::int64_t;

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
  std::int64_t limit = 0;      // 0: no limit
  Revision revision = 0;       // 0: now
  bool serializable = false;   // may be answered by a member that lags
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
  RangeResult range;                      // kRange
  std::optional<KeyValue> prev_kv;        // kPut
  std::int64_t deleted = 0;               // kDelete
  std::vector<KeyValue> prev_kvs;         // kDelete
  bool succeeded = false;                 // kTxn
  std::vector<TxnOpResult> responses;     // kTxn
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

// All events of `events` have mod_revision <= revision; a batch never splits one revision's events unless `fragment`.
// With no events it is a progress notification: everything up to `revision` has been delivered.
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
};

// A watch under way. Dropping it ends it. Events are in revision order, none is lost or repeated; a watcher too slow to
// be buffered is cancelled with kResourceExhausted and must start again.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // kOutOfRange with `compacted` set when start_revision was compacted. Cancellable.
  virtual Task<Result<WatchBatch>> next() = 0;
  // Asks for a progress notification as soon as the watch is in sync.
  virtual void request_progress() = 0;
  // The compact revision, when next() failed with kOutOfRange.
  virtual Revision compacted() const = 0;
};

struct LeaseInfo {
  LeaseId id = 0;
  std::int64_t granted_ttl_s = 0;
  std::int64_t remaining_ttl_s = 0;  // -1: no such lease
  std::vector<std::string> keys;
};

// Errors, with etcd's wording in the message: kOutOfRange (compacted or future revision), kNotFound (lease), kResourceExhausted
// (quota), kInvalidArgument, kUnavailable (no leader, stopping). A write that failed with kUnavailable or
// kDeadlineExceeded may or may not have happened.
class Store {
 public:
  virtual ~Store() = default;

  virtual Task<Result<RangeResult>> range(RangeRequest request) = 0;
  // Durable on return, as every write below.
  virtual Task<Result<TxnResult>> txn(TxnRequest request) = 0;
  // Drops versions superseded before `revision`.
  virtual Task<Result<void>> compact(Revision revision) = 0;
  virtual Task<Result<std::unique_ptr<WatchStream>>> watch(WatchRequest request) = 0;

  // id 0: the store chooses one.
  virtual Task<Result<LeaseInfo>> lease_grant(LeaseId id, std::int64_t ttl_s) = 0;
  virtual Task<Result<void>> lease_revoke(LeaseId id) = 0;
  virtual Task<Result<LeaseInfo>> lease_keep_alive(LeaseId id) = 0;
  virtual Task<Result<LeaseInfo>> lease_time_to_live(LeaseId id, bool keys) = 0;
  virtual Task<Result<std::vector<LeaseId>>> leases() = 0;

  // Newest revision known here; not linearizable. For progress and metrics.
  virtual Revision current_revision() const = 0;
};

}  // namespace keelson::kvstore
