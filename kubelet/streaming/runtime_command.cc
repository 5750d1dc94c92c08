#include "kubelet/streaming/runtime_command.h"

#include <boost/asio/this_coro.hpp>
#include <utility>

#include "base/async.h"
#include "net/catch_cancel.h"
#include "net/tunnel.h"

namespace keelson::kubelet {
namespace {

constexpr std::size_t kMaxStatusBytes = 64 * 1024;

Task<> carry(net::ByteStream* from, net::ByteStream* to) {
  (void)co_await net::copy_to_end(*from, *to);
  (void)co_await to->shutdown_write();
}

Task<> carry_output(net::ByteStream* from, net::ByteStream* to) {
  (void)co_await net::copy_to_end(*from, *to);
}

Task<> take_status(RuntimeCommand* runtime, ExitStatus* status) {
  *status = co_await runtime->wait();
}

Task<> set_when_joined(TaskGroup* group, AsyncEvent* done) {
  co_await group->join();
  done->set();
}

Task<> set_when_closed(RemoteCommandSession* client, AsyncEvent* done) {
  co_await client->closed();
  done->set();
}

}  // namespace

Task<Result<void>> RuntimeCommand::open(StreamChoice choice) {
  error_ = CO_TRY(co_await session_.create_stream({{"streamtype", "error"}}));
  if (choice.in) streams_.in = CO_TRY(co_await session_.create_stream({{"streamtype", "stdin"}}));
  if (choice.out) streams_.out = CO_TRY(co_await session_.create_stream({{"streamtype", "stdout"}}));
  if (choice.err) streams_.err = CO_TRY(co_await session_.create_stream({{"streamtype", "stderr"}}));
  if (choice.tty) streams_.resize = CO_TRY(co_await session_.create_stream({{"streamtype", "resize"}}));
  co_return Result<void>{};
}

Task<ExitStatus> RuntimeCommand::wait() {
  std::string text;
  char buf[4096];
  for (;;) {
    const auto n = co_await error_->read_some(buf, sizeof buf);
    if (!n) co_return ExitStatus::internal_error(n.error().message);
    if (*n == 0) break;
    if (text.size() < kMaxStatusBytes) text.append(buf, *n);
  }
  if (text.empty()) co_return ExitStatus::internal_error("the container runtime closed the connection");
  co_return ExitStatus::from_json(text);
}

Task<> join_remote_command(RemoteCommandSession& client, RuntimeCommand& runtime) {
  const auto ex = co_await boost::asio::this_coro::executor;
  auto& near = client.streams();
  auto& far = runtime.streams();
  TaskGroup inputs, outputs, watchers;
  AsyncEvent done;
  ExitStatus status;
  if (near.in && far.in) inputs.spawn(ex, carry(near.in.get(), far.in.get()));
  if (near.resize && far.resize) inputs.spawn(ex, carry(near.resize.get(), far.resize.get()));
  if (near.out && far.out) outputs.spawn(ex, carry_output(far.out.get(), near.out.get()));
  if (near.err && far.err) outputs.spawn(ex, carry_output(far.err.get(), near.err.get()));
  outputs.spawn(ex, take_status(&runtime, &status));
  watchers.spawn(ex, set_when_joined(&outputs, &done));
  watchers.spawn(ex, set_when_closed(&client, &done));

  const auto cancelled = co_await net::catch_cancel(done.wait());
  const bool ended = outputs.size() == 0;
  co_await watchers.stop();
  co_await inputs.stop();
  co_await outputs.stop();
  if (cancelled) std::rethrow_exception(cancelled);
  if (ended) co_await client.finish(std::move(status));
}

}  // namespace keelson::kubelet
