// WorkQueue: the queue between informers' handlers and a controller's workers.
//
// Holds keys ("namespace/name"). Invariants:
//   - a key is waiting at most once, however often it was added;
//   - a key is worked on by at most one worker: one that is added while being processed waits until done()
//   and is
//     then queued again;
//   - after shut_down() get() drains nothing more and answers nullopt.
// Failed keys come back after an exponential back-off of their own (add_rate_limited), forgotten by forget().
//
//   add(k) ──► waiting ──get()──► processing ──done(k)──► gone, or waiting again when it was added meanwhile
//   add_after(k, d) ──► delayed (earliest time wins) ──► add(k)
//
// Thread rule: thread-safe; handlers on any thread add, workers on their own executors get.
#pragma once

#include <array>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/async.h"
#include "base/clock.h"

namespace keelson::client {

// A histogram with upstream's work-queue buckets (1e-8 … 10 s, powers of ten).
struct DurationHistogram {
  static constexpr std::size_t kBuckets = 10;
  std::array<std::uint64_t, kBuckets> counts{};  // not cumulative
  std::uint64_t total = 0;
  double sum_seconds = 0;
  void observe(Duration d);
};

// Counters with the meaning of upstream's workqueue_* metrics; read at any time from any thread.
struct WorkQueueStats {
  std::string name;
  std::uint64_t adds = 0;
  std::uint64_t retries = 0;
  std::uint64_t depth = 0;
  DurationHistogram queue_duration;
  DurationHistogram work_duration;
  double unfinished_work_seconds = 0;
  double longest_running_processor_seconds = 0;
};

// Appends the stats in Prometheus text form (workqueue_adds_total, workqueue_depth, …) to `out`; TYPE lines
// once.
void write_prometheus(std::string& out, const std::vector<WorkQueueStats>& stats);

class WorkQueue {
 public:
  struct Options {
    std::string name;
    Duration base_delay = std::chrono::milliseconds(5);
    Duration max_delay = std::chrono::seconds(1000);
  };
  // `clock` outlives the queue.
  WorkQueue(Clock& clock, Options options);

  void add(std::string key);
  // Adds `key` once `delay` has passed (at once when it is not positive). Of several delays the earliest
  // wins. REQUIRES for delays to be kept: run_delays() runs.
  void add_after(std::string key, Duration delay);
  // add_after() with the key's back-off: base, 2·base, 4·base … max.
  void add_rate_limited(std::string key);
  // Ends the key's back-off. Called after success.
  void forget(const std::string& key);
  int num_requeues(const std::string& key) const;

  // The next key, or nullopt once shut down. The caller calls done() with it, always.
  Task<std::optional<std::string>> get();
  void done(const std::string& key);

  // Serves add_after() until cancelled; spawned once by the owner.
  Task<> run_delays();
  // Wakes all get()s; later add()s are dropped.
  void shut_down();

  std::size_t size() const;
  // True when nothing waits, is worked on or is delayed by at most `within` from now (for tests).
  bool idle(Duration within = Duration::zero()) const;
  WorkQueueStats stats() const;

 private:
  void add_locked(std::string key);

  Clock& clock_;
  const Options options_;
  mutable std::mutex mu_;
  bool shut_down_ = false;
  std::deque<std::string> waiting_;
  std::unordered_set<std::string> dirty_;
  std::unordered_map<std::string, MonoTime> processing_;  // since when
  std::unordered_map<std::string, MonoTime> added_at_;
  std::unordered_map<std::string, int> failures_;
  std::set<std::pair<MonoTime, std::string>> delayed_;
  std::unordered_map<std::string, MonoTime> delayed_at_;
  WorkQueueStats stats_;
  AsyncEvent ready_;
  AsyncEvent delays_changed_;
};

}  // namespace keelson::client
