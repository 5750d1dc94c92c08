#include <utility>

#include "net/grpc.h"
#include "net/grpc_frame.h"

namespace keelson::net {
namespace {

class ServerCall final : public GrpcCall {
 public:
  ServerCall(Exchange& x, Clock& clock, std::size_t max_message_bytes)
      : x_(x), path_(x.request().path()), reader_(max_message_bytes) {
    if (const auto text = x.request().headers.get("grpc-timeout")) {
      if (const auto timeout = parse_grpc_timeout(*text)) {
        const MonoTime now = clock.now();
        deadline_ = *timeout > MonoTime::max() - now ? MonoTime::max() : now + *timeout;
      }
    }
  }

  std::string_view method() const override { return path_; }
  const Request& request() const override { return x_.request(); }
  std::optional<MonoTime> deadline() const override { return deadline_; }
  Task<> closed() override { return x_.closed(); }
  bool is_closed() const override { return x_.is_closed(); }
  Executor executor() override { return x_.executor(); }
  void add_header(std::string name, std::string value) override {
    headers_.add(std::move(name), std::move(value));
  }
  void add_trailer(std::string name, std::string value) override {
    trailers_.add(std::move(name), std::move(value));
  }

  Task<Result<std::optional<std::string>>> receive() override {
    for (;;) {
      auto message = CO_TRY(reader_.next());
      if (message) co_return message;
      auto piece = CO_TRY(co_await x_.read_some());
      if (piece.empty()) {
        if (!reader_.empty()) co_return fail(Code::kInternal, "the stream ended within a message");
        co_return std::nullopt;
      }
      reader_.append(std::move(piece));
    }
  }

  Task<Result<void>> send(Bytes message) override {
    CO_TRY(co_await ensure_started());
    co_return co_await x_.write(Bytes(grpc_frame(message)));
  }

  Task<Result<void>> finish(Result<void> result) {
    CO_TRY(co_await ensure_started());
    if (result) {
      trailers_.add("grpc-status", "0");
    } else {
      trailers_.add("grpc-status", std::to_string(static_cast<int>(result.error().code)));
      if (!result.error().message.empty()) trailers_.add("grpc-message", grpc_escape(result.error().message));
    }
    co_return co_await x_.finish(std::move(trailers_));
  }

 private:
  Task<Result<void>> ensure_started() {
    if (std::exchange(started_, true)) co_return Result<void>();
    co_return co_await x_.start(200, std::move(headers_));
  }

  Exchange& x_;
  const std::string path_;
  GrpcReader reader_;
  std::optional<MonoTime> deadline_;
  Headers headers_{{"content-type", "application/grpc"}};
  Headers trailers_;
  bool started_ = false;
};

Task<Result<void>> run_unary(ServerCall& call, const GrpcRouter::Unary& f) {
  auto request = CO_TRY(co_await call.receive());
  if (!request) co_return fail(Code::kInternal, "the call has no request message");
  const Bytes reply = CO_TRY(co_await f(call, std::move(*request)));
  co_return co_await call.send(reply);
}

}  // namespace

void GrpcRouter::unary(std::string path, Unary f) {
  methods_[std::move(path)].unary = std::move(f);
}
void GrpcRouter::stream(std::string path, Stream f) {
  methods_[std::move(path)].stream = std::move(f);
}

Task<> GrpcRouter::handle(Exchange& exchange) {
  if (!is_grpc(exchange.request())) {
    (void)co_await exchange.respond(415, {}, Bytes::literal("not a gRPC call\n"));
    co_return;
  }
  ServerCall call(exchange, clock_, max_message_bytes_);
  const auto it = methods_.find(std::string(call.method()));
  Result<void> result;
  if (it == methods_.end()) {
    result = fail(Code::kUnimplemented, "unknown method " + std::string(call.method()));
  } else if (it->second.unary) {
    result = co_await run_unary(call, it->second.unary);
  } else {
    result = co_await it->second.stream(call);
  }
  if (call.deadline() && clock_.now() >= *call.deadline()) {
    result = fail(Code::kDeadlineExceeded, "context deadline exceeded");
  }
  (void)co_await call.finish(std::move(result));
}

}  // namespace keelson::net
