// A connection's state belongs to one executor, its home. Code that may be entered from elsewhere first goes
// home: GO_HOME in a coroutine of that executor that resume_on() may have moved to another thread (at home it
// costs a thread-local lookup); run_home() where the caller's coroutine may belong to another executor, so
// that its cancellation is delivered safely.
#pragma once

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "base/async.h"
#include "base/task.h"

namespace keelson::net {

// True when the calling thread runs `ex` right now. May be false for executors other than an io_context's own
// or a strand over one, which costs a needless hop only.
bool at_home(const Executor& ex);

// Runs `task` on `home` and returns its value to the caller's executor.
template <class T>
Task<T> run_home(Executor home, Task<T> task) {
  if (co_await boost::asio::this_coro::executor == home) {
    if (!at_home(home)) co_await resume_on(home);
    co_return co_await std::move(task);
  }
  co_return co_await boost::asio::co_spawn(home, std::move(task), boost::asio::use_awaitable);
}

}  // namespace keelson::net

// In a coroutine: continue on `ex`.
#define GO_HOME(ex) \
  if (!::keelson::net::at_home(ex)) co_await ::keelson::resume_on(ex)
