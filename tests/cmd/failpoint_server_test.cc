#include "cmd/kvstore/failpoint_server.h"

#include <gtest/gtest.h>

#include <array>

#include "base/async.h"
#include "net/asio_clock.h"
#include "net/client.h"
#include "net/io_pool.h"

namespace keelson::cmd {
namespace {

// Sends one request after the other: "METHOD /path body" to "status body".
std::vector<std::string> ask(std::uint16_t port, const std::vector<std::array<std::string, 3>>& requests) {
  net::AsioClock clock;
  net::IoPool pool(1, 1);
  pool.start();
  auto client = net::HttpClient::create({.origin = "http://127.0.0.1:" + std::to_string(port)}, pool.next(),
                                        clock, Logger());
  std::vector<std::string> answers;
  auto send = [](net::HttpClient* c, net::ClientRequest r, std::string* out) -> Task<> {
    auto got = co_await c->call(std::move(r), std::chrono::seconds(30));
    *out = got ? std::to_string(got->status) + " " + got->body : got.error().message;
  };
  for (const auto& [method, path, body] : requests) {
    net::ClientRequest r{.method = method, .target = path, .headers = {}, .body = Bytes::copy(body)};
    block_on(pool.next(), send(client.get(), std::move(r), &answers.emplace_back()));
  }
  client.reset();
  pool.stop();
  return answers;
}

using Answers = std::vector<std::string>;

TEST(FailpointServer, SpeaksGofailsHttp) {
  auto server = FailpointServer::from_environment("127.0.0.1:0", "second=return(7);absent=off", {});
  ASSERT_TRUE(server) << server.error().message;
  const Failpoint first(&(*server)->points(), "first");
  const Failpoint second(&(*server)->points(), "second");
  EXPECT_EQ(second.take().value, "7");
  EXPECT_EQ(ask((*server)->port(), {{"GET", "/", ""},
                                    {"GET", "/second", ""},
                                    {"GET", "/second/count", ""},
                                    {"PUT", "/first", "print"},
                                    {"GET", "/first", ""},
                                    {"DELETE", "/first", ""},
                                    {"PUT", "/failpoints", "first=off;second=print"},
                                    {"GET", "/", ""}}),
            (Answers{"200 first=\nsecond=return(7)\n", "200 return(7)\n", "200 1", "204 ", "200 print\n",
                     "204 ", "204 ", "200 first=off\nsecond=print\n"}));
}

TEST(FailpointServer, RefusesWhatItDoesNotKnow) {
  auto server = FailpointServer::from_environment("127.0.0.1:0", nullptr, {});
  ASSERT_TRUE(server) << server.error().message;
  const Failpoint known(&(*server)->points(), "known");
  EXPECT_EQ(
      ask((*server)->port(), {{"PUT", "/unknown", "off"},
                              {"PUT", "/known", "what"},
                              {"DELETE", "/known", ""},
                              {"GET", "/known", ""},
                              {"GET", "/unknown/count", ""},
                              {"POST", "/known", ""}}),
      (Answers{"400 fail to set failpoint: failpoint: failpoint does not exist\n",
               "400 fail to set failpoint: failpoint: could not parse terms\n",
               "400 failed to delete failpoint failpoint: failpoint is disabled\n",
               "404 failed to GET: failpoint: failpoint is disabled\n",
               "404 failed to GET: failpoint: failpoint does not exist\n", "405 Method not allowed\n"}));
}

TEST(FailpointServerDeathTest, APanicEndsTheProcess) {
  EXPECT_EXIT(
      {
        auto server = FailpointServer::from_environment(nullptr, "here=panic", {});
        Failpoint(&(*server)->points(), "here").hit();
      },
      testing::ExitedWithCode(2), "panic: failpoint panic: here");
}

TEST(FailpointServer, NeedsTheEnvironment) {
  auto none = FailpointServer::from_environment(nullptr, "", {});
  ASSERT_TRUE(none);
  EXPECT_EQ(*none, nullptr);
  for (const char* bad : {"127.0.0.1", ":1", "127.0.0.1:x", "127.0.0.1:70000", "192.0.2.1:1"}) {
    const auto r = FailpointServer::from_environment(bad, nullptr, {});
    ASSERT_FALSE(r) << bad;
    EXPECT_NE(r.error().message.find(bad), std::string::npos);
  }
  EXPECT_FALSE(FailpointServer::from_environment(nullptr, "a=what", {}));
}

}  // namespace
}  // namespace keelson::cmd
