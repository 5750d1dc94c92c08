#include "net/asio_clock.h"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace keelson::net {

MonoTime AsioClock::now() const {
  return MonoTime(std::chrono::duration_cast<Duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

WallTime AsioClock::wall() const {
  return std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
}

Task<> AsioClock::sleep_until(MonoTime at) {
  boost::asio::steady_timer timer(co_await boost::asio::this_coro::executor);
  timer.expires_at(std::chrono::steady_clock::time_point(at.time_since_epoch()));
  co_await timer.async_wait(boost::asio::use_awaitable);
}

}  // namespace keelson::net
