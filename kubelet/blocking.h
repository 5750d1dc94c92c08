// run_blocking: a blocking function on a pool thread, awaited from a strand; the caller continues on its own
// executor.
#pragma once

#include <boost/asio/this_coro.hpp>

#include "base/async.h"

namespace keelson::kubelet {

// `f` is called once on `pool`; what it captures must not be touched by others meanwhile. REQUIRES: f's
// result is no void.
template <class F>
Task<std::invoke_result_t<F>> run_blocking(Executor pool, F f) {
  Executor home = co_await boost::asio::this_coro::executor;
  co_await resume_on(pool);
  auto result = f();
  co_await resume_on(home);
  co_return result;
}

}  // namespace keelson::kubelet
