// ParallelLoad: reads a snapshot's versions on several threads: what a start with many keys waits for. The
// revisions are cut into stretches; threads read, check and decode them, and one takes them over in order.
// For kvstore/backend only.
//
//   ParallelLoad(snapshot, bytes, 2).run(take)
//
// Thread rule: run() on one thread, once; it calls `take` on the same.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <vector>

#include "kvstore/backend/snapshot.h"

namespace keelson::kvstore {

class ParallelLoad {
 public:
  using Take = std::function<void(std::vector<LoadedVersion> versions)>;
  // REQUIRES: threads > 0. `snapshot` outlives this; `bytes`: about what its versions take.
  ParallelLoad(const BackendSnapshot& snapshot, std::uint64_t bytes, unsigned threads);
  // Hands over all versions in rising order. Errors: as BackendSnapshot::load().
  Result<void> run(const Take& take);

 private:
  using Stretch = Result<std::vector<LoadedVersion>>;
  void work();
  Stretch read(std::size_t number);
  // The first main revision of stretch `number`.
  Revision first(std::size_t number) const;

  const BackendSnapshot& snapshot_;
  const unsigned threads_;
  std::size_t stretches_ = 0;
  std::atomic<std::size_t> usual_{0};  // versions in a stretch, about

  std::mutex mu_;
  std::condition_variable changed_;
  std::size_t taken_ = 0;  // so many stretches are handed over
  std::size_t begun_ = 0;  // so many are read or being read
  bool stopped_ = false;
  std::deque<std::optional<Stretch>> read_;  // from taken_ on
};

}  // namespace keelson::kvstore
