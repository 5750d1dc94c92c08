#include "net/websocket.h"

#include <gtest/gtest.h>

#include "net/pipe.h"
#include "net/upgrade.h"
#include "tests/net/run_coroutine.h"

namespace keelson::net {
namespace {

Task<> messages(Executor ex) {
  auto [a, b] = make_pipe(ex, 1000);
  WebSocket client(std::move(a), Rng(1));
  WebSocket server(std::move(b));
  for (const std::size_t n : {0u, 1u, 125u, 126u, 65535u, 65536u, 300000u}) {
    EXPECT_TRUE(co_await client.write(true, std::string(n, 'c')));
    auto m = co_await server.read();
    EXPECT_TRUE(m && *m && (*m)->binary && (*m)->data == std::string(n, 'c')) << n;
    EXPECT_TRUE(co_await server.write(false, std::string(n, 's')));
    m = co_await client.read();
    EXPECT_TRUE(m && *m && !(*m)->binary && (*m)->data == std::string(n, 's')) << n;
  }
  EXPECT_TRUE(co_await server.close(1000, "done"));
  auto end = co_await client.read();
  EXPECT_TRUE(end && !*end);
  end = co_await server.read();
  EXPECT_TRUE(end && !*end);
  EXPECT_FALSE(co_await client.write(true, "late"));
  co_await client.stop();
  co_await server.stop();
}

TEST(WebSocket, MessagesOfAllSizesAndClose) {
  run_coroutine(messages);
}

// What a server answers to raw bytes: the frames it sends, as opcodes and payloads.
Task<> answers(Executor ex, std::string bytes, std::string want, std::optional<Code> code) {
  auto [a, b] = make_pipe(ex, 100000);
  WebSocket server(std::move(b), 1000);
  EXPECT_TRUE(co_await a->write_all(bytes));
  auto m = co_await server.read();
  if (code) {
    EXPECT_FALSE(m);
    EXPECT_EQ(m ? Code::kUnknown : m.error().code, *code);
  } else {
    EXPECT_TRUE(m && *m);
    if (m && *m) EXPECT_EQ((*m)->data, "abcdef");
  }
  char buf[300];
  auto n = co_await a->read_some(buf, sizeof buf);
  EXPECT_TRUE(n);
  EXPECT_EQ(std::string(buf, n.value_or(0)).substr(0, want.size()), want);
  co_await server.stop();
}

std::string frame(WsOpcode op, bool fin, std::string_view data) {
  std::string s;
  ws_encode(s, op, fin, data, 0x12345678);
  return s;
}

TEST(WebSocket, FragmentsWithAPingBetween) {
  const auto bytes = frame(WsOpcode::kBinary, false, "abc") + frame(WsOpcode::kPing, true, "hi") +
                     frame(WsOpcode::kContinuation, true, "def");
  run_coroutine([=](Executor ex) { return answers(ex, bytes, "\x8a\x02hi", std::nullopt); });
}

TEST(WebSocket, ProtocolErrorsAreToldByCloseCode) {
  using namespace std::string_literals;
  std::string unmasked;
  ws_encode(unmasked, WsOpcode::kBinary, true, "x", std::nullopt);
  const auto close_1002 = [](std::string s) {
    return std::string("\x88") + char(s.size() + 2) + "\x03\xea"s + s;
  };
  run_coroutine([=](Executor ex) {
    return answers(ex, unmasked, close_1002("WebSocket: wrong masking"), Code::kInvalidArgument);
  });
  run_coroutine([=](Executor ex) {
    return answers(ex, frame(WsOpcode::kContinuation, true, "x"),
                   close_1002("WebSocket: fragments out of order"), Code::kInvalidArgument);
  });
  run_coroutine([=](Executor ex) {
    return answers(ex, frame(WsOpcode::kText, true, std::string(1001, 'x')), "\x88\x1d\x03\xf1",
                   Code::kResourceExhausted);
  });
}

TEST(WebSocket, Handshake) {
  Request r;
  r.method = "GET";
  r.headers = {{"connection", "keep-alive, Upgrade"},
               {"upgrade", "websocket"},
               {"sec-websocket-version", "13"},
               {"sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="},  // RFC 6455 §1.3
               {"sec-websocket-protocol", "v9.x, v5.channel.k8s.io"}};
  const std::string_view supported[] = {"v4.channel.k8s.io", "v5.channel.k8s.io"};
  const auto chosen = choose_protocol(r.headers, "sec-websocket-protocol", supported);
  ASSERT_TRUE(chosen);
  EXPECT_EQ(*chosen, "v5.channel.k8s.io");
  auto reply = websocket_accept(r, *chosen);
  ASSERT_TRUE(reply);
  EXPECT_EQ(reply->get("sec-websocket-accept"), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  EXPECT_TRUE(websocket_accepted(r.headers, *reply));
  Rng rng(1);
  EXPECT_FALSE(websocket_accepted(websocket_offer(rng, ""), *reply));
  r.headers.set("sec-websocket-version", "8");
  EXPECT_FALSE(websocket_accept(r, ""));
}

}  // namespace
}  // namespace keelson::net
