#include <boost/asio/this_coro.hpp>

#include "base/async.h"
#include "kubelet/streaming/session_impl.h"
#include "net/catch_cancel.h"
#include "net/spdy.h"

namespace keelson::kubelet {
namespace {

// v5 differs from v4 over WebSocket only; clients that offer both get v4 here, as from containerd.
const std::vector<std::string_view> kVersions = {"v4.channel.k8s.io", "v3.channel.k8s.io",
                                                 "v2.channel.k8s.io", "channel.k8s.io"};

Task<> abort_at(Clock* clock, MonoTime at, net::SpdySession* session) {
  co_await clock->sleep_until(at);
  session->abort(Error{Code::kDeadlineExceeded, "timed out waiting for client to create streams"});
}

class SpdyCommand final : public RemoteCommandSession {
 public:
  SpdyCommand(std::unique_ptr<net::ByteStream> stream, std::string version, StreamChoice choice, Clock& clock)
      : session_(std::move(stream), net::SpdySession::Role::kServer),
        version_(std::move(version)),
        choice_(choice),
        clock_(clock) {}

  Task<Result<void>> collect_streams() {
    const auto ex = co_await boost::asio::this_coro::executor;
    TaskGroup timer;
    timer.spawn(ex, abort_at(&clock_, clock_.now() + kStreamCreationTimeout, &session_));
    Result<void> got;
    const auto cancelled = co_await net::catch_cancel(collect(&got));
    co_await timer.stop();
    if (cancelled) std::rethrow_exception(cancelled);
    co_return got;
  }

  RemoteCommandStreams& streams() override { return streams_; }
  Task<> closed() override { return session_.closed(); }

  Task<> finish(ExitStatus status) override {
    if (version_ == kVersions[0]) {
      (void)co_await error_->write_all(status.to_json());
    } else if (!status.success()) {
      (void)co_await error_->write_all(status.message);
    }
    for (auto* s : {&error_, &streams_.out, &streams_.err, &streams_.in, &streams_.resize}) {
      if (*s == nullptr) continue;
      (void)co_await (*s)->shutdown_write();
      s->reset();
    }
    (void)co_await session_.shutdown();
    (void)co_await session_.closed_until(clock_, clock_.now() + kLinger);
  }

  Task<> stop() override { return session_.stop(); }

 private:
  Task<> collect(Result<void>* result) {
    const bool resize = choice_.tty && (version_ == kVersions[0] || version_ == kVersions[1]);
    int missing = 1 + choice_.in + choice_.out + choice_.err + resize;
    while (missing > 0) {
      auto stream = co_await session_.accept_stream();
      if (!stream) {
        *result = std::unexpected(std::move(stream).error());
        co_return;
      }
      auto* slot = slot_of((*stream)->headers().get("streamtype").value_or(""));
      if (slot == nullptr || *slot != nullptr) continue;
      *slot = std::move(*stream);
      --missing;
    }
  }

  std::unique_ptr<net::ByteStream>* slot_of(std::string_view type) {
    if (type == "error") return &error_;
    if (type == "stdin") return &streams_.in;
    if (type == "stdout") return &streams_.out;
    if (type == "stderr") return &streams_.err;
    if (type == "resize") return &streams_.resize;
    return nullptr;
  }

  net::SpdySession session_;
  const std::string version_;
  const StreamChoice choice_;
  Clock& clock_;
  std::unique_ptr<net::ByteStream> error_;
  RemoteCommandStreams streams_;
};

}  // namespace

Task<Result<std::unique_ptr<RemoteCommandSession>>> accept_spdy_command(net::Exchange& exchange,
                                                                        StreamChoice choice, Clock& clock) {
  std::string version;
  auto stream = CO_TRY(co_await upgrade_to_spdy(exchange, kVersions, &version));
  auto command = std::make_unique<SpdyCommand>(std::move(stream), std::move(version), choice, clock);
  Result<void> collected;
  struct Run {
    static Task<> collect(SpdyCommand* c, Result<void>* r) { *r = co_await c->collect_streams(); }
  };
  const auto cancelled = co_await net::catch_cancel(Run::collect(command.get(), &collected));
  if (cancelled || !collected) co_await command->stop();
  if (cancelled) std::rethrow_exception(cancelled);
  if (!collected) co_return std::unexpected(std::move(collected).error());
  co_return std::move(command);
}

}  // namespace keelson::kubelet
