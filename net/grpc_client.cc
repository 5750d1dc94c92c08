#include <utility>

#include "net/grpc.h"
#include "net/grpc_frame.h"

namespace keelson::net {
namespace {

constexpr Duration kNoTimeout = Duration::max();

ClientRequest make_request(std::string method, const GrpcCallOptions& options) {
  ClientRequest r;
  r.method = "POST";
  r.target = std::move(method);
  r.headers = options.metadata;
  r.headers.add("content-type", "application/grpc");
  r.headers.add("te", "trailers");
  if (!r.headers.get("user-agent")) r.headers.add("user-agent", "grpc-keelson/1.0");
  if (options.timeout) r.headers.add("grpc-timeout", grpc_timeout(*options.timeout));
  return r;
}

class ClientStreamCall final : public GrpcClientStream {
 public:
  ClientStreamCall(std::unique_ptr<ClientStream> stream, std::size_t max_message_bytes)
      : stream_(std::move(stream)), reader_(max_message_bytes) {}

  Task<Result<void>> send(Bytes message) override { return stream_->write(Bytes(grpc_frame(message))); }
  Task<Result<void>> half_close() override { return stream_->finish_body(); }
  Task<Result<std::optional<std::string>>> receive() override {
    for (;;) {
      auto message = CO_TRY(reader_.next());
      if (message) co_return message;
      auto piece = CO_TRY(co_await stream_->read_some());
      if (!piece.empty()) {
        reader_.append(std::move(piece));
        continue;
      }
      CO_TRY(grpc_status(stream_->status(), stream_->headers(), stream_->trailers()));
      if (!reader_.empty()) co_return fail(Code::kInternal, "the stream ended within a message");
      co_return std::nullopt;
    }
  }
  const Headers& trailers() const override { return stream_->trailers(); }
  void cancel() override { stream_->cancel(); }

 private:
  const std::unique_ptr<ClientStream> stream_;
  GrpcReader reader_;
};

// The client may be gone while its calls run: they hold the HttpClient only.
Task<Result<std::string>> run_unary(std::shared_ptr<HttpClient> http, std::string method, Bytes request,
                                    GrpcCallOptions options) {
  ClientRequest r = make_request(std::move(method), options);
  r.body = Bytes(grpc_frame(request));
  auto reply = CO_TRY(
      co_await http->call(std::move(r), options.timeout.value_or(kNoTimeout), options.max_message_bytes + 5));
  CO_TRY(grpc_status(reply.status, reply.headers, reply.trailers));
  GrpcReader reader(options.max_message_bytes);
  reader.append(std::move(reply.body));
  auto message = CO_TRY(reader.next());
  if (!message) co_return fail(Code::kInternal, "the reply has no message");
  co_return std::move(*message);
}

Task<Result<std::unique_ptr<GrpcClientStream>>> run_stream(std::shared_ptr<HttpClient> http,
                                                           std::string method, GrpcCallOptions options) {
  auto stream = CO_TRY(co_await http->open(make_request(std::move(method), options), true));
  co_return std::make_unique<ClientStreamCall>(std::move(stream), options.max_message_bytes);
}

}  // namespace

Task<Result<std::string>> GrpcClient::unary(std::string method, Bytes request, GrpcCallOptions options) {
  return run_unary(http_, std::move(method), std::move(request), std::move(options));
}

Task<Result<std::unique_ptr<GrpcClientStream>>> GrpcClient::stream(std::string method,
                                                                   GrpcCallOptions options) {
  return run_stream(http_, std::move(method), std::move(options));
}

}  // namespace keelson::net
