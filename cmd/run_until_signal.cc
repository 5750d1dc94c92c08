#include "cmd/run_until_signal.h"

#include <signal.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <unistd.h>

namespace keelson::cmd {
namespace {

Task<> start_task(std::function<Task<Result<void>>()> start, Result<void>* result) { *result = co_await start(); }

Task<> on_signal(Executor ex, std::shared_ptr<AsyncEvent> stopping) {
  boost::asio::signal_set signals(ex, SIGINT, SIGTERM);
  co_await signals.async_wait(boost::asio::use_awaitable);
  stopping->set();
  co_await signals.async_wait(boost::asio::use_awaitable);
  ::_exit(130);
}

Task<> on_failure(AsyncEvent* failed, std::shared_ptr<AsyncEvent> stopping) {
  co_await failed->wait();
  stopping->set();
}

Task<> stop_task(std::function<Task<>()> stop) { co_await stop(); }

}  // namespace

int run_until_signal(const std::string& name, net::IoPool& pool, std::function<Task<Result<void>>()> start,
                     std::function<Task<>()> stop, AsyncEvent* failed) {
  ::signal(SIGPIPE, SIG_IGN);
  auto stopping = std::make_shared<AsyncEvent>();
  TaskGroup watchers;
  const auto ex = pool.next();
  watchers.spawn(ex, on_signal(ex, stopping));
  if (failed != nullptr) watchers.spawn(ex, on_failure(failed, stopping));

  Result<void> started = fail(Code::kCancelled, "interrupted");
  TaskGroup starting;
  starting.spawn(ex, start_task(std::move(start), &started));
  block_on(ex, starting.join());
  if (!started) std::fprintf(stderr, "keelson %s: %s\n", name.c_str(), started.error().message.c_str());
  if (started) block_on(ex, stopping->wait());
  block_on(ex, stop_task(std::move(stop)));
  block_on(ex, watchers.stop());
  return started && (failed == nullptr || !failed->is_set()) ? 0 : 1;
}

}  // namespace keelson::cmd
