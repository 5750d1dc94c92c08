#include "kubelet/handlers.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/this_coro.hpp>

#include "net/client.h"

namespace keelson::kubelet {
namespace {

using namespace api::core_v1;

std::string lower(std::string_view s) {
  std::string out(s);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

// What Go's dialer says of the same failure.
std::string go_dial_error(const std::string& host_port, const Error& e) {
  if (e.code == Code::kDeadlineExceeded) return fmt::format("dial tcp {}: i/o timeout", host_port);
  for (const char* known :
       {"Connection refused", "No route to host", "Network is unreachable", "Connection reset by peer"}) {
    if (e.message.find(known) != std::string::npos)
      return fmt::format("dial tcp {}: connect: {}", host_port, lower(known));
  }
  return e.message;
}

std::int64_t seconds_of(Duration d) {
  return std::max<std::int64_t>(1, std::chrono::duration_cast<std::chrono::seconds>(d).count());
}

}  // namespace

int resolve_port(Container container, api::IntOrString port) {
  if (port.is_int) return port.number;
  for (ContainerPort p : container.ports()) {
    if (p.name() == port.text) return p.container_port();
  }
  return std::atoi(std::string(port.text).c_str());
}

Task<ActionOutcome> ActionRunner::exec(ActionTarget target, ExecAction action) {
  std::vector<std::string> command;
  for (auto word : action.command()) command.emplace_back(word);
  auto r = co_await runtime_.exec_sync(target.container_id, std::move(command), seconds_of(target.timeout));
  if (!r && r.error().code == Code::kDeadlineExceeded) {
    co_return ActionOutcome{false, fmt::format("command timed out after {}s", seconds_of(target.timeout))};
  }
  if (!r) co_return ActionOutcome{false, r.error().message};
  co_return ActionOutcome{r->exit_code == 0, r->out + r->err};
}

Task<ActionOutcome> ActionRunner::http_get(ActionTarget target, HTTPGetAction action) {
  const int port = resolve_port(target.container, action.port());
  const std::string scheme = action.scheme().empty() ? "http" : lower(action.scheme());
  const std::string host(action.host().empty() ? std::string_view(target.pod_ip) : action.host());
  net::ClientOptions options;
  options.origin = fmt::format("{}://{}:{}", scheme, host, port);
  options.http1_only = true;
  options.connect_timeout = target.timeout;
  if (scheme == "https") {
    options.tls.emplace();
    options.tls->insecure_skip_verify = true;
  }
  net::ClientRequest request;
  const std::string path(action.path());
  request.target = path.starts_with('/') ? path : "/" + path;
  request.headers = {{"user-agent", "kube-probe/1.36"}, {"accept", "*/*"}, {"connection", "close"}};
  for (HTTPHeader h : action.http_headers()) {
    const std::string name = lower(h.name());
    if (name == "user-agent" || name == "accept") request.headers.remove(name);
    request.headers.add(name, std::string(h.value()));
  }
  const std::string url = options.origin + request.target;
  auto client = net::HttpClient::create(std::move(options), co_await boost::asio::this_coro::executor, clock_,
                                        Logger());
  auto r = co_await client->call(std::move(request), target.timeout, 64 * 1024);
  if (!r && r.error().code == Code::kDeadlineExceeded) {
    co_return ActionOutcome{
        false,
        fmt::format("Get \"{}\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                    url)};
  }
  if (!r)
    co_return ActionOutcome{false, fmt::format("Get \"{}\": {}", url,
                                               go_dial_error(fmt::format("{}:{}", host, port), r.error()))};
  if (r->status >= 200 && r->status < 400) co_return ActionOutcome{true, r->body};
  co_return ActionOutcome{false, fmt::format("HTTP probe failed with statuscode: {}", r->status)};
}

Task<ActionOutcome> ActionRunner::tcp(ActionTarget target, TCPSocketAction action) {
  const std::string host(action.host().empty() ? std::string_view(target.pod_ip) : action.host());
  const std::string address = fmt::format("{}:{}", host, resolve_port(target.container, action.port()));
  auto r = co_await net::dial("tcp://" + address, target.timeout, clock_);
  if (!r) co_return ActionOutcome{false, go_dial_error(address, r.error())};
  co_return ActionOutcome{true, ""};
}

Task<ActionOutcome> ActionRunner::probe(ActionTarget target, Probe p) {
  if (p.has_exec()) co_return co_await exec(std::move(target), p.exec());
  if (p.has_http_get()) co_return co_await http_get(std::move(target), p.http_get());
  if (p.has_tcp_socket()) co_return co_await tcp(std::move(target), p.tcp_socket());
  co_return ActionOutcome{false, "this kubelet has no probes of this kind"};
}

Task<ActionOutcome> ActionRunner::hook(ActionTarget target, LifecycleHandler h) {
  if (h.has_exec()) co_return co_await exec(std::move(target), h.exec());
  if (h.has_http_get()) co_return co_await http_get(std::move(target), h.http_get());
  if (h.has_tcp_socket()) co_return co_await tcp(std::move(target), h.tcp_socket());
  if (h.has_sleep()) {
    co_await clock_.sleep_for(std::min<Duration>(std::chrono::seconds(h.sleep().seconds()), target.timeout));
  }
  co_return ActionOutcome{true, ""};
}

}  // namespace keelson::kubelet
