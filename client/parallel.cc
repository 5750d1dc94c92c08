#include "client/parallel.h"

#include <boost/asio/this_coro.hpp>
#include <exception>

#include "base/async.h"

namespace keelson::client {

namespace {
Task<> store_result(Task<Result<void>> task, Result<void>* out) {
  *out = co_await std::move(task);
}
}  // namespace

Task<std::vector<Result<void>>> run_all(Executor ex, std::vector<Task<Result<void>>> tasks) {
  std::vector<Result<void>> results(tasks.size());
  TaskGroup group;
  for (std::size_t i = 0; i < tasks.size(); ++i)
    group.spawn(ex, store_result(std::move(tasks[i]), &results[i]));
  std::exception_ptr aborted;
  for (bool ended = false; !ended;) {
    try {
      co_await group.join();
      ended = true;
    } catch (...) {
      aborted = std::current_exception();
      group.cancel();
    }
    // The tasks write into this frame: they end first, a cancellation is delivered after that.
    if (!ended) co_await boost::asio::this_coro::reset_cancellation_state();
  }
  if (aborted) std::rethrow_exception(aborted);
  co_return results;
}

}  // namespace keelson::client
