// Backoff: growing, jittered delays for retries of one kind of operation.
// Thread rule: one owner.
#pragma once

#include "base/clock.h"
#include "base/rng.h"

namespace keelson::client {

class Backoff {
 public:
  struct Options {
    Duration first = std::chrono::milliseconds(800);
    Duration max = std::chrono::seconds(30);
    double factor = 2.0;
    double jitter = 1.0;                               // a delay d becomes d … d·(1+jitter)
    Duration reset_after = std::chrono::seconds(120);  // without retries for so long: start anew
  };
  Backoff(Clock& clock, Rng rng, Options options) : clock_(clock), rng_(rng), options_(options) {}
  Backoff(Clock& clock, Rng rng) : Backoff(clock, rng, Options{}) {}

  // The next delay.
  Duration next();
  void reset() { current_ = Duration::zero(); }

 private:
  Clock& clock_;
  Rng rng_;
  const Options options_;
  Duration current_{};
  MonoTime last_{};
};

}  // namespace keelson::client
