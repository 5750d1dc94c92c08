#include "kubelet/server/kubelet_api.h"

#include "kubelet/server/log_reader.h"
#include "kubelet/streaming/port_forward.h"
#include "kubelet/streaming/remote_command.h"
#include "kubelet/streaming/runtime_command.h"
#include "net/catch_cancel.h"

namespace keelson::kubelet {
namespace {

int http_status(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kFailedPrecondition:
      return 400;
    case Code::kUnauthenticated:
      return 401;
    case Code::kPermissionDenied:
      return 403;
    case Code::kNotFound:
      return 404;
    case Code::kResourceExhausted:
      return 429;
    case Code::kUnavailable:
      return 503;
    case Code::kDeadlineExceeded:
      return 504;
    default:
      return 500;
  }
}

Task<Result<void>> respond_text(net::Exchange& exchange, int status, std::string text) {
  net::Headers headers{{"content-type", "text/plain; charset=utf-8"}, {"x-content-type-options", "nosniff"}};
  co_return co_await exchange.respond(status, std::move(headers), Bytes(std::move(text)));
}

std::vector<std::string> segments(std::string_view path) {
  std::vector<std::string> out;
  while (!path.empty()) {
    path.remove_prefix(1);
    const auto slash = path.find('/');
    out.push_back(net::percent_decode(path.substr(0, slash)));
    if (slash == std::string_view::npos) break;
    path.remove_prefix(slash);
  }
  return out;
}

KubeletAction action_of(const net::Request& request, const std::vector<std::string>& path) {
  KubeletAction a;
  a.verb = request.method == "POST"     ? "create"
           : request.method == "PUT"    ? "update"
           : request.method == "PATCH"  ? "patch"
           : request.method == "DELETE" ? "delete"
                                        : "get";
  const std::string first = path.empty() ? "" : path[0];
  a.subresource =
      first == "healthz" || first == "pods" || first == "metrics" || first == "stats" ? first : "proxy";
  return a;
}

// NS/POD/CONTAINER or NS/POD/UID/CONTAINER after the first segment.
ContainerRef container_ref(const std::vector<std::string>& path) {
  ContainerRef ref{path[1], path[2], {}, path.back()};
  if (path.size() == 5) ref.uid = path[3];
  return ref;
}

Task<Result<void>> write_piece(net::Exchange* exchange, std::string text) {
  if (exchange->is_closed()) co_return keelson::fail(Code::kCancelled, "the client is gone");
  co_return co_await exchange->write(Bytes(std::move(text)));
}

// While a log is followed: no longer "running" for us once the client has gone.
Task<Result<bool>> still_followed(RuntimeAccess* runtime, net::Exchange* exchange, std::string id) {
  if (exchange->is_closed()) co_return false;
  co_return co_await runtime->is_running(std::move(id));
}

Task<> join_and_stop(RemoteCommandSession* client, std::string url, StreamChoice choice, Clock* clock,
                     Logger logger) {
  auto stream = co_await dial_runtime(std::move(url), "v4.channel.k8s.io", *clock, logger);
  if (!stream) {
    logger.warn("the container runtime refused a stream", {{"error", stream.error()}});
    co_await client->finish(ExitStatus::internal_error(stream.error().message));
    co_return;
  }
  RuntimeCommand runtime(std::move(*stream));
  struct Run {
    static Task<> both(RemoteCommandSession* client, RuntimeCommand* runtime, StreamChoice choice) {
      if (auto opened = co_await runtime->open(choice); !opened) {
        co_await client->finish(ExitStatus::internal_error(opened.error().message));
        co_return;
      }
      co_await join_remote_command(*client, *runtime);
    }
  };
  const auto cancelled = co_await net::catch_cancel(Run::both(client, &runtime, choice));
  co_await runtime.stop();
  if (cancelled) std::rethrow_exception(cancelled);
}

}  // namespace

Task<> KubeletApi::handle(net::Exchange& exchange) {
  const auto& request = exchange.request();
  auto path = segments(request.path());
  Result<void> done = co_await authorizer_(request, action_of(request, path));
  if (done) done = co_await route(exchange, std::move(path));
  if (done || exchange.is_closed()) co_return;
  const auto& e = done.error();
  logger_.info("request failed", {{"path", request.path()}, {"error", e}});
  std::string text = e.code == Code::kUnauthenticated ? "Unauthorized" : e.message;
  (void)co_await respond_text(exchange, http_status(e.code), std::move(text));
}

Task<Result<void>> KubeletApi::route(net::Exchange& exchange, Path path) {
  const auto& method = exchange.request().method;
  const std::string what = path.empty() ? "" : path[0];
  const std::size_t n = path.size();
  if (method == "GET" && n == 1 && what == "healthz") co_return co_await respond_text(exchange, 200, "ok");
  if (method == "GET" && what == "pods" && (n == 1 || (n == 2 && path[1].empty()))) {
    std::string json = CO_TRY(co_await runtime_.pods_json());
    net::Headers headers{{"content-type", "application/json"}};
    co_return co_await exchange.respond(200, std::move(headers), Bytes(std::move(json)));
  }
  if (method == "GET" && n == 4 && what == "containerLogs")
    co_return co_await logs(exchange, container_ref(path));
  if (method == "GET" || method == "POST") {
    if ((n == 4 || n == 5) && (what == "exec" || what == "attach")) {
      co_return co_await remote_command(exchange, container_ref(path), what == "attach");
    }
    if ((n == 3 || n == 4) && what == "portForward") {
      co_return co_await port_forward(exchange, path[1], path[2], n == 4 ? path[3] : "");
    }
  }
  co_return keelson::fail(Code::kNotFound, "404 page not found");
}

Task<Result<void>> KubeletApi::logs(net::Exchange& exchange, ContainerRef ref) {
  auto options = CO_TRY(LogOptions::from_query(exchange.request().query(), clock_.wall()));
  auto container = CO_TRY(co_await runtime_.find_container(std::move(ref), options.previous));
  if (!container.running) options.follow = false;
  CO_TRY(co_await exchange.start(200, {{"content-type", "text/plain"}}));
  auto* const runtime = &runtime_;
  auto* const to = &exchange;
  const StillRunning running = [runtime, to, id = container.id] { return still_followed(runtime, to, id); };
  const LogSink sink = [to](std::string text) { return write_piece(to, std::move(text)); };
  auto done = co_await read_log(container.log_path, options, running, sink, clock_);
  if (!done && done.error().code != Code::kCancelled) {
    // The reply has begun: say it in the text, as upstream does.
    (void)co_await write_piece(
        to, "failed to try resolving symlinks or to read the log: " + done.error().message + "\n");
  }
  (void)co_await exchange.finish();
  co_return Result<void>{};
}

Task<Result<void>> KubeletApi::remote_command(net::Exchange& exchange, ContainerRef ref, bool attach) {
  const auto query = exchange.request().query();
  const auto choice = CO_TRY(stream_choice(query));
  auto container = CO_TRY(co_await runtime_.find_container(ref, false));
  if (!container.running)
    co_return keelson::fail(Code::kInternal, "container not found (\"" + ref.container + "\")");
  std::string url;
  if (attach) {
    url = CO_TRY(co_await runtime_.attach_url(container.id, choice));
  } else {
    std::vector<std::string> command;
    for (auto& [name, value] : net::parse_query(query)) {
      if (name == "command") command.push_back(std::move(value));
    }
    if (command.empty())
      co_return keelson::fail(Code::kInvalidArgument, "you must specify at least one command");
    url = CO_TRY(co_await runtime_.exec_url(container.id, std::move(command), choice));
  }
  auto client = co_await RemoteCommandSession::accept(exchange, choice, clock_);
  if (!client) co_return Result<void>{};  // it has been answered
  const auto cancelled =
      co_await net::catch_cancel(join_and_stop(client->get(), std::move(url), choice, &clock_, logger_));
  co_await (*client)->stop();
  if (cancelled) std::rethrow_exception(cancelled);
  co_return Result<void>{};
}

Task<Result<void>> KubeletApi::port_forward(net::Exchange& exchange, std::string ns, std::string pod,
                                            std::string uid) {
  auto view = CO_TRY(co_await runtime_.find_pod(ns, pod, std::move(uid)));
  auto url = CO_TRY(co_await runtime_.port_forward_url(view.sandbox_id, {}));
  RuntimePortForward runtime(
      CO_TRY(co_await dial_runtime(std::move(url), "portforward.k8s.io", clock_, logger_)));
  const PortDialer dialer = [&runtime](std::uint16_t port) { return runtime.connect(port); };
  struct Run {
    static Task<> serve(net::Exchange* e, std::string pod, PortDialer dialer, Clock* clock, Logger logger) {
      (void)co_await serve_port_forward(*e, std::move(pod), std::move(dialer), *clock, std::move(logger));
    }
  };
  const auto cancelled =
      co_await net::catch_cancel(Run::serve(&exchange, ns + "/" + pod, dialer, &clock_, logger_));
  co_await runtime.stop();
  if (cancelled) std::rethrow_exception(cancelled);
  co_return Result<void>{};
}

}  // namespace keelson::kubelet
