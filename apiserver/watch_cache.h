// The watch cache: the state of every stored kind in memory, fed by ONE store watch on /registry/, and the recent
// events of each kind for watchers.
//
//   store watch ──> WatchCache::feed ──> KindCache (pods)     ──> Watcher queues ──> connections
//                                   └──> KindCache (services) ──> …
//
// Invariants
//  1. applied() == R: every event with revision <= R is in its KindCache and in the queues of all watchers it concerns.
//  2. A KindCache's window holds every event of the kind with revision > window_low(), in order.
//  3. A watcher registered at revision r gets exactly the events > r that concern it, in order, or ends.
//
// Thread rule: thread-safe. Lock order: KindCache::mu_, then Watcher::mu_. No lock is held across co_await.
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "apiserver/object_version.h"
#include "apiserver/write_intents.h"
#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "kvstore/store.h"

namespace keelson::apiserver {

struct CacheEvent {
  enum class Type : std::uint8_t { kAdded, kModified, kDeleted };
  Type type = Type::kAdded;
  std::int64_t revision = 0;
  VersionPtr object;    // for kDeleted: the last state, carrying the deletion's revision
  VersionPtr previous;  // null for kAdded
};
using CacheEventPtr = std::shared_ptr<const CacheEvent>;

// Which events concern a watcher; the narrowest that is set is indexed.
struct WatchScope {
  std::string namespace_;  // empty: all
  std::string name;        // metadata.name; with namespace_ for namespaced kinds
  std::string node_name;   // spec.nodeName
};

class KindCache;

// One watcher's queue. Bounded: a watcher that falls behind is ended. One reader.
class Watcher {
 public:
  Watcher(KindCache& cache, WatchScope scope, std::size_t capacity);
  ~Watcher();  // unregisters
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;

  struct Batch {
    std::vector<CacheEventPtr> events;
    bool ended = false;          // no more will come (overflow, cache reload, stop())
    std::int64_t progress = 0;   // with no events: everything up to here has been delivered
  };
  // Takes what is queued without waiting.
  Batch take();
  // Returns once take() has something or the time is up.
  Task<> wait(Clock& clock, MonoTime deadline);
  // Ends the watch: wait() returns, take() says ended. Any thread.
  void stop();

 private:
  friend class KindCache;
  void push(const CacheEventPtr& event);

  KindCache& cache_;
  const WatchScope scope_;
  const std::size_t capacity_;
  std::mutex mu_;
  std::vector<CacheEventPtr> queue_;
  bool ended_ = false;
  AsyncEvent wake_;
};

class KindCache {
 public:
  // `node_name`: for kinds with spec.nodeName (pods), how to read it; null otherwise.
  using NodeNameOf = std::string_view (*)(const api::Object&);
  KindCache(const api::KindInfo& kind, std::string prefix, NodeNameOf node_name,
            const std::atomic<std::int64_t>& applied, std::size_t window);

  const api::KindInfo& kind() const { return kind_; }
  // "/registry/pods/"
  const std::string& prefix() const { return prefix_; }

  // `key` is relative to prefix(): "ns/name" or "name". Null when absent.
  VersionPtr get(std::string_view key) const;
  struct Snapshot {
    std::vector<VersionPtr> items;  // in key order
    std::int64_t revision = 0;
  };
  // `relative_prefix`: "" for all or "ns/".
  Snapshot list(std::string_view relative_prefix) const;
  std::size_t size() const;

  // Starts a watch from after `revision`; with `initial`, the present state comes first (as kAdded events, in
  // `initial->items`) and events continue after initial->revision. Null: `revision` is older than the window.
  std::unique_ptr<Watcher> watch(WatchScope scope, std::int64_t revision, Snapshot* initial);
  std::int64_t window_low() const;
  std::size_t watchers() const;

  // For the feeder.
  void load(std::map<std::string, VersionPtr, std::less<>> items, std::int64_t revision);
  void put(std::string_view key, VersionPtr version);
  void erase(std::string_view key, std::int64_t revision);

 private:
  friend class Watcher;
  using WatcherList = std::vector<Watcher*>;
  WatcherList& index_of(const WatchScope& scope);
  void publish(CacheEventPtr event);  // REQUIRES: mu_ held
  void unregister(Watcher& watcher);

  const api::KindInfo& kind_;
  const std::string prefix_;
  const NodeNameOf node_name_;
  const std::atomic<std::int64_t>& applied_;
  const std::size_t window_;
  mutable std::mutex mu_;
  std::map<std::string, VersionPtr, std::less<>> items_;
  std::deque<CacheEventPtr> events_;
  std::int64_t window_low_ = 0;
  std::int64_t last_ = 0;  // revision of the newest event of this kind
  WatcherList all_;
  std::unordered_map<std::string, WatcherList> by_namespace_, by_name_, by_node_;
  std::size_t watchers_ = 0;
};

class WatchCache {
 public:
  struct Options {
    std::size_t window = 4096;          // events kept per kind
    std::size_t watcher_queue = 4096;
  };
  WatchCache(kvstore::Store& store, Clock& clock, Logger logger, WriteIntents& intents, Options options);
  ~WatchCache();

  // Adds a kind. REQUIRES: before start().
  KindCache& add_kind(const api::KindInfo& kind, std::string prefix, KindCache::NodeNameOf node_name);

  // Loads the store's state and follows it until stop(). Returns once loaded.
  Task<Result<void>> start(Executor ex);
  Task<> stop();

  // Everything up to this revision is visible here.
  std::int64_t applied() const { return applied_.load(std::memory_order_acquire); }
  bool fresh(std::int64_t revision) const { return applied() >= revision; }
  // Waits for `revision`. kDeadlineExceeded when it does not come in time.
  Task<Result<void>> wait_for(std::int64_t revision, Duration timeout);
  bool ready() const { return ready_.load(); }

 private:
  Task<Result<std::int64_t>> load_all();
  Task<> follow();
  void apply(const kvstore::Event& event);
  void advance(std::int64_t revision);
  KindCache* kind_of(std::string_view key, std::string_view* relative);

  kvstore::Store& store_;
  Clock& clock_;
  Logger logger_;
  WriteIntents& intents_;
  const Options options_;
  std::atomic<std::int64_t> applied_{0};
  std::atomic<bool> ready_{false};
  std::map<std::string, std::unique_ptr<KindCache>, std::less<>> kinds_;  // by prefix
  std::mutex waiters_mu_;
  std::multimap<std::int64_t, std::shared_ptr<AsyncEvent>> waiters_;
  std::atomic<bool> has_waiters_{false};
  std::mutex stream_mu_;
  kvstore::WatchStream* stream_ = nullptr;  // under stream_mu_: to ask for progress
  std::int64_t next_revision_ = 0;
  TaskGroup tasks_;
};

}  // namespace keelson::apiserver
