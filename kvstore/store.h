// Store: the contract of the replicated multi-version key-value store, in etcd's terms (revisions, leases,
// watches). Implemented by kvstore/server (embedded) and kvstore/client (remote, over the etcd v3 API). The
// API server sees only this.
//
// Semantics are etcd v3's (etcd docs "KV API guarantees"): one main revision per write transaction; a key's
// create and mod revision and version; tombstones; compaction. Key ranges are half-open [key, end); an empty
// `end` means the single key; end == "\0" (one zero byte) means "from key on".
//
// Thread rule: every method may be called from any thread; tasks resume on the caller's executor.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/task.h"
#include "kvstore/event_list.h"
#include "kvstore/types.h"

namespace keelson::kvstore {

// A watch under way. Dropping it ends it. Events are in revision order, none is lost or repeated; a watcher
// too slow to be buffered is cancelled with kResourceExhausted and must start again.
class WatchStream {
 public:
  virtual ~WatchStream() = default;
  // kOutOfRange with `compacted` set when start_revision was compacted. Cancellable.
  virtual Task<Result<WatchBatch>> next() = 0;
  // Asks for a progress notification as soon as the watch is in sync.
  virtual void request_progress() = 0;
  // The compact revision, when next() failed with kOutOfRange.
  virtual Revision compacted() const = 0;

  // For a reader of many watches with one coroutine (embedded stores only):
  // What next() would answer without waiting, else nullopt.
  virtual std::optional<Result<WatchBatch>> try_next() {
    return fail(Code::kUnimplemented, "this watch cannot be polled");
  }
  // The same, its events shared with other watches of them.
  virtual std::optional<Result<SharedBatch>> try_next_shared() {
    auto batch = try_next();
    if (!batch) return std::nullopt;
    if (!*batch) return std::unexpected(std::move(*batch).error());
    return SharedBatch(std::move(**batch));
  }
  // `wake` is called once, from any thread, when try_next() may answer again after it gave nullopt. It is
  // short and calls nothing of the store; locks are held around it. REQUIRES: before the first try_next().
  virtual void set_waker(std::function<void()> wake) {}
  // The newest revision of the store up to which everything wanted was handed out; 0 while something waits.
  virtual Revision delivered() { return 0; }
};

// Errors, with etcd's wording in the message: kOutOfRange (compacted or future revision), kNotFound (lease),
// kResourceExhausted (quota), kInvalidArgument, kUnavailable (no leader, stopping). A write that failed with
// kUnavailable or kDeadlineExceeded may or may not have happened.
class Store {
 public:
  virtual ~Store() = default;

  virtual Task<Result<RangeResult>> range(RangeRequest request) = 0;
  // The same answer at once on the calling thread where the store can give it without waiting (the embedded
  // single member); nullopt: use range(). Saves a coroutine on the read path.
  virtual std::optional<Result<RangeResult>> range_now(const RangeRequest& request) { return std::nullopt; }
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
