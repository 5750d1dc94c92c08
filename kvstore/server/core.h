// StoreCore: what the store thread and the background thread of an EmbeddedStore do. Not a public header.
//
// Store thread: takes what is queued, proposes it, advances the log, applies, stages and publishes,
// dispatches watches, resumes callers, and does a step of compaction when one is due. Background thread:
// writes to LevelDB, makes the next log segment, and pokes the store thread by the injected Clock for lease
// expiry and progress notifications.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <deque>
#include <thread>
#include <unordered_map>

#include "base/async.h"
#include "kvstore/backend/backend.h"
#include "kvstore/mvcc/state.h"
#include "kvstore/mvcc/watch_hub.h"
#include "kvstore/server/command.h"
#include "kvstore/server/embedded_store.h"
#include "kvstore/server/log.h"
#include "kvstore/server/metrics.h"
#include "kvstore/server/pending.h"
#include "raft/wal/wal.h"

namespace keelson::kvstore {

class StoreCore {
 public:
  explicit StoreCore(EmbeddedStoreOptions options);
  // Before start(): locks, recovers.
  Result<void> recover();
  void start();
  void stop();

  // Hands a request to the store thread. An error: it was not taken.
  Result<void> enqueue(PendingPtr p);
  // Why nothing is served: nullopt while it is.
  std::optional<Error> refusal() const;
  std::optional<Error> failed() const;

  EmbeddedStoreOptions options;
  StoreMetrics metrics;
  std::unique_ptr<Backend> backend;
  std::unique_ptr<State> state;
  WatchHub hub;

 private:
  // Store thread.
  void run();
  void step(std::vector<PendingPtr> batch, bool tick);
  void propose_due_revokes();
  void apply_all(std::vector<CommittedEntry> entries);
  void apply(const CommittedEntry& entry, Outcome& outcome);
  void commit_effects();
  void fail_with(const Error& error);
  void announce_failure();
  void wait_for_backend_room();
  // Background thread.
  Task<> tick_loop();
  Task<> flush_loop();
  bool flush_once(bool sync);
  void report_metrics();
  double seconds() const;

  FileSystem& fs_;
  std::unique_ptr<FileLock> lock_;
  raft::Wal* wal_ = nullptr;  // the log's; for prepare_spare() alone
  std::unique_ptr<Log> log_;

  // Store thread.
  Effects effects_;
  BackendMeta meta_;
  Ticket next_ticket_ = 1;
  std::unordered_map<Ticket, PendingPtr> waiting_;
  MonoTime next_progress_{};
  bool failure_announced_ = false;

  mutable std::mutex mu_;
  std::condition_variable wake_;
  std::vector<PendingPtr> queue_;
  bool tick_due_ = false;
  bool stopping_ = false;
  bool started_ = false;
  std::optional<Error> failed_;
  BackendMeta forgettable_;  // durable in the backend
  std::thread store_thread_;

  boost::asio::io_context background_;
  TaskGroup background_tasks_;
  AsyncEvent flush_wanted_;
  std::atomic<bool> sync_flush_wanted_{false};
  std::thread background_thread_;
};

}  // namespace keelson::kvstore
