// What unmodified kubectls stream against: `kubectl exec|attach|port-forward|logs` on the pod "p", by the
// real path.
//
//   kubectl ─► make-believe API server: proxy_upgrade, proxy_stream ─► KubeletApi ─► make-believe containerd
//
// Both hops before containerd are TLS. Usage: kubectl_stream_server LOG-FILE CERTIFICATE KEY [RUNTIME-URL].
// Prints its port and serves until stdin ends. With RUNTIME-URL another streaming server takes containerd's
// place (tests/interop/cri_stream). Driven by kubectl_stream_test.py.
//
// The make-believe containerd runs `cat`; `exit N` (says "bye" on stderr); `flood N` (N MiB of output);
// `size` (prints the first terminal size). attach is `cat`. Any port echoes what it is sent; port 81 refuses.
#include <cstdio>
#include <iostream>
#include <map>

#include "base/async.h"
#include "base/check.h"
#include "base/file.h"
#include "kubelet/server/kubelet_api.h"
#include "kubelet/streaming/port_forward.h"
#include "kubelet/streaming/runtime_command.h"
#include "net/asio_clock.h"
#include "net/catch_cancel.h"
#include "net/client.h"
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
    // As long as a real runtime needs to start a process. kubectl 1.30 loses what comes before it has made
    // its streams.
    net::AsioClock clock;
    co_await clock.sleep_for(std::chrono::milliseconds(20));
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

std::vector<std::string> all_values(std::string_view query, std::string_view name) {
  std::vector<std::string> values;
  for (auto& [n, value] : net::parse_query(query)) {
    if (n == name) values.push_back(std::move(value));
  }
  return values;
}

class FakeContainerd final : public net::Handler {
 public:
  Task<> handle(net::Exchange& exchange) override {
    const auto query = exchange.request().query();
    if (exchange.request().path() == "/portforward") {
      TaskGroup echoes;
      const PortDialer dialer = [&](std::uint16_t port) { return dial(&echoes, exchange.executor(), port); };
      (void)co_await serve_port_forward(exchange, "sandbox", dialer, clock_, Logger());
      co_await echoes.stop();
      co_return;
    }
    auto command = all_values(query, "command");
    if (command.empty()) command = {"cat"};
    auto stream = co_await exchange.upgrade({{"connection", "Upgrade"},
                                             {"upgrade", "SPDY/3.1"},
                                             {"x-stream-protocol-version", "v4.channel.k8s.io"}});
    if (stream)
      co_await runtime(std::move(*stream), std::move(command), stream_choice(query).value_or(StreamChoice{}));
  }

 private:
  static Task<Result<std::unique_ptr<net::ByteStream>>> dial(TaskGroup* echoes, Executor ex,
                                                             std::uint16_t port) {
    if (port == 81) co_return keelson::fail(Code::kUnavailable, "connection refused");
    auto [a, b] = net::make_pipe(ex);
    echoes->spawn(ex, echo(std::move(b)));
    co_return std::move(a);
  }
  net::AsioClock clock_;
};

// One pod that runs behind `runtime_url`.
class OnePod final : public RuntimeAccess {
 public:
  OnePod(std::string runtime_url, std::string log_path)
      : runtime_url_(std::move(runtime_url)), log_path_(std::move(log_path)) {}

  Task<Result<std::string>> pods_json() override {
    co_return R"({"kind":"PodList","apiVersion":"v1","items":[]})";
  }
  Task<Result<ContainerView>> find_container(ContainerRef ref, bool) override {
    if (ref.container != "c") {
      co_return keelson::fail(Code::kNotFound, "container \"" + ref.container + "\" not found in pod \"p\"");
    }
    co_return ContainerView{.id = "id", .name = "c", .log_path = log_path_, .running = true};
  }
  Task<Result<bool>> is_running(std::string) override { co_return true; }
  Task<Result<PodView>> find_pod(std::string, std::string, std::string) override {
    co_return PodView{"sandbox", ""};
  }
  Task<Result<std::string>> exec_url(std::string, std::vector<std::string> command, StreamChoice c) override {
    std::string url = streams_url("/exec", c);
    for (const auto& word : command) url += "&command=" + net::percent_encode(word);
    co_return url;
  }
  Task<Result<std::string>> attach_url(std::string, StreamChoice c) override {
    co_return streams_url("/attach", c);
  }
  Task<Result<std::string>> port_forward_url(std::string, std::vector<std::int32_t>) override {
    co_return runtime_url_ + "/portforward";
  }

 private:
  std::string streams_url(const char* path, StreamChoice c) const {
    return runtime_url_ + path + "?tty=" + (c.tty ? "1" : "0") + "&input=" + (c.in ? "1" : "0") +
           "&output=" + (c.out ? "1" : "0") + "&error=" + (c.err ? "1" : "0");
  }
  const std::string runtime_url_, log_path_;
};

class FakeApi final : public net::Handler {
 public:
  FakeApi(std::string kubelet, Executor ex) : client_(connect(std::move(kubelet), std::move(ex), clock_)) {}

  Task<> handle(net::Exchange& exchange) override {
    const auto& request = exchange.request();
    const std::string path(request.path()), pod = "/api/v1/namespaces/default/pods/p";
    std::fprintf(stderr, "%s %s\n", request.method.c_str(), request.target.c_str());
    if (path == pod + "/exec" || path == pod + "/attach") {
      const auto container = all_values(request.query(), "container");
      co_await proxy(exchange, path.substr(pod.size()) + "/default/p/" + container.at(0));
    } else if (path == pod + "/portforward") {
      co_await proxy(exchange, "/portForward/default/p");
    } else if (path == pod + "/log") {
      net::ClientRequest to{"GET", "/containerLogs/default/p/c?" + std::string(request.query()), {}, {}};
      (void)co_await net::proxy_stream(exchange, *client_, std::move(to));
    } else {
      co_await answer(exchange, path);
    }
  }

 private:
  static std::shared_ptr<net::HttpClient> connect(std::string origin, Executor ex, Clock& clock) {
    net::ClientOptions options;
    options.origin = std::move(origin);
    options.tls = net::TlsClientConfig{.insecure_skip_verify = true};
    return net::HttpClient::create(std::move(options), std::move(ex), clock, Logger());
  }

  Task<> proxy(net::Exchange& exchange, std::string path) {
    const auto& request = exchange.request();
    net::ClientRequest to{request.method, path + "?" + std::string(request.query()), {}, {}};
    const auto done = co_await net::proxy_upgrade(exchange, *client_, std::move(to));
    if (!done) (void)co_await exchange.respond(500, {}, Bytes(done.error().message));
  }

  static Task<> answer(net::Exchange& exchange, std::string path) {
    const std::map<std::string, std::string_view> known = {
        {"/api/v1/namespaces/default/pods/p",
         R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"default","uid":"u"},)"
         R"("spec":{"containers":[{"name":"c","stdin":true,"image":"i"}]},)"
         R"("status":{"phase":"Running","containerStatuses":[{"name":"c","ready":true}]}})"},
        {"/api", R"({"kind":"APIVersions","versions":["v1"]})"},
        {"/apis", R"({"kind":"APIGroupList","apiVersion":"v1","groups":[]})"},
        {"/api/v1",
         R"({"kind":"APIResourceList","groupVersion":"v1","resources":[{"name":"pods","singularName":"pod",)"
         R"("namespaced":true,"kind":"Pod","verbs":["get","list","create"]}]})"}};
    const auto it = known.find(path);
    const auto body = it == known.end() ? Bytes::literal("{}") : Bytes::literal(it->second);
    (void)co_await exchange.respond(it == known.end() ? 404 : 200, {{"content-type", "application/json"}},
                                    body);
  }

  net::AsioClock clock_;
  const std::shared_ptr<net::HttpClient> client_;
};

Task<Result<void>> anyone(const net::Request&, KubeletAction) {
  co_return Result<void>{};
}

std::unique_ptr<net::Server> serve(net::Handler& handler, net::IoPool& pool, Clock& clock,
                                   std::optional<net::TlsServerConfig> tls) {
  net::ServerOptions options;
  options.tls = std::move(tls);
  auto server =
      net::Server::listen(std::move(options), pool.executors(), handler, clock, Logger::to_stderr());
  CHECK(server.has_value());
  return std::move(*server);
}

std::string url_of(const std::string& scheme, const net::Server& server) {
  return scheme + "://127.0.0.1:" + std::to_string(server.port());
}

}  // namespace
}  // namespace keelson::kubelet

int main(int argc, char** argv) {
  using namespace keelson;
  using namespace keelson::kubelet;
  net::AsioClock clock;
  net::IoPool pool(2, 1);
  pool.start();
  CHECK(argc >= 4);
  net::TlsServerConfig tls;
  tls.certificate_chain_pem = read_file(posix_file_system(), argv[2]).value();
  tls.private_key_pem = read_file(posix_file_system(), argv[3]).value();
  FakeContainerd containerd;
  const auto runtime = serve(containerd, pool, clock, std::nullopt);
  OnePod pod(argc > 4 ? argv[4] : url_of("http", *runtime), argv[1]);
  KubeletApi kubelet(pod, anyone, clock, Logger::to_stderr());
  const auto kubelet_server = serve(kubelet, pool, clock, tls);
  {
    FakeApi api(url_of("https", *kubelet_server), pool.next());
    const auto server = serve(api, pool, clock, tls);
    std::cout << server->port() << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
    }
    for (auto* s : {server.get(), kubelet_server.get(), runtime.get()}) {
      block_on(pool.next(), s->stop(std::chrono::seconds(1)));
    }
  }
  pool.stop();
  return 0;
}
