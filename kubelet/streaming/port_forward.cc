#include "kubelet/streaming/port_forward.h"

#include <array>
#include <boost/asio/this_coro.hpp>
#include <charconv>
#include <map>

#include "base/async.h"
#include "kubelet/streaming/session_impl.h"
#include "net/catch_cancel.h"
#include "net/tunnel.h"
#include "net/upgrade.h"
#include "net/websocket.h"

namespace keelson::kubelet {
namespace {

const std::vector<std::string_view> kSpdyVersions = {"portforward.k8s.io"};
constexpr std::array<std::string_view, 1> kTunnelVersions = {"SPDY/3.1+portforward.k8s.io"};
constexpr std::size_t kMaxHalfPairs = 256;

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (ec != std::errc() || end != text.data() + text.size() || port == 0) return std::nullopt;
  return port;
}

struct StreamPair {
  std::unique_ptr<net::SpdyStream> error;
  std::unique_ptr<net::SpdyStream> data;
};

class Forwarder {
 public:
  Forwarder(net::SpdySession& session, std::string pod, PortDialer dialer, Logger logger)
      : session_(session), pod_(std::move(pod)), dialer_(std::move(dialer)), logger_(std::move(logger)) {}

  // Ends when the client does.
  Task<> run() {
    const auto ex = co_await boost::asio::this_coro::executor;
    TaskGroup connections;
    const auto cancelled = co_await net::catch_cancel(accept_all(ex, &connections));
    co_await connections.stop();
    if (cancelled) std::rethrow_exception(cancelled);
  }

 private:
  Task<> accept_all(Executor ex, TaskGroup* connections) {
    for (;;) {
      auto stream = co_await session_.accept_stream();
      if (!stream) co_return;
      const auto& headers = (*stream)->headers();
      const auto port = parse_port(headers.get("port").value_or(""));
      const auto type = headers.get("streamtype").value_or("");
      if (!port || (type != "data" && type != "error")) continue;  // dropped, that is, reset
      const std::string id = request_id(**stream, type);
      auto& pair = waiting_[id];
      (type == "data" ? pair.data : pair.error) = std::move(*stream);
      if (pair.data && pair.error) {
        connections->spawn(ex, forward(this, *port, std::move(pair)));
        waiting_.erase(id);
      } else if (waiting_.size() > kMaxHalfPairs) {
        waiting_.erase(waiting_.begin());
      }
    }
  }

  // Old clients send no request id: their error stream comes first, its data stream is the next one.
  static std::string request_id(const net::SpdyStream& stream, std::string_view type) {
    if (const auto id = stream.headers().get("requestid")) return std::string(*id);
    return "stream " + std::to_string(type == "error" ? stream.id() : stream.id() - 2);
  }

  static Task<> forward(Forwarder* self, std::uint16_t port, StreamPair pair) {
    const auto done = co_await self->connect_and_splice(port, pair.data.get());
    if (!done) {
      std::string text = done.error().message;
      if (!text.starts_with("error forwarding port")) {  // the runtime's own words are kept
        text = "error forwarding port " + std::to_string(port) + " to pod " + self->pod_ + ": " + text;
      }
      self->logger_.warn(text);
      (void)co_await pair.error->write_all(text);
    }
    (void)co_await pair.error->shutdown_write();
  }

  Task<Result<void>> connect_and_splice(std::uint16_t port, net::ByteStream* data) {
    auto target = CO_TRY(co_await dialer_(port));
    co_return co_await net::splice(*data, *target);
  }

  net::SpdySession& session_;
  const std::string pod_;
  const PortDialer dialer_;
  Logger logger_;
  std::map<std::string, StreamPair> waiting_;
};

Task<> serve_session(std::unique_ptr<net::ByteStream> stream, std::string pod, PortDialer dialer,
                     Logger logger) {
  net::SpdySession session(std::move(stream), net::SpdySession::Role::kServer);
  std::exception_ptr cancelled;
  {
    Forwarder forwarder(session, std::move(pod), std::move(dialer), std::move(logger));
    cancelled = co_await net::catch_cancel(forwarder.run());
  }
  co_await session.stop();
  if (cancelled) std::rethrow_exception(cancelled);
}

Task<Result<void>> serve_tunnel(net::Exchange& exchange, std::string pod, PortDialer dialer, Logger logger) {
  const auto& request = exchange.request();
  const auto version = net::choose_protocol(request.headers, "sec-websocket-protocol", kTunnelVersions);
  if (!version) {
    co_return std::unexpected(
        co_await refuse(exchange, 403, "unable to upgrade: no common WebSocket subprotocol"));
  }
  auto reply = net::websocket_accept(request, *version);
  if (!reply) co_return std::unexpected(co_await refuse(exchange, 400, std::move(reply).error().message));
  net::WebSocket ws(CO_TRY(co_await exchange.upgrade(std::move(*reply))));
  const auto cancelled = co_await net::catch_cancel(
      serve_session(net::websocket_tunnel(ws), std::move(pod), std::move(dialer), std::move(logger)));
  co_await ws.stop();
  if (cancelled) std::rethrow_exception(cancelled);
  co_return Result<void>{};
}

// What the runtime says on an error stream; empty when it ends without a word.
Task<std::string> read_complaint(net::ByteStream& error) {
  std::string text(1024, '\0');
  const auto n = co_await error.read_some(text.data(), text.size());
  text.resize(n.value_or(0));
  co_return text;
}

// The data stream of a pair, with the runtime's complaint as its error.
class RuntimeConnection final : public net::ByteStream {
 public:
  RuntimeConnection(std::unique_ptr<net::SpdyStream> error, std::unique_ptr<net::SpdyStream> data)
      : error_(std::move(error)), data_(std::move(data)) {}

  Task<Result<std::size_t>> read_some(char* buf, std::size_t n) override {
    const std::size_t got = CO_TRY(co_await data_->read_some(buf, n));
    if (got > 0) co_return got;
    std::string text = co_await read_complaint(*error_);
    if (text.empty()) co_return std::size_t{0};
    co_return keelson::fail(Code::kUnavailable, std::move(text));
  }
  Task<Result<void>> write_all(std::string_view data) override { return data_->write_all(data); }
  Task<Result<void>> shutdown_write() override { return data_->shutdown_write(); }
  void close() override {
    data_->close();
    error_->close();
  }
  Executor executor() override { return data_->executor(); }

 private:
  std::unique_ptr<net::SpdyStream> error_;
  std::unique_ptr<net::SpdyStream> data_;
};

}  // namespace

Task<Result<void>> serve_port_forward(net::Exchange& exchange, std::string pod, PortDialer dialer,
                                      Clock& clock, Logger logger) {
  if (net::is_websocket_request(exchange.request())) {
    co_return co_await serve_tunnel(exchange, std::move(pod), std::move(dialer), std::move(logger));
  }
  std::string version;
  auto stream = CO_TRY(co_await upgrade_to_spdy(exchange, kSpdyVersions, &version));
  co_await serve_session(std::move(stream), std::move(pod), std::move(dialer), std::move(logger));
  co_return Result<void>{};
}

Task<Result<std::unique_ptr<net::ByteStream>>> RuntimePortForward::connect(std::uint16_t port) {
  const std::string id = std::to_string(next_request_++), number = std::to_string(port);
  auto error =
      CO_TRY(co_await session_.create_stream({{"streamtype", "error"}, {"port", number}, {"requestid", id}}));
  CO_TRY(co_await error->shutdown_write());
  auto data = co_await session_.create_stream({{"streamtype", "data"}, {"port", number}, {"requestid", id}});
  if (data) co_return std::make_unique<RuntimeConnection>(std::move(error), std::move(*data));
  // The connection may have failed before the data stream's reply: the error stream says why.
  std::string text = co_await read_complaint(*error);
  if (text.empty()) co_return std::unexpected(std::move(data).error());
  co_return keelson::fail(Code::kUnavailable, std::move(text));
}

}  // namespace keelson::kubelet
