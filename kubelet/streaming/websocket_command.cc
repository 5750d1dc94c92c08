#include <array>

#include "base/async.h"
#include "base/base64.h"
#include "kubelet/streaming/session_impl.h"
#include "net/catch_cancel.h"
#include "net/pipe.h"
#include "net/upgrade.h"
#include "net/websocket.h"

namespace keelson::kubelet {
namespace {

constexpr std::array<std::string_view, 5> kVersions = {"v5.channel.k8s.io", "v4.channel.k8s.io",
                                                       "v4.base64.channel.k8s.io", "channel.k8s.io",
                                                       "base64.channel.k8s.io"};
constexpr std::size_t kChannelBuffer = 128 * 1024;
constexpr std::size_t kPieceBytes = 32 * 1024;
constexpr std::uint8_t kCloseSignal = 255;

enum Channel : std::uint8_t { kIn = 0, kOut = 1, kErr = 2, kError = 3, kResize = 4, kChannels = 5 };

// What the channels of one WebSocket share: it and the read end of each.
struct Channels {
  Channels(std::unique_ptr<net::ByteStream> stream, bool base64_, bool close_signal_)
      : ws(std::move(stream)), base64(base64_), close_signal(close_signal_) {}

  net::WebSocket ws;
  const bool base64;
  const bool close_signal;
  std::array<std::unique_ptr<net::BytePipe>, kChannels> incoming;
  AsyncEvent closed;

  Task<Result<void>> send(std::uint8_t channel, std::string_view data) {
    std::string message(1, static_cast<char>(base64 ? '0' + channel : channel));
    message += base64 ? base64_encode(data) : std::string(data);
    co_return co_await ws.write(!base64, message);
  }

  // Hands what comes to the channels until the client closes.
  static Task<> pump(std::shared_ptr<Channels> self) {
    for (;;) {
      auto message = co_await self->ws.read();
      if (!message || !*message) break;
      co_await self->deliver((*message)->data);
    }
    for (auto& pipe : self->incoming) {
      if (pipe != nullptr) pipe->finish();
    }
    self->closed.set();
  }

 private:
  Task<> deliver(std::string_view message) {
    if (message.empty()) co_return;
    const auto first = static_cast<std::uint8_t>(message[0]);
    if (close_signal && first == kCloseSignal) {
      const auto channel = message.size() > 1 ? static_cast<std::uint8_t>(message[1]) : kCloseSignal;
      if (channel < kChannels && incoming[channel] != nullptr) incoming[channel]->finish();
      co_return;
    }
    const std::size_t channel = base64 ? std::size_t(first) - '0' : first;
    if (channel >= kChannels || incoming[channel] == nullptr) co_return;
    const auto body = message.substr(1);
    if (!base64) {
      (void)co_await incoming[channel]->write_all(body);
    } else if (const auto data = base64_decode(body)) {
      (void)co_await incoming[channel]->write_all(*data);
    }
  }
};

class ChannelStream final : public net::ByteStream {
 public:
  ChannelStream(std::shared_ptr<Channels> channels, std::uint8_t id)
      : channels_(std::move(channels)), id_(id) {}
  ~ChannelStream() override { ChannelStream::close(); }

  Task<Result<std::size_t>> read_some(char* buf, std::size_t n) override {
    auto& pipe = channels_->incoming[id_];
    if (pipe == nullptr) co_return std::size_t{0};
    co_return co_await pipe->read_some(buf, n);
  }
  Task<Result<void>> write_all(std::string_view data) override {
    while (!data.empty()) {
      const auto piece = data.substr(0, kPieceBytes);
      CO_TRY(co_await channels_->send(id_, piece));
      data.remove_prefix(piece.size());
    }
    co_return Result<void>{};
  }
  Task<Result<void>> shutdown_write() override { co_return Result<void>{}; }
  void close() override {
    if (auto& pipe = channels_->incoming[id_]) pipe->close_read();
  }
  Executor executor() override { return channels_->ws.executor(); }

 private:
  std::shared_ptr<Channels> channels_;
  const std::uint8_t id_;
};

class WebSocketCommand final : public RemoteCommandSession {
 public:
  WebSocketCommand(std::unique_ptr<net::ByteStream> stream, std::string_view version, StreamChoice choice,
                   Clock& clock)
      : channels_(std::make_shared<Channels>(std::move(stream), version.contains("base64"),
                                             version == kVersions[0])),
        json_status_(version.starts_with("v")),
        clock_(clock) {
    if (choice.in) open_incoming(kIn, &streams_.in);
    if (choice.out) streams_.out = std::make_unique<ChannelStream>(channels_, kOut);
    if (choice.err) streams_.err = std::make_unique<ChannelStream>(channels_, kErr);
    if (choice.tty) open_incoming(kResize, &streams_.resize);
    tasks_.spawn(channels_->ws.executor(), Channels::pump(channels_));
  }

  // An empty message on the first channel that we write tells old clients that the connection is up.
  Task<Result<void>> greet(StreamChoice choice) {
    return channels_->send(choice.out ? kOut : choice.err ? kErr : kError, {});
  }

  RemoteCommandStreams& streams() override { return streams_; }
  Task<> closed() override { return channels_->closed.wait(); }

  Task<> finish(ExitStatus status) override {
    if (json_status_ || !status.success()) {
      (void)co_await channels_->send(kError, json_status_ ? status.to_json() : status.message);
    }
    streams_ = {};
    (void)co_await channels_->ws.close(1000, {});
    (void)co_await channels_->closed.wait_until(clock_, clock_.now() + kLinger);
  }

  Task<> stop() override {
    co_await channels_->ws.stop();
    co_await tasks_.stop();
  }

 private:
  void open_incoming(std::uint8_t id, std::unique_ptr<net::ByteStream>* stream) {
    channels_->incoming[id] = std::make_unique<net::BytePipe>(kChannelBuffer);
    *stream = std::make_unique<ChannelStream>(channels_, id);
  }

  std::shared_ptr<Channels> channels_;
  const bool json_status_;
  Clock& clock_;
  RemoteCommandStreams streams_;
  TaskGroup tasks_;
};

}  // namespace

Task<Result<std::unique_ptr<RemoteCommandSession>>> accept_websocket_command(net::Exchange& exchange,
                                                                             StreamChoice choice,
                                                                             Clock& clock) {
  const auto& request = exchange.request();
  std::string version;
  if (request.headers.get("sec-websocket-protocol")) {
    auto chosen = net::choose_protocol(request.headers, "sec-websocket-protocol", kVersions);
    if (!chosen) {
      co_return std::unexpected(
          co_await refuse(exchange, 403, "unable to upgrade: no common WebSocket subprotocol"));
    }
    version = std::move(*chosen);
  }
  auto reply = net::websocket_accept(request, version);
  if (!reply) co_return std::unexpected(co_await refuse(exchange, 400, std::move(reply).error().message));
  auto stream = CO_TRY(co_await exchange.upgrade(std::move(*reply)));
  auto command = std::make_unique<WebSocketCommand>(std::move(stream), version, choice, clock);
  struct Run {
    static Task<> greet(WebSocketCommand* c, StreamChoice choice) { (void)co_await c->greet(choice); }
  };
  if (const auto cancelled = co_await net::catch_cancel(Run::greet(command.get(), choice))) {
    co_await command->stop();
    std::rethrow_exception(cancelled);
  }
  co_return std::move(command);
}

}  // namespace keelson::kubelet
