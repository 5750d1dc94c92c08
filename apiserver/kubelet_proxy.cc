#include "apiserver/kubelet_proxy.h"

#include <fmt/format.h>

#include "api/gen/core_v1.h"
#include "apiserver/errors.h"
#include "net/tunnel.h"

namespace keelson::apiserver {
namespace {

using namespace api::core_v1;

// The container that a request means: the one it names, the annotated default, or the only one.
Result<std::string> choose_container(Pod pod, std::string_view asked, std::string_view pod_name) {
  auto spec = pod.spec();
  auto known = [&](std::string_view name) {
    for (Container c : spec.containers())
      if (c.name() == name) return true;
    for (Container c : spec.init_containers())
      if (c.name() == name) return true;
    for (EphemeralContainer c : spec.ephemeral_containers())
      if (c.name() == name) return true;
    return false;
  };
  if (asked.empty()) {
    auto preferred = pod.metadata().annotations().get("kubectl.kubernetes.io/default-container");
    if (!preferred.empty() && known(preferred)) return std::string(preferred);
    if (spec.containers().size() == 1) return std::string(spec.containers()[0].name());
    std::string names, init_names;
    for (Container c : spec.containers()) names += (names.empty() ? "" : " ") + std::string(c.name());
    for (Container c : spec.init_containers()) init_names += (init_names.empty() ? "" : " ") + std::string(c.name());
    std::string text = fmt::format("a container name must be specified for pod {}, choose one of: [{}]", pod_name, names);
    if (!init_names.empty()) text += fmt::format(" or one of the init containers: [{}]", init_names);
    return fail(errors::bad_request(std::move(text)));
  }
  if (!known(asked)) return fail(errors::bad_request(fmt::format("container {} is not valid for pod {}", asked, pod_name)));
  return std::string(asked);
}

void append_query(std::string& out, std::string_view key, std::string_view value) {
  out += out.find('?') == std::string::npos ? '?' : '&';
  out += key;
  out += '=';
  out += net::percent_encode(value);
}

// The kubelet's path for what the client asked of the API server.
std::string kubelet_target(std::string_view subresource, const std::string& ns, const std::string& pod,
                           const std::string& container, const Query& query) {
  std::string out;
  if (subresource == "log") {
    out = fmt::format("/containerLogs/{}/{}/{}", ns, pod, container);
    for (auto name : {"follow", "previous", "sinceSeconds", "sinceTime", "timestamps", "tailLines", "limitBytes", "stream"})
      if (auto value = query.get(name)) append_query(out, name, *value);
    return out;
  }
  if (subresource == "portforward") {
    out = fmt::format("/portForward/{}/{}", ns, pod);
    for (auto& port : query.all("ports")) append_query(out, "port", port);
    return out;
  }
  out = fmt::format("/{}/{}/{}/{}", subresource, ns, pod, container);
  if (query.flag("stdin")) append_query(out, "input", "1");
  if (query.flag("stdout")) append_query(out, "output", "1");
  if (query.flag("stderr")) append_query(out, "error", "1");
  if (query.flag("tty")) append_query(out, "tty", "1");
  for (auto& command : query.all("command")) append_query(out, "command", command);
  return out;
}

}  // namespace

KubeletProxy::KubeletProxy(Options options, Registry& registry, Clock& clock, Logger logger)
    : options_(std::move(options)), registry_(registry), clock_(clock), logger_(std::move(logger)) {}

Result<std::shared_ptr<net::HttpClient>> KubeletProxy::client_for(const api::Object& object, Executor ex) {
  Node node = Node::of(object);
  std::string host;
  for (auto& type : options_.address_types) {
    for (NodeAddress a : node.status().addresses())
      if (host.empty() && a.type() == type) host = std::string(a.address());
  }
  if (host.empty()) return fail(errors::internal(fmt::format("no preferred addresses found; known addresses: []")));
  int port = node.status().daemon_endpoints().kubelet_endpoint().port();
  if (port == 0) port = 10250;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  std::string origin = fmt::format("https://{}:{}", host, port);
  std::lock_guard lock(mu_);
  auto& client = clients_[origin];
  if (client) return client;
  net::ClientOptions o;
  o.origin = origin;
  o.http1_only = true;
  net::TlsClientConfig tls;
  tls.ca_pem = options_.ca_pem;
  tls.certificate_pem = options_.certificate_pem;
  tls.private_key_pem = options_.key_pem;
  tls.insecure_skip_verify = options_.ca_pem.empty();
  tls.server_name = std::string(object.name());
  o.tls = std::move(tls);
  client = net::HttpClient::create(std::move(o), ex, clock_, logger_);
  return client;
}

Task<Result<void>> KubeletProxy::serve(net::Exchange& exchange, std::string ns, std::string pod_name,
                                       std::string subresource) {
  const Resource& pods = *registry_.resources().find("", "v1", "pods");
  const Resource& nodes = *registry_.resources().find("", "v1", "nodes");
  auto version = CO_TRY(co_await registry_.get(pods, ns, pod_name, ""));
  Pod pod = Pod::of(*version->object());
  Query query(exchange.request().query());
  std::string container;
  if (subresource != "portforward")
    container = CO_TRY(choose_container(pod, query.get("container").value_or(""), pod_name));
  std::string node_name(pod.spec().node_name());
  if (node_name.empty()) {
    // Upstream answers logs of an unscheduled pod with an empty reply.
    if (subresource == "log") co_return co_await exchange.respond(200, {{"content-type", "text/plain"}}, Bytes());
    co_return fail(errors::bad_request(fmt::format("pod {} does not have a host assigned", pod_name)));
  }
  auto node = co_await registry_.get(nodes, "", node_name, "");
  if (!node) co_return std::unexpected(node.error());
  auto client = CO_TRY(client_for(*(*node)->object(), exchange.executor()));
  net::ClientRequest request;
  request.method = subresource == "log" ? "GET" : exchange.request().method;
  request.target = kubelet_target(subresource, ns, pod_name, container, query);
  auto done = subresource == "log" ? co_await net::proxy_stream(exchange, *client, std::move(request))
                                   : co_await net::proxy_upgrade(exchange, *client, std::move(request));
  if (done) co_return done;
  logger_.warn("kubelet request failed", {{"node", node_name}, {"pod", pod_name}, {"what", subresource}, {"error", done.error()}});
  if (auto* refused = dynamic_cast<const net::UpgradeRefused*>(done.error().detail.get())) {
    std::string text = refused->body;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    if (refused->status >= 400 && refused->status < 500) co_return fail(errors::bad_request(std::move(text)));
    co_return fail(errors::internal(std::move(text)));
  }
  co_return fail(errors::internal(fmt::format("error dialing backend: {}", done.error().message)));
}

}  // namespace keelson::apiserver
