#include "client/backoff.h"

#include <algorithm>

namespace keelson::client {

Duration Backoff::next() {
  const MonoTime now = clock_.now();
  if (current_ > Duration::zero() && now - last_ > options_.reset_after + options_.max)
    current_ = Duration::zero();
  if (current_ == Duration::zero()) {
    current_ = options_.first;
  } else {
    const double grown = static_cast<double>(current_.count()) * options_.factor;
    current_ = std::min(options_.max, Duration(static_cast<Duration::rep>(grown)));
  }
  last_ = now;
  const double jittered = static_cast<double>(current_.count()) * (1.0 + options_.jitter * rng_.unit());
  return Duration(static_cast<Duration::rep>(jittered));
}

}  // namespace keelson::client
