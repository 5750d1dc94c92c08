// IoPool: the threads of a process. N io threads, each with its own event loop (a connection stays on one of
// them), and a small pool for long computations (large encodings, fsync, crypto) so that they do not hold up
// an event loop. Nothing outside cmd/ and tests makes one; components get Executors.
//
// Thread rule: start() and stop() from one thread that is not one of the pool's; the rest from any thread.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "base/task.h"

namespace keelson::net {

class IoPool {
 public:
  // REQUIRES: io_threads > 0, worker_threads > 0. Threads start in start().
  IoPool(std::size_t io_threads, std::size_t worker_threads);
  // stop()s.
  ~IoPool();
  IoPool(const IoPool&) = delete;
  IoPool& operator=(const IoPool&) = delete;

  // One executor per io thread; work posted to one of them runs in order on its thread. Valid as long as the
  // pool.
  const std::vector<Executor>& executors() const;
  // The next io thread, round robin.
  Executor next();
  // Runs on any worker thread, several at once.
  Executor workers();

  void start();
  // Stops the loops without waiting for what is queued, and joins the threads: end servers and groups before.
  // Idempotent.
  void stop();
  // Blocks until stop() is called from another thread.
  void join();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::net
