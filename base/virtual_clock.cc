#include "base/virtual_clock.h"

#include <algorithm>
#include <vector>

#include "base/check.h"

namespace keelson {

MonoTime VirtualClock::now() const {
  std::lock_guard lock(mu_);
  return now_;
}

WallTime VirtualClock::wall() const {
  std::lock_guard lock(mu_);
  return wall_start_ + now_.time_since_epoch();
}

Task<> VirtualClock::sleep_until(MonoTime at) {
  auto event = std::make_shared<AsyncEvent>();
  {
    std::lock_guard lock(mu_);
    if (at <= now_) co_return;
    sleepers_.emplace(at, event);
  }
  // A cancelled sleeper leaves its entry behind only until this guard runs.
  struct Leave {
    VirtualClock* clock;
    std::shared_ptr<AsyncEvent> event;
    ~Leave() {
      std::lock_guard lock(clock->mu_);
      std::erase_if(clock->sleepers_, [&](const auto& e) { return e.second == event; });
    }
  } leave{this, event};
  co_await event->wait();
}

void VirtualClock::advance(Duration d) {
  CHECK(d >= Duration::zero());
  {
    std::lock_guard lock(mu_);
    now_ += d;
  }
  wake_due();
}

bool VirtualClock::advance_to_next() {
  {
    std::lock_guard lock(mu_);
    if (sleepers_.empty()) return false;
    now_ = std::max(now_, sleepers_.begin()->first);
  }
  wake_due();
  return true;
}

std::optional<MonoTime> VirtualClock::next_wakeup() const {
  std::lock_guard lock(mu_);
  if (sleepers_.empty()) return std::nullopt;
  return sleepers_.begin()->first;
}

void VirtualClock::wake_due() {
  std::vector<std::shared_ptr<AsyncEvent>> due;
  {
    std::lock_guard lock(mu_);
    auto end = sleepers_.upper_bound(now_);
    for (auto it = sleepers_.begin(); it != end; ++it) due.push_back(it->second);
    sleepers_.erase(sleepers_.begin(), end);
  }
  for (auto& e : due) e->set();
}

}  // namespace keelson
