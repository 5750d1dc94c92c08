#include "kvstore/server/etcd/gateway.h"

#include <utility>

#include "kvstore/server/etcd/errors.h"
#include "kvstore/server/etcd/json.h"
#include "net/catch_cancel.h"
#include "net/upgrade.h"
#include "net/websocket.h"

namespace keelson::kvstore::etcd {
namespace {

using net::Exchange;

constexpr std::size_t kFramePrefix = 5;

int http_status(Code code) {
  switch (code) {
    case Code::kCancelled:
      return 499;
    case Code::kInvalidArgument:
    case Code::kFailedPrecondition:
    case Code::kOutOfRange:
      return 400;
    case Code::kDeadlineExceeded:
      return 504;
    case Code::kNotFound:
      return 404;
    case Code::kAlreadyExists:
    case Code::kAborted:
      return 409;
    case Code::kPermissionDenied:
      return 403;
    case Code::kUnauthenticated:
      return 401;
    case Code::kResourceExhausted:
      return 429;
    case Code::kUnimplemented:
      return 501;
    case Code::kUnavailable:
      return 503;
    default:
      return 500;
  }
}

std::string error_json(int code, std::string_view message) {
  std::string out = R"({"code":)" + std::to_string(code) + R"(,"message":)";
  append_json_string(out, message);
  return out + "}";
}

const net::Headers& json_headers() {
  static const net::Headers kHeaders{{"content-type", "application/json"}};
  return kHeaders;
}

Task<> refuse(Exchange& x, int status, int code, std::string message) {
  (void)co_await x.respond(status, json_headers(), Bytes(error_json(code, message)));
}

// "Bearer, TOKEN" as browsers have to say it; empty: no token.
std::string bearer_token(const net::Request& r) {
  const auto protocol = r.headers.get("sec-websocket-protocol");
  constexpr std::string_view kBearer = "Bearer,";
  if (!protocol || !protocol->starts_with(kBearer)) return {};
  std::string_view token = *protocol;
  token.remove_prefix(kBearer.size());
  while (token.starts_with(' ')) token.remove_prefix(1);
  return std::string(token);
}

// The request as gRPC would have it: Grpc-Metadata-X becomes x; Authorization stays what it is.
net::Request as_metadata(const net::Request& r) {
  net::Request out;
  out.method = r.method;
  out.target = r.target;
  out.connection = r.connection;
  constexpr std::string_view kPrefix = "grpc-metadata-";
  for (const auto& [name, value] : r.headers.fields()) {
    if (name.starts_with(kPrefix)) out.headers.add(name.substr(kPrefix.size()), value);
    if (name == "authorization") out.headers.add(name, value);
  }
  if (const auto token = bearer_token(r); !token.empty()) out.headers.add("authorization", "Bearer " + token);
  return out;
}

// A call whose messages are JSON on an HTTP exchange.
class JsonCall : public net::GrpcCall {
 public:
  JsonCall(Exchange& x, const MethodDesc& m, std::size_t index, ApiMetrics& metrics, std::size_t max)
      : x_(x), m_(m), index_(index), metrics_(metrics), max_(max), request_(as_metadata(x.request())) {}

  std::string_view method() const override { return m_.path; }
  const net::Request& request() const override { return request_; }
  std::optional<MonoTime> deadline() const override { return std::nullopt; }
  void add_header(std::string, std::string) override {}
  void add_trailer(std::string, std::string) override {}
  Task<> closed() override { return x_.closed(); }
  bool is_closed() const override { return x_.is_closed(); }
  Executor executor() override { return x_.executor(); }
  Task<Result<void>> send(Bytes message) override { return send_frames(Bytes(net::grpc_frame(message)), 1); }

  bool started() const { return started_; }

  // Values one after another in the body. An empty body is an empty message, for unary methods.
  Task<Result<std::optional<std::string>>> receive() override {
    for (;;) {
      const auto end = json_value_end(body_);
      if (end != std::string::npos) {
        const std::string text = body_.substr(0, end);
        body_.erase(0, end);
        co_return take(CO_TRY(json_to_wire(*m_.request, text)));
      }
      if (ended_) {
        if (body_.find_first_not_of(" \t\r\n") != std::string::npos) {
          co_return fail(Code::kInvalidArgument, "unexpected EOF");
        }
        if (m_.streams || std::exchange(received_, true)) co_return std::nullopt;
        co_return take(std::string());
      }
      auto piece = CO_TRY(co_await more());
      ended_ = piece.empty();
      body_ += piece;
      if (body_.size() > 2 * max_ + 4096) co_return fail(Code::kResourceExhausted, "request body too large");
    }
  }

 protected:
  // More of the body; empty at its end.
  virtual Task<Result<std::string>> more() { return x_.read_some(); }

  // One line per message.
  Result<std::string> to_lines(std::string_view frames, std::size_t count) {
    metrics_.sent(index_, count, frames.size() - count * kFramePrefix);
    std::string out;
    while (frames.size() >= kFramePrefix) {
      std::size_t n = 0;
      for (std::size_t i = 1; i < kFramePrefix; ++i) n = n << 8 | static_cast<unsigned char>(frames[i]);
      if (m_.streams) out += R"({"result":)";
      if (!wire_to_json(*m_.response, frames.substr(kFramePrefix, n), out)) {
        return fail(Code::kInternal, "the reply is malformed");
      }
      if (m_.streams) out += "}\n";
      frames.remove_prefix(kFramePrefix + n);
    }
    return out;
  }

  Exchange& x_;
  bool started_ = false;

 private:
  Result<std::optional<std::string>> take(std::string message) {
    received_ = true;
    if (message.size() > max_) {
      return fail(Code::kResourceExhausted, "grpc: received message larger than max (" +
                                                std::to_string(message.size()) + " vs. " +
                                                std::to_string(max_) + ")");
    }
    metrics_.received(index_, message.size());
    return message;
  }

  const MethodDesc& m_;
  const std::size_t index_;
  ApiMetrics& metrics_;
  const std::size_t max_;
  const net::Request request_;
  std::string body_;
  bool ended_ = false;
  bool received_ = false;
};

// Keeps the only answer.
class UnaryCall final : public JsonCall {
 public:
  using JsonCall::JsonCall;
  Task<Result<void>> send_frames(Bytes frames, std::size_t count) override {
    answer = CO_TRY(to_lines(frames, count));
    co_return Result<void>();
  }
  std::string answer;
};

class StreamCall final : public JsonCall {
 public:
  using JsonCall::JsonCall;
  Task<Result<void>> send_frames(Bytes frames, std::size_t count) override {
    std::string lines = CO_TRY(to_lines(frames, count));
    if (!std::exchange(started_, true)) CO_TRY(co_await x_.start(200, json_headers()));
    co_return co_await x_.write(Bytes(std::move(lines)));
  }
};

// Over a WebSocket: each message of the client is a part of the body, each line of ours a message.
class SocketCall final : public JsonCall {
 public:
  SocketCall(Exchange& x, const MethodDesc& m, std::size_t index, ApiMetrics& metrics, std::size_t max,
             std::unique_ptr<net::ByteStream> stream)
      : JsonCall(x, m, index, metrics, max), ws_(std::move(stream), 2 * max + 4096) {}

  Task<> closed() override { return closed_.wait(); }
  bool is_closed() const override { return closed_.is_set(); }
  Executor executor() override { return ws_.executor(); }

  Task<Result<void>> send_frames(Bytes frames, std::size_t count) override {
    std::string lines = CO_TRY(to_lines(frames, count));
    while (lines.ends_with('\n')) lines.pop_back();
    std::string_view rest = lines;
    while (!rest.empty()) {
      const std::string line(rest.substr(0, rest.find('\n')));
      rest.remove_prefix(std::min(rest.size(), line.size() + 1));
      CO_TRY(co_await ws_.write(false, line));
    }
    co_return Result<void>();
  }

  // The call from its begin to its end; says why it failed, where it did.
  Task<> run(net::GrpcRouter* router) {
    const auto result = co_await router->dispatch(*this);
    if (!result) {
      const Error& e = result.error();
      (void)co_await ws_.write(false, R"({"error":)" + error_json(static_cast<int>(e.code), e.message) + "}");
    }
    (void)co_await ws_.close(1000, "");
  }
  Task<> stop() { return ws_.stop(); }

 protected:
  Task<Result<std::string>> more() override {
    auto message = co_await ws_.read();
    if (message && *message) co_return (*message)->data + "\n";
    closed_.set();
    co_return std::string();
  }

 private:
  net::WebSocket ws_;
  AsyncEvent closed_;
};

}  // namespace

Task<> Gateway::socket(Exchange& x, const MethodDesc& method, std::size_t index) {
  auto reply = net::websocket_accept(x.request(), bearer_token(x.request()).empty() ? "" : "Bearer");
  if (!reply) co_return co_await refuse(x, 400, static_cast<int>(reply.error().code), reply.error().message);
  auto stream = co_await x.upgrade(std::move(*reply));
  if (!stream) co_return;
  SocketCall call(x, method, index, metrics_, c_.options.max_message_bytes(), std::move(*stream));
  const auto cancelled = co_await net::catch_cancel(call.run(&router_));
  co_await call.stop();
  if (cancelled) std::rethrow_exception(cancelled);
}

Task<> Gateway::unary(Exchange& x, const MethodDesc& method, std::size_t index) {
  UnaryCall call(x, method, index, metrics_, c_.options.max_message_bytes());
  const auto result = co_await router_.dispatch(call);
  if (!result) {
    const Error& e = result.error();
    co_return co_await refuse(x, http_status(e.code), static_cast<int>(e.code), e.message);
  }
  (void)co_await x.respond(200, json_headers(), Bytes(std::move(call.answer)));
}

Task<> Gateway::stream(Exchange& x, const MethodDesc& method, std::size_t index) {
  StreamCall call(x, method, index, metrics_, c_.options.max_message_bytes());
  const auto result = co_await router_.dispatch(call);
  if (!call.started()) {
    if (result) {
      (void)co_await x.respond(200, json_headers(), Bytes());
    } else {
      const Error& e = result.error();
      std::string body = R"({"error":)" + error_json(static_cast<int>(e.code), e.message) + "}";
      (void)co_await x.respond(http_status(e.code), json_headers(), Bytes(std::move(body)));
    }
    co_return;
  }
  if (!result) {
    const Error& e = result.error();
    (void)co_await x.write(Bytes(R"({"error":)" + error_json(static_cast<int>(e.code), e.message) + "}\n"));
  }
  (void)co_await x.finish();
}

Task<> Gateway::handle(Exchange& x) {
  std::string path(x.request().path());
  if (path.starts_with("/v3beta/")) path.replace(0, 8, "/v3/");
  const MethodDesc* method = schema_.by_http_path(path);
  if (method == nullptr) co_return co_await refuse(x, 404, static_cast<int>(Code::kNotFound), "Not Found");
  const auto index = router_.find(method->path);
  if (!index) co_return co_await refuse(x, 501, static_cast<int>(Code::kUnimplemented), "Not Implemented");
  if (net::is_websocket_request(x.request())) co_return co_await socket(x, *method, *index);
  if (x.request().method != "POST") {
    co_return co_await refuse(x, 501, static_cast<int>(Code::kUnimplemented), "Method Not Allowed");
  }
  if (method->streams) co_return co_await stream(x, *method, *index);
  co_await unary(x, *method, *index);
}

}  // namespace keelson::kvstore::etcd
