// Blocking work beside a coroutine: it runs on the workers while the coroutine stays on its own executor,
// where alone its cancellation may be delivered.
#pragma once

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <exception>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "base/async.h"
#include "base/task.h"

namespace keelson {

// What `f()` returns. A cancelled caller waits for its end too: `f` may use what the caller owns.
template <class F>
Task<std::invoke_result_t<F&>> run_blocking(Executor workers, F f) {
  struct State {
    explicit State(F g) : f(std::move(g)) {}
    F f;
    std::optional<std::invoke_result_t<F&>> value;
    AsyncEvent done;
  };
  auto state = std::make_shared<State>(std::move(f));
  boost::asio::post(workers, [state] {
    state->value.emplace(state->f());
    state->done.set();
  });
  std::exception_ptr cancelled;
  try {
    co_await state->done.wait();
  } catch (...) {
    cancelled = std::current_exception();
  }
  if (cancelled) {
    co_await boost::asio::this_coro::reset_cancellation_state();
    co_await state->done.wait();
    std::rethrow_exception(cancelled);
  }
  co_return std::move(*state->value);
}

}  // namespace keelson
