#include "net/tunnel.h"

#include <boost/asio/this_coro.hpp>
#include <vector>

#include "base/async.h"
#include "net/catch_cancel.h"

namespace keelson::net {
namespace {

constexpr std::size_t kCopyBytes = 32 * 1024;

// Copies and passes the end on; a failure ends both streams.
Task<> copy(ByteStream* from, ByteStream* to, Result<void>* outcome) {
  auto done = co_await copy_to_end(*from, *to);
  if (done) done = co_await to->shutdown_write();
  if (done) co_return;
  if (*outcome) *outcome = std::move(done);
  from->close();
  to->close();
}

constexpr std::string_view kRelayed[] = {"connection",
                                         "upgrade",
                                         "sec-websocket-key",
                                         "sec-websocket-version",
                                         "sec-websocket-protocol",
                                         "sec-websocket-extensions",
                                         "origin",
                                         "x-stream-protocol-version"};

}  // namespace

Task<Result<void>> copy_to_end(ByteStream& from, ByteStream& to) {
  std::vector<char> buf(kCopyBytes);
  for (;;) {
    const std::size_t n = CO_TRY(co_await from.read_some(buf.data(), buf.size()));
    if (n == 0) co_return Result<void>{};
    CO_TRY(co_await to.write_all({buf.data(), n}));
  }
}

Task<Result<void>> splice(ByteStream& a, ByteStream& b) {
  const auto ex = co_await boost::asio::this_coro::executor;
  TaskGroup copies;
  Result<void> outcome;
  copies.spawn(ex, copy(&a, &b, &outcome));
  copies.spawn(ex, copy(&b, &a, &outcome));
  const auto cancelled = co_await catch_cancel(copies.join());
  co_await copies.stop();
  if (cancelled) std::rethrow_exception(cancelled);
  co_return outcome;
}

Task<Result<void>> proxy_upgrade(Exchange& exchange, HttpClient& to_kubelet, ClientRequest request) {
  const Headers& asked = exchange.request().headers;
  for (const auto name : kRelayed) {
    if (request.headers.get(name)) continue;
    for (const auto value : asked.get_all(name)) request.headers.add(std::string(name), std::string(value));
  }
  auto upgraded = co_await to_kubelet.upgrade(std::move(request));
  if (!upgraded) {
    const auto refused = std::dynamic_pointer_cast<const UpgradeRefused>(upgraded.error().detail);
    if (refused == nullptr) co_return std::unexpected(std::move(upgraded).error());
    Headers headers;
    if (const auto type = refused->headers.get("content-type"))
      headers.add("content-type", std::string(*type));
    for (const auto v : refused->headers.get_all("x-accepted-stream-protocol-versions")) {
      headers.add("x-accepted-stream-protocol-versions", std::string(v));
    }
    co_return co_await exchange.respond(refused->status, std::move(headers), Bytes::copy(refused->body));
  }
  upgraded->headers.remove("date");
  auto client = CO_TRY(co_await exchange.upgrade(std::move(upgraded->headers)));
  (void)co_await splice(*client, *upgraded->stream);
  co_return Result<void>{};
}

namespace {

constexpr std::size_t kMaxRefusal = 64 * 1024;

Task<Error> refusal(ClientStream& reply) {
  auto detail = std::make_shared<UpgradeRefused>();
  detail->status = reply.status();
  detail->headers = reply.headers();
  for (;;) {
    auto piece = co_await reply.read_some();
    if (!piece || piece->empty() || detail->body.size() > kMaxRefusal) break;
    detail->body += *piece;
  }
  Error error{detail->status == 404 ? Code::kNotFound : Code::kUnknown, detail->body, detail};
  co_return error;
}

Task<> relay_body(Exchange* exchange, ClientStream* reply, AsyncEvent* done) {
  for (;;) {
    auto piece = co_await reply->read_some();
    if (!piece || piece->empty()) break;
    if (!co_await exchange->write(Bytes(std::move(*piece)))) break;
  }
  done->set();
}

Task<> watch_client(Exchange* exchange, AsyncEvent* done) {
  co_await exchange->closed();
  done->set();
}

}  // namespace

Task<Result<void>> proxy_stream(Exchange& exchange, HttpClient& to_kubelet, ClientRequest request) {
  auto reply = CO_TRY(co_await to_kubelet.open(std::move(request), false));
  if (reply->status() < 200 || reply->status() > 299) co_return std::unexpected(co_await refusal(*reply));
  Headers headers;
  if (const auto type = reply->headers().get("content-type")) headers.add("content-type", std::string(*type));
  CO_TRY(co_await exchange.start(reply->status(), std::move(headers)));
  const auto ex = co_await boost::asio::this_coro::executor;
  AsyncEvent done;
  TaskGroup tasks;
  tasks.spawn(ex, relay_body(&exchange, reply.get(), &done));
  tasks.spawn(ex, watch_client(&exchange, &done));
  const auto cancelled = co_await catch_cancel(done.wait());
  reply->cancel();
  co_await tasks.stop();
  if (cancelled) std::rethrow_exception(cancelled);
  co_return co_await exchange.finish();
}

}  // namespace keelson::net
