// VirtualClock: time that moves only when told to: for tests and the simulator.
// Thread rule: thread-safe; sleepers resume on their own executors.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/async.h"
#include "base/clock.h"

namespace keelson {

class VirtualClock final : public Clock {
 public:
  // Monotonic time starts at zero, wall time at `wall_start`.
  explicit VirtualClock(WallTime wall_start = WallTime(std::chrono::seconds(1'800'000'000)))
      : wall_start_(wall_start) {}

  MonoTime now() const override;
  WallTime wall() const override;
  Task<> sleep_until(MonoTime at) override;

  // Moves time on by `d` and wakes everybody whose time has come.
  void advance(Duration d);
  // Moves to the earliest sleeper's time and wakes it. False when nobody sleeps.
  bool advance_to_next();
  std::optional<MonoTime> next_wakeup() const;

 private:
  void wake_due();

  const WallTime wall_start_;
  mutable std::mutex mu_;
  MonoTime now_{};
  std::multimap<MonoTime, std::shared_ptr<AsyncEvent>> sleepers_;
};

}  // namespace keelson
