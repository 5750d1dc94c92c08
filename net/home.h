// A connection's state belongs to one executor, its home. Code that may be entered from elsewhere first goes
// home: GO_HOME in a coroutine of that executor that resume_on() may have moved to another thread (at home it
// costs a thread-local lookup); run_home() where the caller's coroutine may belong to another executor, so
// that its cancellation is delivered safely.
#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <memory>
#include <optional>

#include "base/async.h"
#include "base/task.h"

namespace keelson::net {

// True when the calling thread runs `ex` right now. May be false for executors other than an io_context's own
// or a strand over one, which costs a needless hop only.
bool at_home(const Executor& ex);

namespace home_detail {

// A task that runs on another executor than its caller's; shared by both and by a cancellation on its way.
template <class T>
struct Visit {
  std::optional<T> value;
  std::exception_ptr thrown;
  boost::asio::cancellation_signal signal;  // emitted on `home` only
  AsyncEvent done;
};

}  // namespace home_detail

// Runs `task` on `home` and returns its value to the caller's executor. When the caller is cancelled, so is
// the task, and its end is awaited (it may use the caller's buffers). Not co_spawn(home, …, use_awaitable):
// Boost 1.81 posts a cancellation with a bare pointer to the caller's signal, which may be gone when it
// arrives (co_spawn_cancellation_handler).
template <class T>
Task<T> run_home(Executor home, Task<T> task) {
  if (co_await boost::asio::this_coro::executor == home) {
    if (!at_home(home)) co_await resume_on(home);
    co_return co_await std::move(task);
  }
  auto visit = std::make_shared<home_detail::Visit<T>>();
  boost::asio::co_spawn(
      home, std::move(task),
      boost::asio::bind_cancellation_slot(visit->signal.slot(), [visit](std::exception_ptr e, T value) {
        visit->thrown = e;
        visit->value.emplace(std::move(value));
        visit->done.set();
      }));
  std::exception_ptr cancelled;
  try {
    co_await visit->done.wait();
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (cancelled) {
    boost::asio::post(home, [visit] { visit->signal.emit(boost::asio::cancellation_type::all); });
    co_await boost::asio::this_coro::reset_cancellation_state();
    co_await visit->done.wait();
    std::rethrow_exception(cancelled);
  }
  if (visit->thrown) std::rethrow_exception(visit->thrown);
  co_return std::move(*visit->value);
}

}  // namespace keelson::net

// In a coroutine: continue on `ex`.
#define GO_HOME(ex) \
  if (!::keelson::net::at_home(ex)) co_await ::keelson::resume_on(ex)
