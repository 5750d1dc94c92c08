// catch_cancel: how a coroutine that owns others stays alive to end them in order when it is cancelled
// itself.
#pragma once

#include <boost/asio/this_coro.hpp>
#include <exception>

#include "base/task.h"

namespace keelson::net {

// Runs `task`. Null when it returned; what it threw otherwise (cancellation, mostly), and the caller may then
// co_await again: clean up and rethrow.
inline Task<std::exception_ptr> catch_cancel(Task<> task) {
  std::exception_ptr thrown;
  try {
    co_await std::move(task);
  } catch (...) {
    thrown = std::current_exception();
  }
  if (thrown) co_await boost::asio::this_coro::reset_cancellation_state();
  co_return thrown;
}

}  // namespace keelson::net
