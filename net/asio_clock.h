// AsioClock: the real Clock, over the operating system's time and asio timers.
#pragma once

#include "base/clock.h"

namespace keelson::net {

class AsioClock final : public Clock {
 public:
  MonoTime now() const override;
  WallTime wall() const override;
  Task<> sleep_until(MonoTime at) override;
};

}  // namespace keelson::net
