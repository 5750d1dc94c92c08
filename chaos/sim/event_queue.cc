#include "chaos/sim/event_queue.h"

#include <algorithm>

namespace keelson::sim {

void EventQueue::at(MonoTime when, Action action) {
  std::uint32_t slot = 0;
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(slots_.size());
    slots_.push_back(std::move(action));
  } else {
    slot = free_.back();
    free_.pop_back();
    slots_[slot] = std::move(action);
  }
  heap_.push_back({std::max(when, now_), sequence_++, slot});
  std::push_heap(heap_.begin(), heap_.end());
}

bool EventQueue::run_next() {
  if (heap_.empty()) return false;
  std::pop_heap(heap_.begin(), heap_.end());
  const Key key = heap_.back();
  heap_.pop_back();
  now_ = key.when;
  Action action = std::exchange(slots_[key.slot], nullptr);
  free_.push_back(key.slot);
  ++executed_;
  action();
  return true;
}

}  // namespace keelson::sim
