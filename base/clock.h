// Clock: the only source of time and the only way to sleep; injected by constructor. net/asio_clock.h is the
// real one, base/virtual_clock.h the simulator's.
// Thread rule: all methods may be called from any thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "base/task.h"

namespace keelson {

using Duration = std::chrono::nanoseconds;

struct MonoTag {
  using duration = Duration;
  using rep = Duration::rep;
  using period = Duration::period;
  static constexpr bool is_steady = true;
};
// Monotonic time: for timeouts and measuring.
using MonoTime = std::chrono::time_point<MonoTag, Duration>;
// Wall time, Unix epoch, UTC: for timestamps in objects only.
using WallTime = std::chrono::sys_time<Duration>;

class Clock {
 public:
  virtual ~Clock() = default;
  virtual MonoTime now() const = 0;
  virtual WallTime wall() const = 0;
  // Resumes on the calling coroutine's executor once now() >= at. Cancellable.
  virtual Task<> sleep_until(MonoTime at) = 0;
  Task<> sleep_for(Duration d) { return sleep_until(now() + d); }
};

// "2026-11-21T09:00:00Z" (RFC 3339, whole seconds, as metav1.Time) and with six decimals (MicroTime).
std::string format_rfc3339(WallTime t);
std::string format_rfc3339_micro(WallTime t);

}  // namespace keelson
