// SchedulingQueue: pods without a node, in the order they are to be tried.
//
//   add ──► active (by priority, then by arrival) ──pop──► being tried ──► bound, or unschedulable
//              ▲                                                               │
//              └── back-off over (1 s doubling to 10 s) ◄── an event that may help, or 5 minutes ──┘
//
// Thread rule: the scheduler's strand only.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>

#include "base/clock.h"
#include "scheduler/snapshot.h"

namespace keelson::scheduler {

class SchedulingQueue {
 public:
  struct Options {
    Duration first_backoff = std::chrono::seconds(1);
    Duration max_backoff = std::chrono::seconds(10);
    Duration max_unschedulable = std::chrono::minutes(5);
  };
  SchedulingQueue() : SchedulingQueue(Options{}) {}
  explicit SchedulingQueue(Options options) : o_(options) {}

  // A pod appeared or changed; a changed one is tried again. Keyed by uid.
  void add(PodInfoPtr pod, MonoTime now);
  void remove(const std::string& uid);
  // The next pod to try, taken out; nothing when none is due.
  std::optional<PodInfoPtr> pop(MonoTime now);
  // The pod that pop() gave fits nowhere: waits for move_all() or the time limit. If move_all() was called since
  // `pop_cycle()` was read, it only waits for its back-off.
  void unschedulable(PodInfoPtr pod, std::uint64_t cycle, MonoTime now);
  // The pod could not be bound for another reason: again after its back-off.
  void retry(PodInfoPtr pod, MonoTime now);
  // Something changed that may make room: all unschedulable pods go back, after their back-off.
  void move_all(MonoTime now);
  std::uint64_t cycle() const { return cycle_; }
  // When the next waiting pod becomes due; nothing when none waits.
  std::optional<MonoTime> next_due() const;
  std::size_t active() const { return active_.size(); }
  std::size_t waiting() const { return waiting_.size(); }

 private:
  struct Entry {
    PodInfoPtr pod;
    MonoTime due;
  };
  struct Order {
    std::int32_t priority;
    std::uint64_t arrival;
    bool operator<(const Order& o) const {
      return priority != o.priority ? priority > o.priority : arrival < o.arrival;
    }
  };
  void activate(PodInfoPtr pod);
  Duration backoff(const std::string& uid) const;
  const Options o_;
  std::map<Order, PodInfoPtr> active_;
  std::unordered_map<std::string, Order> active_by_uid_;
  std::unordered_map<std::string, Entry> waiting_;        // due by time alone
  std::unordered_map<std::string, int> attempts_;
  std::uint64_t arrivals_ = 0;
  std::uint64_t cycle_ = 0;
};

}  // namespace keelson::scheduler
