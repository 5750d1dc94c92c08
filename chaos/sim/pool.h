// Pool: runs seeds in child processes, so that a seed that ends in a failed CHECK or a hang is one failing
// seed and not the end of the run. Thread rule: one thread.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "chaos/sim/world.h"

namespace keelson::sim {

struct SeedResult {
  std::uint64_t seed = 0;
  bool ok = false;
  std::string text;  // the violations, or how the process ended
  Counters counters;
  std::uint64_t digest = 0;
  double seconds = 0;
  double cpu_seconds = 0;
};

struct PoolOptions {
  int jobs = 1;
  double seed_seconds_max = 120;  // longer: it hangs
};

// Runs `run` for each of `seeds` and hands each result to `got`, in the order in which they end; false from
// it ends the run.
void run_pool(const PoolOptions& options, const std::vector<std::uint64_t>& seeds,
              const std::function<RunResult(std::uint64_t seed)>& run,
              const std::function<bool(const SeedResult&)>& got);

}  // namespace keelson::sim
