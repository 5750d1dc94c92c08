// HttpTransport against a server that plays the API's side: paths, bodies in both encodings, watches cut
// anywhere, errors.
#include "client/http_transport.h"

#include <gtest/gtest.h>

#include "api/gen/apps_v1.h"
#include "api/gen/core_v1.h"
#include "api/json.h"
#include "api/protobuf.h"
#include "api/status.h"
#include "base/async.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"
#include "net/server.h"

namespace keelson::client {
namespace {

namespace core = api::core_v1;

constexpr std::string_view kList =
    R"({"kind":"ConfigMapList","apiVersion":"v1","metadata":{"resourceVersion":"7","continue":"next"},"items":[)"
    R"({"metadata":{"name":"a","namespace":"n","resourceVersion":"3"},"data":{"x":"1"}},)"
    R"({"metadata":{"name":"b","namespace":"n","resourceVersion":"5"}}]})";

// What the server saw last, and how it answers.
class ApiSide final : public net::Handler {
 public:
  std::string method, target, content_type, authorization;
  bool protobuf = true;
  int refusals = 0;  // so many 429 come first

  Task<> handle(net::Exchange& x) override {
    method = x.request().method;
    target = x.request().target;
    content_type = std::string(x.request().headers.get("content-type").value_or(""));
    authorization = std::string(x.request().headers.get("authorization").value_or(""));
    if (refusals-- > 0) {
      (void)co_await x.respond(429, {{"retry-after", "0"}}, Bytes::literal("slowly"));
      co_return;
    }
    const std::string_view path = x.request().path();
    if (target.find("watch=true") != std::string::npos) co_return co_await watch(x);
    if (path.ends_with("/none")) co_return co_await reply(x, 404, status("none"));
    if (method == "POST") {
      auto body = co_await x.read_body(1 << 20);
      const std::string type = content_type;
      (void)co_await x.respond(201, {{"content-type", type}}, Bytes(std::move(*body)));
      co_return;
    }
    if (method == "DELETE") {
      co_return co_await reply(x, 200, R"({"kind":"Status","apiVersion":"v1","status":"Success"})");
    }
    auto list = api::parse_json(kList, *core::ConfigMap::kind_info().list_type);
    if (protobuf) {
      (void)co_await x.respond(200, {{"content-type", "application/vnd.kubernetes.protobuf"}},
                               Bytes(api::encode_enveloped(**list)));
    } else {
      co_await reply(x, 200, std::string(kList));
    }
  }

 private:
  static std::string status(std::string_view name) {
    return api::encode_json(*api::status_object(api::not_found({"", "configmaps"}, name)));
  }
  static Task<> reply(net::Exchange& x, int code, std::string json) {
    (void)co_await x.respond(code, {{"content-type", "application/json"}}, Bytes(std::move(json)));
  }
  // Two events and an error, in pieces of seven bytes.
  static Task<> watch(net::Exchange& x) {
    const std::string text =
        R"({"type":"ADDED","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a","resourceVersion":"8"}}})"
        "\n"
        R"({"type":"BOOKMARK","object":{"kind":"ConfigMap","apiVersion":"v1","metadata":{"resourceVersion":"9"}}})"
        "\n"
        R"({"type":"ERROR","object":)" +
        api::encode_json(*api::status_object(api::expired("too old"))) + "}\n";
    (void)co_await x.start(200, {{"content-type", "application/json"}});
    for (std::size_t at = 0; at < text.size(); at += 7) {
      if (!co_await x.write(Bytes(text.substr(at, 7)))) co_return;
    }
    (void)co_await x.finish();
  }
};

class HttpTransportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    pool.start();
    auto made = net::Server::listen({}, pool.executors(), side, clock, Logger());
    ASSERT_TRUE(made.has_value());
    server = std::move(*made);
    net::ClientOptions o;
    o.origin = "http://127.0.0.1:" + std::to_string(server->port());
    HttpTransportOptions t;
    t.token = [] { return std::string("secret"); };
    transport =
        std::make_unique<HttpTransport>(net::HttpClient::create(o, pool.next(), clock, Logger()), clock, t);
  }
  void TearDown() override {
    transport.reset();
    block_on(pool.next(), server->stop(Duration::zero()));
    pool.stop();
  }
  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    block_on(pool.next(), keep(std::move(task), &out));
    return std::move(*out);
  }
  template <class T>
  static Task<> keep(Task<T> task, std::optional<T>* out) {
    out->emplace(co_await std::move(task));
  }

  net::AsioClock clock;
  net::IoPool pool{1, 1};
  ApiSide side;
  std::unique_ptr<net::Server> server;
  std::unique_ptr<HttpTransport> transport;
};

TEST_F(HttpTransportTest, Paths) {
  const auto& deployment = api::apps_v1::Deployment::kind_info();
  EXPECT_EQ(resource_path(deployment, "a", "web", "status"),
            "/apis/apps/v1/namespaces/a/deployments/web/status");
  EXPECT_EQ(resource_path(core::Node::kind_info(), "", "n1", ""), "/api/v1/nodes/n1");
  EXPECT_EQ(resource_path(core::Pod::kind_info(), "", "", ""), "/api/v1/pods");
}

TEST_F(HttpTransportTest, ListsInBothEncodings) {
  for (bool protobuf : {true, false}) {
    side.protobuf = protobuf;
    auto list =
        run(transport->list(core::ConfigMap::kind_info(), "n", {.label_selector = "a in (b,c)", .limit = 2}));
    ASSERT_TRUE(list.has_value()) << list.error().message;
    EXPECT_EQ(list->resource_version, "7");
    EXPECT_EQ(list->continue_token, "next");
    ASSERT_EQ(list->items.size(), 2u);
    EXPECT_EQ(core::ConfigMap::of(*list->items[0]).data_().get("x"), "1");
    EXPECT_EQ(list->items[1]->resource_version(), "5");
  }
  EXPECT_TRUE(
      side.target.starts_with("/api/v1/namespaces/n/configmaps?labelSelector=a%20in%20%28b%2Cc%29&limit=2"))
      << side.target;
  EXPECT_EQ(side.authorization, "Bearer secret");
}

TEST_F(HttpTransportTest, WatchInPieces) {
  auto stream = run(transport->watch(core::ConfigMap::kind_info(), "", {}));
  ASSERT_TRUE(stream.has_value()) << stream.error().message;
  auto first = run((*stream)->next());
  ASSERT_TRUE(first.has_value());
  EXPECT_EQ(first->type, WatchEvent::Type::kAdded);
  EXPECT_EQ(first->object->name(), "a");
  auto second = run((*stream)->next());
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->type, WatchEvent::Type::kBookmark);
  EXPECT_EQ(second->object->resource_version(), "9");
  auto third = run((*stream)->next());
  ASSERT_FALSE(third.has_value());
  EXPECT_EQ(third.error().code, Code::kOutOfRange);
  auto end = run((*stream)->next());
  ASSERT_FALSE(end.has_value());
  EXPECT_EQ(end.error().code, Code::kUnavailable);
}

TEST_F(HttpTransportTest, WritesAndErrors) {
  auto object = api::Object::make(core::ConfigMap::kind_info());
  object->mutable_meta().set_name("c");
  side.refusals = 2;
  auto created = run(transport->create(core::ConfigMap::kind_info(), "n", api::freeze(std::move(object)),
                                       {.field_manager = "me"}));
  ASSERT_TRUE(created.has_value()) << created.error().message;
  EXPECT_EQ((*created)->name(), "c");
  EXPECT_EQ(side.target, "/api/v1/namespaces/n/configmaps?fieldManager=me");
  EXPECT_EQ(side.content_type, "application/vnd.kubernetes.protobuf");
  auto missing = run(transport->get(core::ConfigMap::kind_info(), "n", "none", {}));
  ASSERT_FALSE(missing.has_value());
  EXPECT_TRUE(api::is_not_found(missing.error()));
  EXPECT_EQ(missing.error().message, "configmaps \"none\" not found");
  auto removed = run(transport->remove(core::ConfigMap::kind_info(), "n", "c", {.grace_period_s = 0}));
  ASSERT_TRUE(removed.has_value());
  EXPECT_EQ(*removed, nullptr);
}

}  // namespace
}  // namespace keelson::client
