// gRPC over HTTP/2 (PROTOCOL-HTTP2): both sides, without generated code. Messages are byte strings; the
// caller encodes and decodes. Status codes are keelson::Code. Compressed messages are not supported (nobody
// who talks to us sends them unasked): kUnimplemented.
//
// Server:                                              Client:
//   GrpcRouter router;                                   GrpcClient grpc(http_client);
//   router.unary("/etcdserverpb.KV/Range", f);           auto reply = co_await
//   grpc.unary("/pkg.Service/Method", bytes, router.stream("/etcdserverpb.Watch/Watch", g); {.timeout = 2s});
//   … in Handler::handle: if (is_grpc(x.request())) co_await router.handle(x);
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "net/client.h"
#include "net/http.h"

namespace keelson::net {

// True when content-type is application/grpc, with or without a suffix ("+proto").
bool is_grpc(const Request& request);

// One call on the server. Thread rule: as Exchange. Alive until its handler ends.
class GrpcCall {
 public:
  virtual ~GrpcCall() = default;
  // "/package.Service/Method".
  virtual std::string_view method() const = 0;
  // The request's metadata are its headers; peer and connection are there too.
  virtual const Request& request() const = 0;
  // From grpc-timeout. The client enforces it too, so that its handler mostly learns of it by closed(). A
  // result that comes later is answered with kDeadlineExceeded.
  virtual std::optional<MonoTime> deadline() const = 0;
  // The client's next message; nullopt once it has half-closed. Only in stream handlers.
  virtual Task<Result<std::optional<std::string>>> receive() = 0;
  // Sends one message; waits while the client reads slower than we write. Only in stream handlers.
  virtual Task<Result<void>> send(Bytes message) = 0;
  // Sends `count` messages that already carry their prefixes (begin_grpc_frame()) with one write.
  virtual Task<Result<void>> send_frames(Bytes frames, std::size_t count) = 0;
  // Initial metadata, until the first send(); trailing metadata, until the handler ends.
  virtual void add_header(std::string name, std::string value) = 0;
  virtual void add_trailer(std::string name, std::string value) = 0;
  // As Exchange: for watches.
  virtual Task<> closed() = 0;
  virtual bool is_closed() const = 0;
  virtual Executor executor() = 0;
};

// Sees every call of a router: for metrics, and for checks common to all methods. `method` is the place of
// the method in GrpcRouter::methods(). Thread rule: called by many executors at once.
class GrpcInterceptor {
 public:
  virtual ~GrpcInterceptor() = default;
  // Before the handler; an error is the call's end.
  virtual Result<void> begin(std::size_t method, GrpcCall& call) = 0;
  virtual void received(std::size_t method, std::size_t bytes) = 0;
  virtual void sent(std::size_t method, std::size_t count, std::size_t bytes) = 0;
  // `error`: null for OK. `took`: since begin().
  virtual void ended(std::size_t method, const GrpcCall& call, const Error* error, Duration took) = 0;
  // True: ended() wants to know the time.
  virtual bool timed() const { return false; }
};

// Dispatches calls by method. Thread rule: register all methods before serving; then immutable.
class GrpcRouter final : public Handler {
 public:
  using Unary = std::function<Task<Result<Bytes>>(GrpcCall& call, std::string request)>;
  // The answer at once, on the calling thread; nullopt: use Unary (`request` is untouched). Saves a
  // coroutine.
  using UnaryNow = std::function<std::optional<Result<Bytes>>(GrpcCall& call, const std::string& request)>;
  // What it returns becomes the call's status.
  using Stream = std::function<Task<Result<void>>(GrpcCall& call)>;

  explicit GrpcRouter(Clock& clock, std::size_t max_message_bytes = 16u << 20)
      : clock_(clock), max_message_bytes_(max_message_bytes) {}
  // `path` is "/package.Service/Method".
  void unary(std::string path, Unary f, UnaryNow now = nullptr);
  void stream(std::string path, Stream f);
  // `interceptor` outlives the router.
  void intercept(GrpcInterceptor& interceptor) { interceptor_ = &interceptor; }
  // Unknown methods are answered with kUnimplemented.
  Task<> handle(Exchange& exchange) override;

  // For callers of another protocol (a JSON gateway): runs `call`, whose method() is looked up, as if it had
  // come by gRPC. A unary method receive()s one message and send()s one. The interceptor hears of begin and
  // end; of messages the call tells it.
  Task<Result<void>> dispatch(GrpcCall& call);
  // The paths, in order of registration.
  const std::vector<std::string>& methods() const { return order_; }
  // The place of `path` in methods().
  std::optional<std::size_t> find(std::string_view path) const;
  bool streaming(std::size_t method) const;

 private:
  struct Method {
    std::size_t index = 0;
    Unary unary;
    UnaryNow now;
    Stream stream;
  };
  struct PathHash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>{}(s); }
  };
  Method& add(std::string path);
  Error unknown(std::string_view path) const;

  Clock& clock_;
  const std::size_t max_message_bytes_;
  GrpcInterceptor* interceptor_ = nullptr;
  std::unordered_map<std::string, Method, PathHash, std::equal_to<>> methods_;
  std::vector<std::string> order_;
};

struct GrpcCallOptions {
  Headers metadata;                 // lower-case names; values of "-bin" names already in base64
  std::optional<Duration> timeout;  // sent as grpc-timeout and enforced here for unary calls
  std::size_t max_message_bytes = 64u << 20;
};

// A streaming call under way on the client. Dropping it cancels it. One reader and one writer at a time; may
// be used from any executor.
class GrpcClientStream {
 public:
  virtual ~GrpcClientStream() = default;
  virtual Task<Result<void>> send(Bytes message) = 0;
  // No more messages from us.
  virtual Task<Result<void>> half_close() = 0;
  // The next message; nullopt when the call ended with OK; else its status as Error, or kUnavailable when the
  // connection broke.
  virtual Task<Result<std::optional<std::string>>> receive() = 0;
  // Trailing metadata, once receive() has returned the end or an error.
  virtual const Headers& trailers() const = 0;
  virtual void cancel() = 0;
};

// Calls over one HttpClient, which must speak HTTP/2 (ALPN, or h2c_prior_knowledge). Thread-safe, cheap to
// copy.
class GrpcClient {
 public:
  explicit GrpcClient(std::shared_ptr<HttpClient> http) : http_(std::move(http)) {}
  GrpcClient(std::shared_ptr<HttpClient> http, Clock&) : GrpcClient(std::move(http)) {}
  // The reply's message, or the call's status as Error (kDeadlineExceeded after `timeout`, kUnavailable
  // without a connection).
  Task<Result<std::string>> unary(std::string method, Bytes request, GrpcCallOptions options = {});
  Task<Result<std::unique_ptr<GrpcClientStream>>> stream(std::string method, GrpcCallOptions options = {});

 private:
  std::shared_ptr<HttpClient> http_;
};

// The five-byte prefix and the message as one string: for tests and for callers that frame themselves.
std::string grpc_frame(std::string_view message);

// Appends a prefix to `out`, to be completed by end_grpc_frame() once the message stands behind it.
std::size_t begin_grpc_frame(std::string& out);
void end_grpc_frame(std::string& out, std::size_t mark);

}  // namespace keelson::net
