#include "net/spdy.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/async.h"
#include "base/rng.h"
#include "net/pipe.h"
#include "net/spdy_frame.h"
#include "tests/net/run_coroutine.h"

namespace keelson::net {
namespace {

Task<std::string> read_all(ByteStream* s) {
  std::string all;
  char buf[1000];
  for (;;) {
    auto n = co_await s->read_some(buf, sizeof buf);
    if (!n) co_return all + "!" + n.error().message;
    if (*n == 0) co_return all;
    all.append(buf, *n);
  }
}

std::string pattern(std::size_t n, std::uint64_t seed) {
  Rng rng(seed);
  std::string s(n, '\0');
  for (auto& c : s) c = static_cast<char>(rng.next());
  return s;
}

struct Pair {
  std::unique_ptr<SpdySession> client;
  std::unique_ptr<SpdySession> server;
  explicit Pair(Executor ex, std::size_t capacity = 5000) {
    auto [a, b] = make_pipe(ex, capacity);
    client = std::make_unique<SpdySession>(std::move(a), SpdySession::Role::kClient);
    server = std::make_unique<SpdySession>(std::move(b), SpdySession::Role::kServer);
  }
  Task<> stop() {
    co_await client->stop();
    co_await server->stop();
  }
};

Task<> echo(std::unique_ptr<SpdyStream> s) {
  std::vector<char> buf(7000);
  for (;;) {
    auto n = co_await s->read_some(buf.data(), buf.size());
    if (!n || *n == 0) break;
    if (!co_await s->write_all({buf.data(), *n})) break;
  }
  (void)co_await s->shutdown_write();
}

Task<> echo_server(SpdySession* session, TaskGroup* group) {
  const auto ex = co_await boost::asio::this_coro::executor;
  for (;;) {
    auto s = co_await session->accept_stream();
    if (!s) co_return;
    group->spawn(ex, echo(std::move(*s)));
  }
}

Task<> send_and_check(SpdySession* session, int i, int* good) {
  auto s = co_await session->create_stream({{"streamtype", "data"}, {"port", std::to_string(i)}});
  if (!s) co_return;
  const std::string sent = pattern(static_cast<std::size_t>(i) * 10007, static_cast<std::uint64_t>(i));
  const auto ex = co_await boost::asio::this_coro::executor;
  TaskGroup writer;
  struct Write {
    static Task<> run(SpdyStream* s, const std::string* data) {
      EXPECT_TRUE(co_await s->write_all(*data));
      EXPECT_TRUE(co_await s->shutdown_write());
    }
  };
  writer.spawn(ex, Write::run(s->get(), &sent));
  const std::string got = co_await read_all(s->get());
  co_await writer.join();
  EXPECT_EQ(got.size(), sent.size());
  if (got == sent) ++*good;
}

Task<> many_streams(Executor ex) {
  Pair p(ex);
  TaskGroup servers, clients;
  servers.spawn(ex, echo_server(p.server.get(), &servers));
  int good = 0;
  for (int i = 0; i < 20; ++i) clients.spawn(ex, send_and_check(p.client.get(), i, &good));
  co_await clients.join();
  EXPECT_EQ(good, 20);
  EXPECT_TRUE(co_await p.client->shutdown());
  co_await p.server->closed();
  co_await p.stop();
  co_await servers.join();
}

TEST(Spdy, ManyStreamsEchoAtOnce) {
  run_coroutine(many_streams);
}

Task<> headers_and_halves(Executor ex) {
  Pair p(ex);
  auto a = co_await p.client->create_stream({{"streamtype", "error"}, {"x", "1"}, {"x", "2"}});
  auto b = co_await p.server->accept_stream();
  EXPECT_TRUE(a && b);
  EXPECT_EQ((*b)->id(), 1u);
  EXPECT_EQ((*b)->headers().get("streamtype"), "error");
  EXPECT_EQ((*b)->headers().get_all("x").size(), 2u);
  EXPECT_TRUE(co_await (*a)->shutdown_write());
  EXPECT_EQ(co_await read_all(b->get()), "");
  EXPECT_TRUE(co_await (*b)->write_all("status"));
  (*b)->close();  // reset after the data, as containerd ends its error stream
  EXPECT_EQ(co_await read_all(a->get()), "status");
  // The compression state survives many streams.
  for (int i = 0; i < 50; ++i) {
    auto c = co_await p.client->create_stream({{"requestid", std::to_string(i)}});
    auto d = co_await p.server->accept_stream();
    EXPECT_EQ((*d)->headers().get("requestid"), std::to_string(i));
  }
  co_await p.stop();
}

TEST(Spdy, HeadersHalfCloseAndReset) {
  run_coroutine(headers_and_halves);
}

Task<> broken(Executor ex) {
  auto [a, b] = make_pipe(ex);
  SpdySession s(std::move(a), SpdySession::Role::kServer);
  EXPECT_TRUE(co_await b->write_all(std::string("\x80\x02\0\1\0\0\0\0", 8)));
  EXPECT_FALSE(co_await s.accept_stream());
  co_await s.closed();
  co_await s.stop();
  EXPECT_FALSE(co_await s.create_stream({}));
}

TEST(Spdy, GarbageEndsTheSession) {
  run_coroutine(broken);
}

Task<> unread(Executor ex) {
  Pair p(ex);
  auto a = co_await p.client->create_stream({});
  auto b = co_await p.server->accept_stream();
  auto c = co_await p.client->create_stream({});
  auto d = co_await p.server->accept_stream();
  TaskGroup writer;
  struct Write {
    static Task<> run(SpdyStream* s) { (void)co_await s->write_all(std::string(4 << 20, 'x')); }
  };
  writer.spawn(ex, Write::run(a->get()));
  b->reset();  // not interested: what comes is dropped, the other stream goes on
  EXPECT_TRUE(co_await (*c)->write_all("on"));
  EXPECT_TRUE(co_await (*c)->shutdown_write());
  EXPECT_EQ(co_await read_all(d->get()), "on");
  co_await writer.join();
  co_await p.stop();
}

TEST(Spdy, AnAbandonedStreamDoesNotBlockTheOthers) {
  run_coroutine(unread);
}

TEST(SpdyFrame, DecodesWhateverTheChunking) {
  SpdyEncoder enc;
  std::string wire;
  enc.syn_stream(wire, 1, {{"streamtype", "stdin"}}, false);
  SpdyEncoder::data(wire, 1, "hello", false);
  SpdyEncoder::ping(wire, 7);
  SpdyEncoder::data(wire, 1, "", true);
  SpdyEncoder::rst_stream(wire, 1, SpdyReset::kCancel);
  for (std::size_t step = 1; step <= wire.size(); ++step) {
    SpdyDecoder dec;
    std::string data, seen;
    for (std::size_t at = 0; at < wire.size(); at += step) {
      dec.feed(std::string_view(wire).substr(at, step));
      for (;;) {
        auto f = dec.next();
        ASSERT_TRUE(f) << f.error().message;
        if (!*f) break;
        if ((*f)->type == SpdyType::kData) data += (*f)->data;
        if ((*f)->type != SpdyType::kData || (*f)->fin) seen += std::to_string(int((*f)->type));
      }
    }
    EXPECT_EQ(data, "hello");
    EXPECT_EQ(seen, "1603");
  }
}

}  // namespace
}  // namespace keelson::net
