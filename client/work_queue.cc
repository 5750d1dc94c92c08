#include "client/work_queue.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace keelson::client {

namespace {
double seconds(Duration d) {
  return std::chrono::duration<double>(d).count();
}
}  // namespace

void DurationHistogram::observe(Duration d) {
  const double s = seconds(d);
  ++total;
  sum_seconds += s;
  double bound = 1e-8;
  for (std::size_t i = 0; i < kBuckets; ++i, bound *= 10) {
    if (s > bound) continue;
    ++counts[i];
    return;
  }
}

WorkQueue::WorkQueue(Clock& clock, Options options) : clock_(clock), options_(std::move(options)) {
  CHECK(options_.base_delay > Duration::zero() && options_.max_delay >= options_.base_delay);
  stats_.name = options_.name;
}

void WorkQueue::add_locked(std::string key) {
  if (shut_down_ || !dirty_.insert(key).second) return;
  ++stats_.adds;
  added_at_.emplace(key, clock_.now());
  if (processing_.contains(key)) return;
  waiting_.push_back(std::move(key));
  ready_.set();
}

void WorkQueue::add(std::string key) {
  std::lock_guard lock(mu_);
  add_locked(std::move(key));
}

void WorkQueue::add_after(std::string key, Duration delay) {
  if (delay <= Duration::zero()) {
    add(std::move(key));
    return;
  }
  std::lock_guard lock(mu_);
  if (shut_down_) return;
  const MonoTime at = clock_.now() + delay;
  if (auto it = delayed_at_.find(key); it != delayed_at_.end()) {
    if (it->second <= at) return;
    delayed_.erase({it->second, key});
    it->second = at;
  } else {
    delayed_at_.emplace(key, at);
  }
  delayed_.emplace(at, std::move(key));
  delays_changed_.set();
}

void WorkQueue::add_rate_limited(std::string key) {
  int n = 0;
  {
    std::lock_guard lock(mu_);
    n = failures_[key]++;
    ++stats_.retries;
  }
  Duration delay = options_.max_delay;
  if (n < 40) delay = std::min(options_.max_delay, options_.base_delay * (std::int64_t{1} << n));
  if (delay < Duration::zero()) delay = options_.max_delay;
  add_after(std::move(key), delay);
}

void WorkQueue::forget(const std::string& key) {
  std::lock_guard lock(mu_);
  failures_.erase(key);
}

int WorkQueue::num_requeues(const std::string& key) const {
  std::lock_guard lock(mu_);
  auto it = failures_.find(key);
  return it == failures_.end() ? 0 : it->second;
}

Task<std::optional<std::string>> WorkQueue::get() {
  for (;;) {
    {
      std::lock_guard lock(mu_);
      if (shut_down_) co_return std::nullopt;
      if (!waiting_.empty()) {
        std::string key = std::move(waiting_.front());
        waiting_.pop_front();
        dirty_.erase(key);
        const MonoTime now = clock_.now();
        if (auto it = added_at_.find(key); it != added_at_.end()) {
          stats_.queue_duration.observe(now - it->second);
          added_at_.erase(it);
        }
        processing_.emplace(key, now);
        co_return key;
      }
      ready_.reset();
    }
    co_await ready_.wait();
  }
}

void WorkQueue::done(const std::string& key) {
  std::lock_guard lock(mu_);
  auto it = processing_.find(key);
  CHECK(it != processing_.end());
  stats_.work_duration.observe(clock_.now() - it->second);
  processing_.erase(it);
  if (!dirty_.contains(key) || shut_down_) return;
  waiting_.push_back(key);
  ready_.set();
}

Task<> WorkQueue::run_delays() {
  for (;;) {
    std::optional<MonoTime> next;
    {
      std::lock_guard lock(mu_);
      if (shut_down_) co_return;
      delays_changed_.reset();
      const MonoTime now = clock_.now();
      while (!delayed_.empty() && delayed_.begin()->first <= now) {
        std::string key = delayed_.begin()->second;
        delayed_.erase(delayed_.begin());
        delayed_at_.erase(key);
        add_locked(std::move(key));
      }
      if (!delayed_.empty()) next = delayed_.begin()->first;
    }
    if (next) {
      co_await delays_changed_.wait_until(clock_, *next);
    } else {
      co_await delays_changed_.wait();
    }
  }
}

void WorkQueue::shut_down() {
  std::lock_guard lock(mu_);
  shut_down_ = true;
  ready_.set();
  delays_changed_.set();
}

std::size_t WorkQueue::size() const {
  std::lock_guard lock(mu_);
  return waiting_.size();
}

bool WorkQueue::idle(Duration within) const {
  std::lock_guard lock(mu_);
  if (!waiting_.empty() || !processing_.empty()) return false;
  return delayed_.empty() || delayed_.begin()->first > clock_.now() + within;
}

WorkQueueStats WorkQueue::stats() const {
  std::lock_guard lock(mu_);
  WorkQueueStats s = stats_;
  s.depth = waiting_.size();
  const MonoTime now = clock_.now();
  for (const auto& [key, since] : processing_) {
    const double running = seconds(now - since);
    s.unfinished_work_seconds += running;
    s.longest_running_processor_seconds = std::max(s.longest_running_processor_seconds, running);
  }
  return s;
}

void write_prometheus(std::string& out, const std::vector<WorkQueueStats>& stats) {
  auto family = [&](std::string_view name, std::string_view type, auto value) {
    fmt::format_to(std::back_inserter(out), "# TYPE {} {}\n", name, type);
    for (const auto& s : stats) {
      fmt::format_to(std::back_inserter(out), "{}{{name=\"{}\"}} {}\n", name, s.name, value(s));
    }
  };
  using S = const WorkQueueStats&;
  family("workqueue_adds_total", "counter", [](S s) { return s.adds; });
  family("workqueue_retries_total", "counter", [](S s) { return s.retries; });
  family("workqueue_depth", "gauge", [](S s) { return s.depth; });
  family("workqueue_unfinished_work_seconds", "gauge", [](S s) { return s.unfinished_work_seconds; });
  family("workqueue_longest_running_processor_seconds", "gauge",
         [](S s) { return s.longest_running_processor_seconds; });
  auto histogram = [&](std::string_view name, auto value) {
    fmt::format_to(std::back_inserter(out), "# TYPE {} histogram\n", name);
    for (const auto& s : stats) {
      const DurationHistogram& h = value(s);
      std::uint64_t below = 0;
      double bound = 1e-8;
      for (std::size_t i = 0; i < DurationHistogram::kBuckets; ++i, bound *= 10) {
        below += h.counts[i];
        fmt::format_to(std::back_inserter(out), "{}_bucket{{name=\"{}\",le=\"{:.3g}\"}} {}\n", name, s.name,
                       bound, below);
      }
      fmt::format_to(std::back_inserter(out),
                     "{0}_bucket{{name=\"{1}\",le=\"+Inf\"}} {2}\n{0}_sum{{name=\"{1}\"}} {3}\n"
                     "{0}_count{{name=\"{1}\"}} {2}\n",
                     name, s.name, h.total, h.sum_seconds);
    }
  };
  histogram("workqueue_queue_duration_seconds",
            [](S s) -> const DurationHistogram& { return s.queue_duration; });
  histogram("workqueue_work_duration_seconds",
            [](S s) -> const DurationHistogram& { return s.work_duration; });
}

}  // namespace keelson::client
