// Storage: objects in the key-value store, one key each, with optimistic transactions on the mod revision (which is the
// object's resourceVersion). Reads of the present go to the watch cache, brought up to date first, so that they see every
// write acknowledged before; reads of the past go to the store.
//
// Thread rule: any thread. Writes are durable on return.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "apiserver/resource.h"
#include "apiserver/watch_cache.h"
#include "apiserver/write_intents.h"
#include "kvstore/store.h"

namespace keelson::apiserver {

// What an optimistic write came to: written, or what stands there instead (null: nothing).
struct WriteOutcome {
  VersionPtr written;
  VersionPtr current;
  bool conflict() const { return written == nullptr; }
};

class Storage {
 public:
  // `local`: the store is in this process, so that its current_revision() is the newest there is.
  Storage(kvstore::Store& store, WatchCache& cache, WriteIntents& intents, Clock& clock, bool local);

  // The revision a consistent read must see.
  Task<Result<std::int64_t>> read_revision();
  // Makes the cache as new as the store is now.
  Task<Result<void>> catch_up();
  // True when the cache needs no waiting for a consistent read: the hot path.
  bool fresh() const { return local_ && cache_.fresh(store_.current_revision()); }

  // Null when absent. Consistent.
  Task<Result<VersionPtr>> get(const Resource& resource, std::string ns, std::string name);
  // Straight from the store, also where the cache lags.
  Task<Result<VersionPtr>> get_live(const Resource& resource, std::string key);

  // Creates unless the key exists. `ttl_s` 0: no lease.
  Task<Result<WriteOutcome>> create(const Resource& resource, std::string key, std::unique_ptr<api::Object> object,
                                    std::int64_t ttl_s);
  // Replaces the version at `expected`.
  Task<Result<WriteOutcome>> update(const Resource& resource, std::string key, std::int64_t expected,
                                    std::unique_ptr<api::Object> object, std::int64_t ttl_s);
  // Deletes the version at `expected`. `written` is the last state with the deletion's revision.
  Task<Result<WriteOutcome>> remove(const Resource& resource, std::string key, VersionPtr expected);

  struct Page {
    std::vector<VersionPtr> items;
    std::int64_t revision = 0;
    std::string next_key;   // empty: no more
    std::int64_t remaining = 0;
  };
  // Objects of [start, prefix end) as they were at `revision` (0: now), at most `limit` (0: all).
  // kOutOfRange when compacted.
  Task<Result<Page>> history(const Resource& resource, std::string prefix, std::string start, std::int64_t revision,
                             std::int64_t limit);

  kvstore::Store& store() { return store_; }
  WatchCache& cache() { return cache_; }

 private:
  Task<Result<WriteOutcome>> put(const Resource& resource, std::string key, std::int64_t expected,
                                 std::unique_ptr<api::Object> object, std::int64_t ttl_s);
  Task<Result<kvstore::LeaseId>> lease(std::int64_t ttl_s);

  kvstore::Store& store_;
  WatchCache& cache_;
  WriteIntents& intents_;
  Clock& clock_;
  const bool local_;
  // Leases are shared by all objects written within one minute (upstream's --lease-reuse-duration-seconds=60).
  struct SharedLease {
    kvstore::LeaseId id = 0;
    MonoTime until{};
  };
  std::mutex lease_mu_;
  std::map<std::int64_t, SharedLease> leases_;  // by ttl
};

// The end of the range of keys that begin with `prefix`.
std::string prefix_end(std::string_view prefix);

}  // namespace keelson::apiserver
