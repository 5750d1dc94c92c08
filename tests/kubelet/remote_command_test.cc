// kubectl ◄─pipe─► RemoteCommandSession ◄─join─► RuntimeCommand ◄─pipe─► a fake containerd.
#include "kubelet/streaming/remote_command.h"

#include <gtest/gtest.h>

#include <map>

#include "kubelet/streaming/port_forward.h"
#include "kubelet/streaming/runtime_command.h"
#include "net/websocket.h"
#include "tests/net/fake_exchange.h"
#include "tests/net/run_coroutine.h"

namespace keelson::kubelet {
namespace {

using net::FakeExchange;
using net::run_coroutine;
using net::SpdySession;
using net::SpdyStream;

Task<std::string> read_all(net::ByteStream* s) {
  std::string all;
  char buf[1000];
  for (;;) {
    auto n = co_await s->read_some(buf, sizeof buf);
    if (!n) co_return all + "!" + n.error().message;
    if (*n == 0) co_return all;
    all.append(buf, *n);
  }
}

// Runs `cat; echo oops >&2; exit 3` as containerd does: FIN on the outputs, then the status, then resets.
Task<> fake_containerd(std::unique_ptr<net::ByteStream> stream, StreamChoice choice, std::string* resizes) {
  SpdySession session(std::move(stream), SpdySession::Role::kServer);
  std::map<std::string, std::unique_ptr<SpdyStream>> streams;
  const std::size_t want = 1u + choice.in + choice.out + choice.err + choice.tty;
  while (streams.size() < want) {
    auto s = co_await session.accept_stream();
    if (!s) break;
    const std::string type((*s)->headers().get("streamtype").value_or("?"));
    streams[type] = std::move(*s);
  }
  if (streams.contains("resize")) {
    char buf[200];
    const auto n = co_await streams["resize"]->read_some(buf, sizeof buf);
    if (n) resizes->assign(buf, *n);
  }
  std::string input = "no stdin";
  if (streams.contains("stdin")) input = co_await read_all(streams["stdin"].get());
  EXPECT_TRUE(co_await streams["stdout"]->write_all(input));
  EXPECT_TRUE(co_await streams["stdout"]->shutdown_write());
  if (streams.contains("stderr")) {
    EXPECT_TRUE(co_await streams["stderr"]->write_all("oops"));
    EXPECT_TRUE(co_await streams["stderr"]->shutdown_write());
  }
  EXPECT_TRUE(co_await streams["error"]->write_all(ExitStatus::exited(3).to_json()));
  streams.clear();
  (void)co_await session.shutdown();
  co_await session.closed();
  co_await session.stop();
}

// What the kubelet does with an exec, between the exchange and the runtime's connection.
Task<> kubelet_side(FakeExchange* exchange, StreamChoice choice, std::unique_ptr<net::ByteStream> to_runtime,
                    bool* accepted) {
  net::AsioClock clock;
  auto client = co_await RemoteCommandSession::accept(*exchange, choice, clock);
  *accepted = client.has_value();
  exchange->upgraded.set();
  if (!client) co_return;
  RuntimeCommand runtime(std::move(to_runtime));
  EXPECT_TRUE(co_await runtime.open(choice));
  co_await join_remote_command(**client, runtime);
  co_await runtime.stop();
  co_await (*client)->stop();
}

net::Request spdy_request(std::string versions) {
  net::Request r;
  r.method = "POST";
  r.headers = {
      {"connection", "Upgrade"}, {"upgrade", "SPDY/3.1"}, {"x-stream-protocol-version", std::move(versions)}};
  return r;
}

net::Request websocket_request(std::string versions) {
  Rng rng(1);
  net::Request r;
  r.method = "GET";
  r.headers = net::websocket_offer(rng, versions);
  return r;
}

struct Rig {
  Rig(Executor ex_, net::Request request, StreamChoice choice) : ex(ex_), exchange(ex, std::move(request)) {
    auto [a, b] = net::make_pipe(ex);
    tasks.spawn(ex, fake_containerd(std::move(b), choice, &resizes));
    tasks.spawn(ex, kubelet_side(&exchange, choice, std::move(a), &accepted));
  }
  Executor ex;
  FakeExchange exchange;
  std::string resizes;
  bool accepted = false;
  TaskGroup tasks;
};

Task<> write_and_end(net::ByteStream* s, std::string data) {
  EXPECT_TRUE(co_await s->write_all(data));
  EXPECT_TRUE(co_await s->shutdown_write());
}

Task<> over_spdy(Executor ex, std::string offered, std::string chosen, std::string status) {
  Rig rig(ex, spdy_request(offered), {.in = true, .out = true, .err = true});
  co_await rig.exchange.upgraded.wait();
  EXPECT_EQ(rig.exchange.headers.get("x-stream-protocol-version"), chosen);
  SpdySession kubectl(std::move(rig.exchange.client), SpdySession::Role::kClient);
  auto error = co_await kubectl.create_stream({{"streamtype", "error"}});
  auto in = co_await kubectl.create_stream({{"streamtype", "stdin"}});
  auto out = co_await kubectl.create_stream({{"streamtype", "stdout"}});
  auto err = co_await kubectl.create_stream({{"streamtype", "stderr"}});
  const std::string input(1'000'000, 'i');
  TaskGroup writer;
  writer.spawn(ex, write_and_end(in->get(), input));
  EXPECT_EQ(co_await read_all(out->get()), input);
  EXPECT_EQ(co_await read_all(err->get()), "oops");
  EXPECT_EQ(co_await read_all(error->get()), status);
  co_await writer.join();
  co_await kubectl.stop();
  co_await rig.tasks.join();
}

constexpr auto kExit3 =
    R"({"metadata":{},"status":"Failure","message":"command terminated with non-zero exit code: exit status 3",)"
    R"("reason":"NonZeroExitCode","details":{"causes":[{"reason":"ExitCode","message":"3"}]}})";

TEST(RemoteCommand, SpdyV4WithTheListOfKubectl129) {
  run_coroutine([](Executor ex) {
    return over_spdy(ex, "v5.channel.k8s.io, v4.channel.k8s.io,v3.channel.k8s.io", "v4.channel.k8s.io",
                     kExit3);
  });
}

TEST(RemoteCommand, SpdyV2TellsFailuresInPlainText) {
  run_coroutine([](Executor ex) {
    return over_spdy(ex, "v2.channel.k8s.io", "v2.channel.k8s.io",
                     "command terminated with non-zero exit code: exit status 3");
  });
}

// Sends stdin, ends it where the version can, and collects what comes on each channel until the server
// closes.
Task<> over_websocket_v5(Executor ex) {
  Rig rig(ex, websocket_request("v5.channel.k8s.io"), {.in = true, .out = true, .tty = true});
  co_await rig.exchange.upgraded.wait();
  EXPECT_EQ(rig.exchange.headers.get("sec-websocket-protocol"), "v5.channel.k8s.io");
  net::WebSocket kubectl(std::move(rig.exchange.client), Rng(2));
  using namespace std::string_literals;
  EXPECT_TRUE(co_await kubectl.write(true, "\4{\"Width\":80,\"Height\":24}\n"));
  EXPECT_TRUE(co_await kubectl.write(true, "\0hello"s));
  EXPECT_TRUE(co_await kubectl.write(true, "\0 world"s));
  EXPECT_TRUE(co_await kubectl.write(true, "\xff\0"s));
  std::map<char, std::string> got;
  for (;;) {
    auto m = co_await kubectl.read();
    EXPECT_TRUE(m);
    if (!m || !*m) break;
    got[(*m)->data.at(0)] += (*m)->data.substr(1);
  }
  EXPECT_EQ(got[1], "hello world");
  EXPECT_EQ(got[3], kExit3);
  EXPECT_EQ(rig.resizes, "{\"Width\":80,\"Height\":24}\n");
  co_await kubectl.stop();
  co_await rig.tasks.join();
}

TEST(RemoteCommand, WebSocketV5EndsStdin) {
  run_coroutine(over_websocket_v5);
}

Task<> over_base64(Executor ex) {
  Rig rig(ex, websocket_request("base64.channel.k8s.io"), {.out = true, .err = true});
  co_await rig.exchange.upgraded.wait();
  net::WebSocket client(std::move(rig.exchange.client), Rng(2));
  std::string got;
  for (;;) {
    auto m = co_await client.read();
    if (!m || !*m) break;
    EXPECT_FALSE((*m)->binary);
    got += (*m)->data + ";";
  }
  EXPECT_EQ(got.substr(0, 2), "1;");
  EXPECT_NE(got.find("1bm8gc3RkaW4=;"), std::string::npos) << got;
  EXPECT_NE(got.find("2b29wcw==;"), std::string::npos) << got;
  co_await client.stop();
  co_await rig.tasks.join();
}

TEST(RemoteCommand, WebSocketBase64) {
  run_coroutine(over_base64);
}

Task<> client_leaves(Executor ex) {
  Rig rig(ex, websocket_request("v5.channel.k8s.io"), {.in = true, .out = true, .err = true});
  co_await rig.exchange.upgraded.wait();
  rig.exchange.client->close();
  co_await rig.tasks.join();  // the fake containerd sees the end of stdin and of its connection
}

TEST(RemoteCommand, AClientThatLeavesEndsTheRuntimesSide) {
  EXPECT_NO_THROW(run_coroutine(client_leaves));
}

Task<> refused(Executor ex, net::Request request, int status) {
  FakeExchange exchange(ex, std::move(request));
  bool accepted = true;
  co_await kubelet_side(&exchange, {.out = true}, nullptr, &accepted);
  EXPECT_EQ(exchange.status, status) << exchange.body;
  EXPECT_FALSE(accepted);
}

TEST(RemoteCommand, RefusesWhatItCannotSpeak) {
  run_coroutine([](Executor ex) { return refused(ex, spdy_request("v9.channel.k8s.io"), 403); });
  run_coroutine([](Executor ex) { return refused(ex, websocket_request("chat"), 403); });
  run_coroutine([](Executor ex) { return refused(ex, net::Request{.method = "GET"}, 400); });
}

TEST(RemoteCommand, StreamChoiceReadsBothSpellings) {
  const auto a = stream_choice("command=ls&stdin=true&stdout=true&stderr=true&tty=true");
  ASSERT_TRUE(a);
  EXPECT_TRUE(a->in && a->out && a->tty && !a->err);
  const auto b = stream_choice("output=1&error=1");
  ASSERT_TRUE(b);
  EXPECT_TRUE(!b->in && b->out && b->err && !b->tty);
  EXPECT_FALSE(stream_choice("stdin=false&tty=1"));
}

TEST(ExitStatus, RoundTrips) {
  EXPECT_TRUE(ExitStatus::from_json(R"({"metadata":{},"status":"Success"})").success());
  EXPECT_EQ(ExitStatus::from_json(kExit3).code, 3);
  const auto broken = ExitStatus::from_json("<html>");
  EXPECT_FALSE(broken.code);
  EXPECT_EQ(broken.message, "Internal error occurred: <html>");
}

// A dialer whose port 80 answers what it is sent, reversed, and whose other ports are closed.
Task<> reverse(std::unique_ptr<net::ByteStream> s) {
  std::string all = co_await read_all(s.get());
  EXPECT_TRUE(co_await s->write_all(std::string(all.rbegin(), all.rend())));
  EXPECT_TRUE(co_await s->shutdown_write());
}

Task<Result<std::unique_ptr<net::ByteStream>>> dial(TaskGroup* servers, Executor ex, std::uint16_t port) {
  if (port != 80) co_return keelson::fail(Code::kUnavailable, "connection refused");
  auto [a, b] = net::make_pipe(ex);
  servers->spawn(ex, reverse(std::move(b)));
  co_return std::move(a);
}

Task<> serve_forward(FakeExchange* exchange, TaskGroup* servers, Executor ex) {
  net::AsioClock clock;
  const PortDialer dialer = [servers, ex](std::uint16_t port) { return dial(servers, ex, port); };
  EXPECT_TRUE(co_await serve_port_forward(*exchange, "ns/pod", dialer, clock, Logger()));
}

// RuntimePortForward is the client here: it speaks as kubectl does.
Task<> use_forward(std::unique_ptr<net::ByteStream> stream) {
  RuntimePortForward client(std::move(stream));
  for (const std::string text : {"abc", "defg"}) {
    auto c = co_await client.connect(80);
    EXPECT_TRUE(c);
    EXPECT_TRUE(co_await (*c)->write_all(text));
    EXPECT_TRUE(co_await (*c)->shutdown_write());
    EXPECT_EQ(co_await read_all(c->get()), std::string(text.rbegin(), text.rend()));
  }
  auto refused = co_await client.connect(81);
  EXPECT_TRUE(refused);
  EXPECT_EQ(co_await read_all(refused->get()), "!error forwarding port 81 to pod ns/pod: connection refused");
  co_await client.stop();
}

Task<> port_forward(Executor ex, bool tunnel) {
  FakeExchange exchange(
      ex, tunnel ? websocket_request("SPDY/3.1+portforward.k8s.io") : spdy_request("portforward.k8s.io"));
  TaskGroup servers, kubelet;
  kubelet.spawn(ex, serve_forward(&exchange, &servers, ex));
  co_await exchange.upgraded.wait();
  if (tunnel) {
    net::WebSocket ws(std::move(exchange.client), Rng(3));
    co_await use_forward(net::websocket_tunnel(ws));
    co_await ws.stop();
  } else {
    co_await use_forward(std::move(exchange.client));
  }
  co_await kubelet.join();
  co_await servers.join();
}

TEST(PortForward, OverSpdy) {
  run_coroutine([](Executor ex) { return port_forward(ex, false); });
}
TEST(PortForward, OverAWebSocketTunnel) {
  run_coroutine([](Executor ex) { return port_forward(ex, true); });
}

}  // namespace
}  // namespace keelson::kubelet
