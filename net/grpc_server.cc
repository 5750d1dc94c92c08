#include <utility>

#include "net/grpc.h"
#include "net/grpc_frame.h"

namespace keelson::net {
namespace {

constexpr std::size_t kPrefix = 5;

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

  // Messages are told to `interceptor` from now on.
  void watch(GrpcInterceptor* interceptor, std::size_t method) {
    interceptor_ = interceptor;
    index_ = method;
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

  // The only message of a unary call, if it is here already.
  Result<std::optional<std::string>> receive_now() {
    if (auto piece = x_.read_now()) reader_.append(std::move(*piece));
    auto message = TRY(reader_.next());
    if (message) note_received(message->size());
    return message;
  }

  Task<Result<std::optional<std::string>>> receive() override {
    for (;;) {
      auto message = CO_TRY(reader_.next());
      if (message) {
        note_received(message->size());
        co_return message;
      }
      auto piece = CO_TRY(co_await x_.read_some());
      if (piece.empty()) {
        if (!reader_.empty()) co_return fail(Code::kInternal, "the stream ended within a message");
        co_return std::nullopt;
      }
      reader_.append(std::move(piece));
    }
  }

  Task<Result<void>> send(Bytes message) override { return send_frames(Bytes(grpc_frame(message)), 1); }

  Task<Result<void>> send_frames(Bytes frames, std::size_t count) override {
    CO_TRY(co_await ensure_started());
    note_sent(count, frames.size() - count * kPrefix);
    co_return co_await x_.write(std::move(frames));
  }

  // The reply of a unary call in one piece. False: use send() and finish().
  bool reply_now(const Bytes& message) {
    trailers_.add("grpc-status", "0");
    if (!started_ && x_.respond_now(200, headers_, Bytes(grpc_frame(message)), trailers_)) {
      note_sent(1, message.size());
      return true;
    }
    trailers_.remove("grpc-status");
    return false;
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
  void note_received(std::size_t bytes) {
    if (interceptor_ != nullptr) interceptor_->received(index_, bytes);
  }
  void note_sent(std::size_t count, std::size_t bytes) {
    if (interceptor_ != nullptr) interceptor_->sent(index_, count, bytes);
  }

  Exchange& x_;
  const std::string_view path_;
  GrpcReader reader_;
  GrpcInterceptor* interceptor_ = nullptr;
  std::size_t index_ = 0;
  std::optional<MonoTime> deadline_;
  Headers headers_{{"content-type", "application/grpc"}};
  Headers trailers_;
  bool started_ = false;
};

// Tells the interceptor how the call ended.
class Ending {
 public:
  Ending(GrpcInterceptor* interceptor, std::size_t method, const GrpcCall& call, Clock& clock)
      : interceptor_(interceptor), method_(method), call_(call), clock_(clock) {
    if (interceptor_ != nullptr && interceptor_->timed()) began_ = clock_.now();
  }
  void operator()(const Error* error) {
    if (interceptor_ == nullptr) return;
    interceptor_->ended(method_, call_, error, interceptor_->timed() ? clock_.now() - began_ : Duration());
  }

 private:
  GrpcInterceptor* const interceptor_;
  const std::size_t method_;
  const GrpcCall& call_;
  Clock& clock_;
  MonoTime began_{};
};

Error late() {
  return {Code::kDeadlineExceeded, "context deadline exceeded"};
}
bool is_late(const GrpcCall& call, Clock& clock) {
  return call.deadline() && clock.now() >= *call.deadline();
}

}  // namespace

GrpcRouter::Method& GrpcRouter::add(std::string path) {
  const auto [it, fresh] = methods_.try_emplace(path);
  if (fresh) {
    it->second.index = order_.size();
    order_.push_back(std::move(path));
  }
  return it->second;
}
void GrpcRouter::unary(std::string path, Unary f, UnaryNow now) {
  Method& m = add(std::move(path));
  m.unary = std::move(f);
  m.now = std::move(now);
}
void GrpcRouter::stream(std::string path, Stream f) {
  add(std::move(path)).stream = std::move(f);
}
std::optional<std::size_t> GrpcRouter::find(std::string_view path) const {
  const auto it = methods_.find(path);
  return it == methods_.end() ? std::nullopt : std::optional(it->second.index);
}
bool GrpcRouter::streaming(std::size_t method) const {
  return !methods_.find(order_.at(method))->second.unary;
}

// grpc-go's wording.
Error GrpcRouter::unknown(std::string_view path) const {
  const std::size_t slash = path.rfind('/');
  if (path.empty() || path[0] != '/' || slash == 0) {
    return {Code::kUnimplemented, "malformed method name: \"" + std::string(path) + "\""};
  }
  const std::string_view service = path.substr(0, slash + 1);
  const std::string name(path.substr(1, slash - 1));
  for (const auto& p : order_) {
    if (!p.starts_with(service)) continue;
    return {Code::kUnimplemented,
            "unknown method " + std::string(path.substr(slash + 1)) + " for service " + name};
  }
  return {Code::kUnimplemented, "unknown service " + name};
}

Task<Result<void>> GrpcRouter::dispatch(GrpcCall& call) {
  const auto it = methods_.find(call.method());
  if (it == methods_.end()) co_return fail(unknown(call.method()));
  const Method& m = it->second;
  Ending ending(interceptor_, m.index, call, clock_);
  Result<void> result;
  if (interceptor_ != nullptr) result = interceptor_->begin(m.index, call);
  if (result && m.unary) {
    auto request = co_await call.receive();
    if (!request) {
      result = std::unexpected(request.error());
    } else if (!*request) {
      result = fail(Code::kInternal, "the call has no request message");
    } else {
      auto reply = co_await m.unary(call, std::move(**request));
      if (!reply) {
        result = std::unexpected(std::move(reply).error());
      } else {
        result = co_await call.send(std::move(*reply));
      }
    }
  } else if (result) {
    result = co_await m.stream(call);
  }
  if (is_late(call, clock_)) result = fail(late());
  ending(result ? nullptr : &result.error());
  co_return result;
}

Task<> GrpcRouter::handle(Exchange& exchange) {
  if (!is_grpc(exchange.request())) {
    (void)co_await exchange.respond(415, {}, Bytes::literal("not a gRPC call\n"));
    co_return;
  }
  ServerCall call(exchange, clock_, max_message_bytes_);
  const auto it = methods_.find(call.method());
  if (it == methods_.end() || !it->second.unary) {
    if (it != methods_.end()) call.watch(interceptor_, it->second.index);
    auto result = co_await dispatch(call);
    (void)co_await call.finish(std::move(result));
    co_return;
  }
  // A unary call: as few suspensions and copies as can be.
  const Method& m = it->second;
  call.watch(interceptor_, m.index);
  Ending ending(interceptor_, m.index, call, clock_);
  Result<Bytes> reply;
  Result<void> begun;
  if (interceptor_ != nullptr) begun = interceptor_->begin(m.index, call);
  if (!begun) {
    reply = std::unexpected(std::move(begun).error());
  } else {
    auto request = call.receive_now();
    if (request && !*request) request = co_await call.receive();
    if (!request) {
      reply = std::unexpected(std::move(request).error());
    } else if (!*request) {
      reply = fail(Code::kInternal, "the call has no request message");
    } else {
      std::optional<Result<Bytes>> now;
      if (m.now) now = m.now(call, **request);
      if (now) {
        reply = std::move(*now);
      } else {
        reply = co_await m.unary(call, std::move(**request));
      }
    }
  }
  if (is_late(call, clock_)) reply = fail(late());
  ending(reply ? nullptr : &reply.error());
  if (reply && call.reply_now(*reply)) co_return;
  Result<void> result;
  if (!reply) {
    result = std::unexpected(std::move(reply).error());
  } else {
    result = co_await call.send(std::move(*reply));
  }
  (void)co_await call.finish(std::move(result));
}

}  // namespace keelson::net
