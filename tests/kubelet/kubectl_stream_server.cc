// A make-believe API server that unmodified kubectls stream against: `kubectl exec|attach|port-forward|logs`
// on the pod "p". Prints its port and serves until stdin ends. Driven by kubectl_stream_test.py.
//
// exec runs one of: `cat`; `exit N` (says "bye" on stderr); `flood N` (N MiB of output); `size` (prints the
// first terminal size). attach is `cat`. Any port echoes what it is sent; port 81 refuses.
#include <cstdio>
#include <iostream>
#include <map>

#include "base/async.h"
#include "kubelet/server/log_reader.h"
#include "kubelet/streaming/port_forward.h"
#include "kubelet/streaming/runtime_command.h"
#include "net/asio_clock.h"
#include "net/catch_cancel.h"
#include "net/io_pool.h"
#include "net/pipe.h"
#include "net/server.h"
#include "net/tunnel.h"

namespace keelson::kubelet {
namespace {

using net::SpdySession;
using net::SpdyStream;

using Streams = std::map<std::string, std::unique_ptr<SpdyStream>>;

Task<int> run_command(std::vector<std::string> command, Streams* s) {
  auto& out = *(*s)["stdout"];
  if (command[0] == "cat") {
    (void)co_await net::copy_to_end(*(*s)["stdin"], out);
    co_return 0;
  }
  if (command[0] == "size") {
    char buf[200];
    const auto n = co_await (*s)["resize"]->read_some(buf, sizeof buf);
    (void)co_await out.write_all({buf, n.value_or(0)});
    co_return 0;
  }
  const int number = command.size() > 1 ? std::stoi(command[1]) : 0;
  if (command[0] == "flood") {
    for (int i = 0; i < number; ++i) (void)co_await out.write_all(std::string(1 << 20, 'f'));
    co_return 0;
  }
  if (s->contains("stderr")) (void)co_await (*s)["stderr"]->write_all("bye\n");
  co_return number;
}

// The container runtime's end of an exec.
Task<> runtime(std::unique_ptr<net::ByteStream> stream, std::vector<std::string> command,
               StreamChoice choice) {
  SpdySession session(std::move(stream), SpdySession::Role::kServer);
  Streams streams;
  const std::size_t want = 1u + choice.in + choice.out + choice.err + choice.tty;
  while (streams.size() < want) {
    auto s = co_await session.accept_stream();
    if (!s) break;
    const std::string type((*s)->headers().get("streamtype").value_or("?"));
    streams[type] = std::move(*s);
  }
  if (streams.size() == want) {
    const int code = co_await run_command(std::move(command), &streams);
    (void)co_await streams["error"]->write_all(ExitStatus::exited(code).to_json());
    for (auto& [type, s] : streams) (void)co_await s->shutdown_write();
    (void)co_await session.shutdown();
    co_await session.closed();
  }
  co_await session.stop();
}

Task<> echo(std::unique_ptr<net::ByteStream> s) {
  (void)co_await net::copy_to_end(*s, *s);
  (void)co_await s->shutdown_write();
}

class FakeApi final : public net::Handler {
 public:
  explicit FakeApi(std::string log_path) : log_path_(std::move(log_path)) {}

  Task<> handle(net::Exchange& exchange) override {
    const std::string path(exchange.request().path());
    std::fprintf(stderr, "%s %s\n", exchange.request().method.c_str(), exchange.request().target.c_str());
    const std::string pod = "/api/v1/namespaces/default/pods/p";
    if (path == pod + "/exec" || path == pod + "/attach") {
      co_await remote_command(exchange);
    } else if (path == pod + "/portforward") {
      TaskGroup echoes;
      const PortDialer dialer = [&](std::uint16_t port) { return dial(&echoes, exchange.executor(), port); };
      (void)co_await serve_port_forward(exchange, "default/p", dialer, clock_, Logger::to_stderr());
      co_await echoes.stop();
    } else if (path == pod + "/log") {
      co_await logs(exchange);
    } else if (path == pod) {
      (void)co_await exchange.respond(
          200, {{"content-type", "application/json"}},
          Bytes::literal(
              R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"default","uid":"u"},)"
              R"("spec":{"containers":[{"name":"c","stdin":true,"image":"i"}]},)"
              R"("status":{"phase":"Running","containerStatuses":[{"name":"c","ready":true}]}})"));
    } else if (path == "/api") {
      (void)co_await exchange.respond(200, {{"content-type", "application/json"}},
                                      Bytes::literal(R"({"kind":"APIVersions","versions":["v1"]})"));
    } else if (path == "/apis") {
      (void)co_await exchange.respond(
          200, {{"content-type", "application/json"}},
          Bytes::literal(R"({"kind":"APIGroupList","apiVersion":"v1","groups":[]})"));
    } else if (path == "/api/v1") {
      (void)co_await exchange.respond(
          200, {{"content-type", "application/json"}},
          Bytes::literal(
              R"({"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods",)"
              R"("singularName":"pod","namespaced":true,"kind":"Pod","verbs":["get","list","create"]}]})"));
    } else {
      (void)co_await exchange.respond(404, {}, Bytes::literal("not here"));
    }
  }

 private:
  static Task<Result<std::unique_ptr<net::ByteStream>>> dial(TaskGroup* echoes, Executor ex,
                                                             std::uint16_t port) {
    if (port == 81) co_return keelson::fail(Code::kUnavailable, "connection refused");
    auto [a, b] = net::make_pipe(ex);
    echoes->spawn(ex, echo(std::move(b)));
    co_return std::move(a);
  }

  Task<> remote_command(net::Exchange& exchange) {
    std::vector<std::string> command;
    for (auto& [name, value] : net::parse_query(exchange.request().query())) {
      if (name == "command") command.push_back(value);
    }
    if (command.empty()) command = {"cat"};
    const auto choice = stream_choice(exchange.request().query());
    auto client = co_await RemoteCommandSession::accept(exchange, choice.value_or(StreamChoice{}), clock_);
    if (!client) co_return;
    auto [a, b] = net::make_pipe(exchange.executor());
    TaskGroup fake;
    fake.spawn(exchange.executor(), runtime(std::move(b), std::move(command), *choice));
    RuntimeCommand to_runtime(std::move(a));
    if (co_await to_runtime.open(*choice)) co_await join_remote_command(**client, to_runtime);
    co_await to_runtime.stop();
    co_await (*client)->stop();
    co_await fake.join();
  }

  static Task<Result<bool>> log_goes_on(net::Exchange* e) { co_return !e->is_closed(); }
  static Task<Result<void>> write_log(net::Exchange* e, std::string text) {
    return e->write(Bytes(std::move(text)));
  }

  Task<> logs(net::Exchange& exchange) {
    const auto options = LogOptions::from_query(exchange.request().query(), clock_.wall());
    (void)co_await exchange.start(200, {{"content-type", "text/plain"}});
    auto* const e = &exchange;
    (void)co_await read_log(
        log_path_, options.value_or(LogOptions{}), [e] { return log_goes_on(e); },
        [e](std::string text) { return write_log(e, std::move(text)); }, clock_);
    (void)co_await exchange.finish();
  }

  const std::string log_path_;
  net::AsioClock clock_;
};

}  // namespace
}  // namespace keelson::kubelet

int main(int argc, char** argv) {
  using namespace keelson;
  net::AsioClock clock;
  net::IoPool pool(2, 1);
  pool.start();
  kubelet::FakeApi api(argc > 1 ? argv[1] : "");
  auto server = net::Server::listen({}, pool.executors(), api, clock, Logger::to_stderr());
  if (!server) return 1;
  std::cout << (*server)->port() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
  }
  block_on(pool.next(), (*server)->stop(std::chrono::seconds(1)));
  pool.stop();
  return 0;
}
