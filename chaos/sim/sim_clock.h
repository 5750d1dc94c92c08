// SimClock: one member's idea of time: true time with an offset and a rate of its own. The monotonic clock
// never jumps, its rate stays within kDriftMax of true; the wall clock may be set to anything.
// Thread rule: one thread.
#pragma once

#include "base/check.h"
#include "base/clock.h"
#include "chaos/sim/event_queue.h"

namespace keelson::sim {

inline constexpr double kDriftMax = 0.02;

class SimClock final : public Clock {
 public:
  // `ahead`: how long the member's step has waited for its disk so far: time has passed for the member though
  // not for the world. Both outlive it.
  SimClock(const EventQueue& events, const Duration& ahead, Duration offset)
      : events_(events), ahead_(ahead), local_(offset) {}

  MonoTime now() const override { return MonoTime(local_ + scaled(events_.now() + ahead_ - base_)); }
  WallTime wall() const override {
    return WallTime(std::chrono::seconds(1'800'000'000)) + now().time_since_epoch() + wall_offset_;
  }
  // Nothing in a simulated member sleeps: its world calls it.
  Task<> sleep_until(MonoTime) override {
    CHECK_MSG(false, "a simulated member slept");
    co_return;
  }

  // From now on time runs at (1 + drift) times true time. REQUIRES: |drift| <= kDriftMax.
  void set_drift(double drift) {
    CHECK(drift <= kDriftMax && drift >= -kDriftMax);
    local_ = now().time_since_epoch();
    base_ = events_.now() + ahead_;
    drift_ = drift;
  }
  void jump_wall(Duration by) { wall_offset_ += by; }
  double drift() const { return drift_; }
  // True duration until this clock has moved on by `local`.
  Duration true_duration(Duration local) const {
    return Duration(static_cast<Duration::rep>(static_cast<double>(local.count()) / (1 + drift_)));
  }

 private:
  Duration scaled(Duration d) const {
    return d + Duration(static_cast<Duration::rep>(static_cast<double>(d.count()) * drift_));
  }
  const EventQueue& events_;
  const Duration& ahead_;
  MonoTime base_{};
  Duration local_;
  double drift_ = 0;
  Duration wall_offset_{};
};

}  // namespace keelson::sim
