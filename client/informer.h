// Informer: a local, indexed copy of all objects of one kind, kept current by list and watch.
//
//   list ──► store (adds, updates, deletes by difference) ──► watch from the list's resourceVersion ──► store
//     ▲                                                          │ 410: list again
//     └──────────────────────────────────────────────────────────┘ broken: watch again from the last version
//     seen
//
// Handlers are called once per change, in order, on the informer's executor; they only enqueue keys (and may
// read any store). They must not block and must not add handlers. Retries back off from 0.8 s to 30 s with
// jitter, so a restarted server is found again and not stormed.
//
// InformerFactory shares one informer per kind and selection between all users of a process.
// Thread rule: thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "client/backoff.h"
#include "client/store.h"
#include "client/transport.h"

namespace keelson::client {

struct EventHandler {
  std::function<void(const api::ObjectPtr& object)> on_add;
  std::function<void(const api::ObjectPtr& old, const api::ObjectPtr& now)> on_update;
  // `last` is the last state known, which may be older than the object's last state on the server.
  std::function<void(const api::ObjectPtr& last)> on_delete;
};

struct InformerOptions {
  std::string ns;
  std::string label_selector;
  std::string field_selector;
  friend auto operator<=>(const InformerOptions&, const InformerOptions&) = default;
};

class Informer {
 public:
  // Everything referenced outlives the informer.
  Informer(const api::KindInfo& kind, InformerOptions options, Transport& transport, Clock& clock, Rng rng,
           Logger logger);

  const api::KindInfo& kind() const { return kind_; }
  const Store& store() const { return store_; }
  void add_index(std::string name, IndexFunction function) {
    store_.add_index(std::move(name), std::move(function));
  }
  // Calls on_add for everything already known, then every change. May be called at any time.
  void add_handler(EventHandler handler);

  // True once the first list is in the store and was handed to the handlers.
  bool has_synced() const { return synced_.is_set(); }
  Task<> wait_for_sync() { return synced_.wait(); }
  // The same, at most until `deadline`. True when synced.
  Task<bool> wait_for_sync_until(MonoTime deadline) { return synced_.wait_until(clock_, deadline); }
  // The last resourceVersion seen.
  std::string last_resource_version() const;

  // Lists and watches until cancelled. Spawned by the factory.
  Task<> run();

 private:
  Task<bool> list_once();
  // Returns when the list has to be taken again.
  Task<> watch_until_expired();
  // Reads one stream to its end; the error it ended with.
  Task<Error> read_stream(WatchStream* stream, bool* got_events);
  void apply(WatchEvent event);
  void replace(std::vector<api::ObjectPtr> items, std::string resource_version);
  void notify(const api::ObjectPtr& old, const api::ObjectPtr& now);
  void set_resource_version(std::string rv);

  const api::KindInfo& kind_;
  const InformerOptions options_;
  Transport& transport_;
  Clock& clock_;
  Logger logger_;
  Backoff backoff_;
  Rng rng_;
  Store store_;
  AsyncEvent synced_;
  // Held while one change is applied and handed out, so that a new handler sees each object exactly once.
  std::mutex dispatch_mu_;
  std::vector<EventHandler> handlers_;
  mutable std::mutex rv_mu_;
  std::string resource_version_ = "0";
};

class InformerFactory {
 public:
  // Informers run on strands of `executor`. Everything referenced outlives the factory.
  InformerFactory(Transport& transport, Executor executor, Clock& clock, Rng rng, Logger logger);
  ~InformerFactory();  // REQUIRES: stop() has returned, or start() was never called.

  // The shared informer; made when it is the first time.
  std::shared_ptr<Informer> informer(const api::KindInfo& kind, InformerOptions options = {});
  // Starts those not started yet. Call again after asking for more.
  void start();
  // Returns once all started informers have synced.
  Task<> wait_for_sync();
  Task<> stop();

 private:
  struct Entry {
    std::shared_ptr<Informer> informer;
    bool started = false;
  };
  Transport& transport_;
  Executor executor_;
  Clock& clock_;
  Logger logger_;
  std::mutex mu_;
  Rng rng_;
  std::map<std::pair<const api::KindInfo*, InformerOptions>, Entry> entries_;
  TaskGroup tasks_;
};

}  // namespace keelson::client
