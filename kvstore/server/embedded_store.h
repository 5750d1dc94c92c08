// EmbeddedStore: the Store inside this process: one member, durable, in its final form but for replication.
//
//   txn() ─ encode ─▶ mailbox ─▶ store thread: Log (append + fsync, grouped) ─▶ apply to mvcc ─▶ publish root
//   ─▶ answer, watches
//                                                                                  └▶ flusher thread:
//                                                                                  LevelDB, log prune
//   range() ─▶ newest published root, on the caller's thread: no lock but the root load, no hop
//
// The store thread owns the log, the state machine and the watch hub. Writes queued while an fsync runs go
// into the next one. A failed fsync, or a log or backend that cannot be written, stops the member: everything
// answers kUnavailable from then on, failed() says why, and nothing is retried.
//
// Data dir: LOCK · wal/ (docs/formats/wal.md) · db/ (docs/formats/backend.md). Two processes never open one
// data dir.
//
// Thread rule: any thread. REQUIRES of the destructor: stop() was called and every WatchStream is gone.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "kvstore/store.h"

namespace prometheus {
class Registry;
}

namespace keelson::kvstore {

struct EmbeddedStoreOptions {
  std::string data_dir;
  FileSystem* fs = nullptr;  // null: posix_file_system()
  Clock* clock = nullptr;    // REQUIRED; outlives the store
  Logger logger;
  prometheus::Registry* metrics = nullptr;  // null: none; outlives the store
  bool in_memory_backend = false;           // tests: LevelDB in memory instead of in data_dir
  std::uint64_t wal_segment_bytes = std::uint64_t{16} << 20;
  std::size_t max_txn_ops = 128;
  std::size_t max_request_bytes = 3 << 19;  // 1.5 MiB, as etcd's --max-request-bytes
  std::size_t max_pending_writes = 20000;   // more answer kResourceExhausted
  std::size_t watch_buffer_events = 65536;  // a watcher further behind is cancelled
  Duration progress_interval = std::chrono::seconds(5);
  // Called once, on the store thread, when the member stops by itself.
  std::function<void(Error)> on_failure;
};

class EmbeddedStore final : public Store {
 public:
  // Opens or creates the data dir and recovers: LevelDB up to its applied index, then the log's tail.
  // Blocking. Errors: kFailedPrecondition (locked by another process), kDataLoss (corruption; the message
  // names file and offset), kInternal (I/O).
  static Result<std::unique_ptr<EmbeddedStore>> open(EmbeddedStoreOptions options);
  ~EmbeddedStore() override;

  // Starts the threads. Before it reads work and writes wait.
  void start();
  // Refuses new work (kUnavailable), ends every watch, finishes what is queued, flushes, joins the threads.
  // Blocking; may be called twice. Not from a thread that runs the executors of waiting coroutines unless
  // others run them too.
  void stop();
  // Why the member stopped by itself; nullopt while it runs.
  std::optional<Error> failed() const;

  Task<Result<RangeResult>> range(RangeRequest request) override;
  std::optional<Result<RangeResult>> range_now(const RangeRequest& request) override;
  Task<Result<TxnResult>> txn(TxnRequest request) override;
  Task<Result<void>> compact(Revision revision) override;
  Task<Result<std::unique_ptr<WatchStream>>> watch(WatchRequest request) override;
  Task<Result<LeaseInfo>> lease_grant(LeaseId id, std::int64_t ttl_s) override;
  Task<Result<void>> lease_revoke(LeaseId id) override;
  Task<Result<LeaseInfo>> lease_keep_alive(LeaseId id) override;
  Task<Result<LeaseInfo>> lease_time_to_live(LeaseId id, bool keys) override;
  Task<Result<std::vector<LeaseId>>> leases() override;
  Revision current_revision() const override;

  Revision compact_revision() const;
  // Incremental hash of the live state at the newest applied index (DESIGN.md §4).
  std::uint64_t state_hash() const;

 private:
  class Impl;
  explicit EmbeddedStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::kvstore
