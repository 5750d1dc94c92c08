// EventQueue: virtual time. Everything in a simulated world happens as an event of this queue, one after
// another, in the order (time, order of scheduling): the same seed gives the same order.
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/clock.h"

namespace keelson::sim {

class EventQueue {
 public:
  using Action = std::move_only_function<void()>;

  // True time: no member's clock shows exactly this.
  MonoTime now() const { return now_; }
  // A time in the past means now.
  void at(MonoTime when, Action action);
  void after(Duration d, Action action) { at(now_ + d, std::move(action)); }
  // Moves to the next event and runs it. False when there is none.
  bool run_next();
  std::uint64_t executed() const { return executed_; }

 private:
  struct Key {
    MonoTime when;
    std::uint64_t sequence;
    std::uint32_t slot;
    bool operator<(const Key& o) const {  // std heaps keep the largest first
      return when != o.when ? when > o.when : sequence > o.sequence;
    }
  };
  MonoTime now_{};
  std::uint64_t sequence_ = 0;
  std::uint64_t executed_ = 0;
  std::vector<Key> heap_;
  std::vector<Action> slots_;
  std::vector<std::uint32_t> free_;
};

}  // namespace keelson::sim
