// A server with a few routes and clients for it, over certificates of its own.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <thread>

#include "auth/key.h"
#include "base/async.h"
#include "net/asio_clock.h"
#include "net/client.h"
#include "net/io_pool.h"
#include "net/server.h"

namespace keelson::net {

class TestHandler : public Handler {
 public:
  std::atomic<std::size_t> pieces_written = 0;
  std::atomic<int> watches_open = 0;
  std::atomic<int> watches_ended = 0;
  std::atomic<int> cancelled = 0;

  Task<> handle(Exchange& x) override {
    const std::string_view path = x.request().path();
    if (path == "/hello") return hello(x);
    if (path == "/echo") return echo(x);
    if (path == "/large") return large(x);
    if (path == "/watch") return watch(x);
    if (path == "/duplex") return duplex(x);
    if (path == "/upgrade") return upgrade(x);
    if (path == "/throw") return fails(x);
    if (path == "/stuck") return stuck(x);
    return not_found(x);
  }

 private:
  static Task<> hello(Exchange& x) {
    const auto& peer = x.request().connection->peer;
    std::string text = "hello ";
    text += peer ? peer->common_name + "/" + peer->organizations.at(0) : "nobody";
    (void)co_await x.respond(
        200, {{"content-type", "text/plain"}, {"x-host", std::string(*x.request().headers.get("host"))}},
        Bytes(std::move(text)));
  }
  static Task<> echo(Exchange& x) {
    auto body = co_await x.read_body(100'000);
    if (!body) {
      (void)co_await x.respond(body.error().code == Code::kResourceExhausted ? 413 : 400, {}, Bytes());
      co_return;
    }
    (void)co_await x.respond(200, {}, Bytes(std::move(*body)));
  }
  // Pieces of 64 KiB, as many as the query says.
  Task<> large(Exchange& x) {
    const std::size_t n = std::stoul(parse_query(x.request().query()).at(0).second);
    const Bytes piece{std::string(64 * 1024, 'p')};
    (void)co_await x.start(200, {});
    for (std::size_t i = 0; i < n; ++i) {
      if (!co_await x.write(piece)) co_return;
      ++pieces_written;
    }
    (void)co_await x.finish({{"x-end", "yes"}});
  }
  Task<> watch(Exchange& x) {
    (void)co_await x.start(200, {});
    (void)co_await x.write(Bytes::literal("first"));
    ++watches_open;
    co_await x.closed();
    ++watches_ended;
    (void)co_await x.write(Bytes::literal("bye"));
    (void)co_await x.finish();
  }
  static Task<> duplex(Exchange& x) {
    (void)co_await x.start(200, {});
    for (;;) {
      auto piece = co_await x.read_some();
      if (!piece) co_return;
      if (piece->empty()) break;
      if (!co_await x.write(Bytes(std::move(*piece)))) co_return;
    }
    (void)co_await x.finish();
  }
  static Task<> upgrade(Exchange& x) {
    auto stream = co_await x.upgrade({{"connection", "Upgrade"}, {"upgrade", "echo"}});
    if (!stream) {
      (void)co_await x.respond(400, {}, Bytes::literal("no upgrade here"));
      co_return;
    }
    char buf[1024];
    for (;;) {
      auto n = co_await (*stream)->read_some(buf, sizeof buf);
      if (!n || *n == 0) break;
      if (!co_await (*stream)->write_all({buf, *n})) break;
    }
  }
  static Task<> fails(Exchange&) {
    throw std::runtime_error("planned");
    co_return;
  }
  Task<> stuck(Exchange& x) {
    AsyncEvent never;
    ++watches_open;
    try {
      co_await never.wait();
    } catch (...) {
      ++cancelled;
      throw;
    }
  }
  static Task<> not_found(Exchange& x) { (void)co_await x.respond(404, {}, Bytes::literal("what?")); }
};

// Waits, at most ten seconds, for a condition.
inline bool eventually(const std::function<bool()>& condition) {
  const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (!condition()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

struct TestPki {
  WallTime now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  auth::KeyPair ca = auth::make_ca("test-ca", now);
  auth::KeyPair server = *auth::issue(
      ca,
      {.common_name = "server", .dns_names = {"localhost"}, .ip_addresses = {"127.0.0.1"}, .server = true},
      now);
  auth::KeyPair client =
      *auth::issue(ca, {.common_name = "ann", .organizations = {"dev"}, .client = true}, now);
};

class HttpFixture : public ::testing::Test {
 protected:
  void SetUp() override { pool_.start(); }
  void TearDown() override {
    if (server_) run(server_->stop(std::chrono::milliseconds(200)));
    server_.reset();
    pool_.stop();
  }

  // The coroutine runs on an executor other than the server's first.
  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    block_on(pool_.executors().back(), keep(std::move(task), &out));
    return std::move(*out);
  }
  void run(Task<> task) { block_on(pool_.executors().back(), std::move(task)); }
  template <class T>
  static Task<> keep(Task<T> task, std::optional<T>* out) {
    out->emplace(co_await std::move(task));
  }

  static const TestPki& pki() {
    static const TestPki kPki;
    return kPki;
  }
  ServerOptions tls_options() const {
    ServerOptions o;
    o.tls =
        TlsServerConfig{pki().server.certificate_pem, pki().server.key_pem, pki().ca.certificate_pem, false};
    return o;
  }
  void serve(ServerOptions options) { serve(std::move(options), handler_); }
  void serve(ServerOptions options, Handler& handler) {
    auto made = Server::listen(std::move(options), pool_.executors(), handler, clock_, Logger());
    ASSERT_TRUE(made.has_value()) << made.error().to_string();
    server_ = std::move(*made);
  }
  ClientOptions tls_client(bool http1, bool certificate = true) const {
    ClientOptions o;
    o.origin = "https://127.0.0.1:" + std::to_string(server_->port());
    o.http1_only = http1;
    o.tls.emplace();
    o.tls->ca_pem = pki().ca.certificate_pem;
    if (certificate) {
      o.tls->certificate_pem = pki().client.certificate_pem;
      o.tls->private_key_pem = pki().client.key_pem;
    }
    return o;
  }
  std::shared_ptr<HttpClient> client(ClientOptions options) {
    return HttpClient::create(std::move(options), pool_.executors().front(), clock_, Logger());
  }
  Result<ClientResponse> get(HttpClient& c, std::string target) {
    ClientRequest r;
    r.target = std::move(target);
    return run(c.call(std::move(r), std::chrono::seconds(10)));
  }
  Result<ClientResponse> post(HttpClient& c, std::string target, std::string body) {
    ClientRequest r;
    r.method = "POST";
    r.target = std::move(target);
    r.body = Bytes(std::move(body));
    return run(c.call(std::move(r), std::chrono::seconds(10)));
  }

  AsioClock clock_;
  IoPool pool_{2, 1};
  TestHandler handler_;
  std::unique_ptr<Server> server_;
};

}  // namespace keelson::net
