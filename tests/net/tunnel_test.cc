#include "net/tunnel.h"

#include <gtest/gtest.h>

#include "tests/net/fake_exchange.h"
#include "tests/net/run_coroutine.h"

namespace keelson::net {
namespace {

// A reply whose body is given, and then, when `endless`, stays open.
class FakeReply final : public ClientStream {
 public:
  FakeReply(int status, std::vector<std::string> body, bool endless)
      : status_(status), body_(std::move(body)), endless_(endless) {}
  Task<Result<void>> wait_headers() override { co_return Result<void>{}; }
  int status() const override { return status_; }
  const Headers& headers() const override { return headers_; }
  Task<Result<std::string>> read_some() override {
    if (at_ < body_.size()) co_return body_[at_++];
    if (endless_) co_await never_.wait();
    co_return std::string();
  }
  Task<Result<void>> write(Bytes) override { co_return Result<void>{}; }
  Task<Result<void>> finish_body() override { co_return Result<void>{}; }
  const Headers& trailers() const override { return headers_; }
  void cancel() override {}

 private:
  int status_;
  Headers headers_{{"content-type", "text/plain"}, {"x-internal", "1"}};
  std::vector<std::string> body_;
  bool endless_;
  std::size_t at_ = 0;
  AsyncEvent never_;
};

// A kubelet that answers what the test has put in.
class FakeKubelet final : public HttpClient {
 public:
  Task<Result<ClientResponse>> call(ClientRequest, Duration, std::size_t) override {
    co_return ClientResponse{};
  }
  Task<Result<std::unique_ptr<ClientStream>>> open(ClientRequest, bool) override {
    if (!reply) co_return keelson::fail(Code::kUnavailable, "connection refused");
    co_return std::move(reply);
  }
  Task<Result<Upgraded>> upgrade(ClientRequest r) override {
    asked = std::move(r);
    if (error) co_return std::unexpected(*error);
    co_return Upgraded{{{"connection", "Upgrade"}, {"upgrade", "SPDY/3.1"}, {"date", "then"}},
                       std::move(stream)};
  }
  ClientRequest asked;
  std::unique_ptr<ClientStream> reply;
  std::unique_ptr<ByteStream> stream;
  std::optional<Error> error;
};

Request exec_request() {
  Request r;
  r.method = "POST";
  r.target = "/api/v1/namespaces/a/pods/b/exec";
  r.headers = {{"connection", "Upgrade"},
               {"upgrade", "SPDY/3.1"},
               {"authorization", "Bearer secret"},
               {"x-stream-protocol-version", "v4.channel.k8s.io"},
               {"x-stream-protocol-version", "v3.channel.k8s.io"}};
  return r;
}

Task<> proxy(Exchange* e, FakeKubelet* k, Result<void>* done) {
  ClientRequest to{"POST", "/exec/a/b/c", {}, {}};
  *done = co_await proxy_upgrade(*e, *k, std::move(to));
}

Task<std::string> read_all(ByteStream* s) {
  std::string all;
  char buf[100];
  for (;;) {
    auto n = co_await s->read_some(buf, sizeof buf);
    if (!n || *n == 0) co_return all;
    all.append(buf, *n);
  }
}

Task<> both_ways(Executor ex) {
  FakeExchange exchange(ex, exec_request());
  FakeKubelet kubelet;
  auto [near, far] = make_pipe(ex);
  kubelet.stream = std::move(near);
  Result<void> done = keelson::fail(Code::kUnknown, "not run");
  TaskGroup tasks;
  tasks.spawn(ex, proxy(&exchange, &kubelet, &done));
  co_await exchange.upgraded.wait();
  EXPECT_EQ(exchange.headers.get("upgrade"), "SPDY/3.1");
  EXPECT_FALSE(exchange.headers.get("date"));
  EXPECT_EQ(kubelet.asked.headers.get_all("x-stream-protocol-version").size(), 2u);
  EXPECT_TRUE(kubelet.asked.headers.has_token("connection", "upgrade"));
  EXPECT_FALSE(kubelet.asked.headers.get("authorization"));
  EXPECT_TRUE(co_await exchange.client->write_all("ping"));
  EXPECT_TRUE(co_await exchange.client->shutdown_write());
  EXPECT_EQ(co_await read_all(far.get()), "ping");
  EXPECT_TRUE(co_await far->write_all("pong"));
  EXPECT_TRUE(co_await far->shutdown_write());
  EXPECT_EQ(co_await read_all(exchange.client.get()), "pong");
  co_await tasks.join();
  EXPECT_TRUE(done);
}

TEST(ProxyUpgrade, CarriesBothDirectionsToTheirEnds) {
  run_coroutine(both_ways);
}

Task<> refused(Executor ex) {
  FakeExchange exchange(ex, exec_request());
  FakeKubelet kubelet;
  auto detail = std::make_shared<UpgradeRefused>();
  detail->status = 400;
  detail->headers = {{"content-type", "text/plain"}};
  detail->body = "no such container";
  kubelet.error = Error{Code::kUnknown, "400", detail};
  Result<void> done;
  co_await proxy(&exchange, &kubelet, &done);
  EXPECT_TRUE(done);
  EXPECT_EQ(exchange.status, 400);
  EXPECT_EQ(exchange.body, "no such container");

  FakeExchange other(ex, exec_request());
  kubelet.error = Error{Code::kUnavailable, "connection refused", nullptr};
  co_await proxy(&other, &kubelet, &done);
  EXPECT_FALSE(done);
  EXPECT_EQ(other.status, 0);
}

TEST(ProxyUpgrade, RelaysRefusalsAndReportsUnreachableKubelets) {
  run_coroutine(refused);
}

Task<> logs(Exchange* e, FakeKubelet* k, Result<void>* done) {
  *done = co_await proxy_stream(*e, *k, {});
}

Task<> streamed(Executor ex) {
  FakeKubelet kubelet;
  Result<void> done;
  FakeExchange exchange(ex, {});
  kubelet.reply = std::make_unique<FakeReply>(200, std::vector<std::string>{"one\n", "two\n"}, false);
  co_await logs(&exchange, &kubelet, &done);
  EXPECT_TRUE(done && exchange.finished);
  EXPECT_EQ(exchange.body, "one\ntwo\n");
  EXPECT_FALSE(exchange.headers.get("x-internal"));

  FakeExchange leaver(ex, {});
  kubelet.reply = std::make_unique<FakeReply>(200, std::vector<std::string>{"one\n"}, true);
  TaskGroup tasks;
  tasks.spawn(ex, logs(&leaver, &kubelet, &done));
  co_await leaver.wrote.wait();
  leaver.gone.set();
  co_await tasks.join();

  FakeExchange missing(ex, {});
  kubelet.reply = std::make_unique<FakeReply>(404, std::vector<std::string>{"pod not found"}, false);
  co_await logs(&missing, &kubelet, &done);
  EXPECT_FALSE(done);
  EXPECT_EQ(done ? "" : done.error().message, "pod not found");
  EXPECT_EQ(missing.status, 0);
}

TEST(ProxyStream, RelaysUntilEitherSideEnds) {
  run_coroutine(streamed);
}

}  // namespace
}  // namespace keelson::net
