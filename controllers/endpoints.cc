#include "controllers/endpoints.h"

#include <algorithm>
#include <map>
#include <set>

#include "api/status.h"
#include "controllers/claim.h"
#include "controllers/replica_controller.h"

namespace keelson::controllers {

namespace {

constexpr std::string_view kManagedBy = "endpoints.kubernetes.io/managed-by";
constexpr std::string_view kHeadless = "service.kubernetes.io/headless";

// An address of one pod, in the order of a subset.
struct Address {
  std::string ip;
  std::string uid;
  bool ready = false;
  api::ObjectPtr pod;
  friend bool operator<(const Address& a, const Address& b) {
    return std::tie(a.ip, a.uid, a.ready) < std::tie(b.ip, b.uid, b.ready);
  }
};

void put_address(core::Service service, const Address& from, core::EndpointAddressMut out) {
  const auto pod = core::Pod::of(*from.pod);
  out.set_ip(from.ip);
  out.set_hostname(hostname_in(service, pod));
  if (!pod.spec().node_name().empty()) out.set_node_name(pod.spec().node_name());
  auto ref = out.mutable_target_ref();
  ref.set_kind("Pod");
  ref.set_namespace(from.pod->namespace_());
  ref.set_name(from.pod->name());
  ref.set_uid(from.pod->uid());
}

void put_labels(core::Service service, core::EndpointsMut out) {
  out.mutable_metadata().clear_labels();
  auto labels = out.mutable_metadata().mutable_labels();
  for (auto [key, value] : service.metadata().labels()) labels.set(key, value);
  if (is_headless(service)) {
    labels.set(kHeadless, "");
  } else {
    labels.erase(kHeadless);
  }
  labels.set(kManagedBy, "endpoint-controller");
}

}  // namespace

void put_subsets(core::Service service, const std::vector<api::ObjectPtr>& pods, core::EndpointsMut out) {
  const bool unready_too = service.spec().publish_not_ready_addresses();
  const std::string family = ip_families(service).front();
  // Port → its addresses; the headless Service without ports has one nameless entry.
  std::map<std::optional<ServedPort>, std::set<Address>> by_port;
  for (const auto& object : pods) {
    const auto pod = core::Pod::of(*object);
    if (!may_serve(pod, unready_too)) continue;
    Address address{pod_ip(pod, family), std::string(object->uid()), unready_too || is_ready(pod), object};
    if (address.ip.empty()) continue;
    if (service.spec().ports().empty()) {
      if (is_headless(service)) by_port[std::nullopt].insert(address);
      continue;
    }
    for (const ServedPort& port : served_ports(service, pod)) by_port[port].insert(address);
  }
  // Ports with the same addresses share a subset, in the order of their first port.
  std::vector<std::pair<std::set<Address>, std::vector<ServedPort>>> subsets;
  for (auto& [port, addresses] : by_port) {
    auto same = std::find_if(subsets.begin(), subsets.end(), [&](const auto& s) {
      return s.first.size() == addresses.size() &&
             std::equal(s.first.begin(), s.first.end(), addresses.begin(),
                        [](const Address& a, const Address& b) { return !(a < b) && !(b < a); });
    });
    if (same == subsets.end()) {
      subsets.push_back({std::move(addresses), {}});
      same = subsets.end() - 1;
    }
    if (port) same->second.push_back(*port);
  }
  out.clear_subsets();
  for (const auto& [addresses, ports] : subsets) {
    auto subset = out.add_subsets();
    for (const Address& a : addresses) {
      put_address(service, a, a.ready ? subset.add_addresses() : subset.add_not_ready_addresses());
    }
    for (const ServedPort& p : ports) {
      auto port = subset.add_ports();
      port.set_name(p.name);
      port.set_port(p.port);
      port.set_protocol(p.protocol);
      if (!p.app_protocol.empty()) port.set_app_protocol(p.app_protocol);
    }
  }
}

EndpointsController::EndpointsController(const Context& context, int workers)
    : Controller(context, "endpoint", workers),
      services_(informer("v1", "Service")),
      pods_(informer("v1", "Pod")),
      endpoints_(informer("v1", "Endpoints")) {
  watch_services_and_pods(services_, pods_, queue_);
  // Edited Endpoints are left as they are; deleted ones come back.
  endpoints_.add_handler(
      {.on_delete = [this](const api::ObjectPtr& e) { queue_.add(client::object_key(*e)); }});
}

Task<Result<void>> EndpointsController::sync(std::string key) {
  auto object = services_.store().get_by_key(key);
  const auto [ns, name] = client::split_key(key);
  if (!object) {
    // The API server removes them with the Service; this is for those it could not.
    trigger_times_.forget(key);
    auto left = endpoints_.store().get_by_key(key);
    if (left && left->meta().labels().contains(kManagedBy)) {
      auto done = co_await transport_.remove(core::Endpoints::kind_info(), ns, name, {});
      if (!done && !api::is_not_found(done.error())) co_return fail(done.error());
    }
    co_return Result<void>{};
  }
  const auto service = core::Service::of(*object);
  if (service.spec().type() == "ExternalName" || service.spec().selector().empty()) co_return Result<void>{};
  const Selector selector = Selector::from(service.spec().selector());
  std::vector<api::ObjectPtr> pods;
  for (auto& pod : pods_.store().list_namespace(ns)) {
    if (selector.matches(pod->meta().labels())) pods.push_back(std::move(pod));
  }
  std::vector<api::ObjectPtr> serving;
  for (const auto& pod : pods) {
    if (may_serve(core::Pod::of(*pod), service.spec().publish_not_ready_addresses())) serving.push_back(pod);
  }
  const auto trigger = trigger_times_.next(key, service, serving);

  auto have = endpoints_.store().get_by_key(key);
  auto wanted = have ? have->clone() : api::Object::make(core::Endpoints::kind_info());
  auto endpoints = core::EndpointsMut::of(*wanted);
  endpoints.mutable_metadata().set_name(name);
  endpoints.mutable_metadata().set_namespace(ns);
  put_labels(service, endpoints);
  put_subsets(service, pods, endpoints);
  if (have && api::equal(have->root(), wanted->root())) co_return Result<void>{};
  if (trigger) {
    endpoints.mutable_metadata().mutable_annotations().set(kTriggerTime, api::format_time(*trigger));
  } else if (have) {
    endpoints.mutable_metadata().mutable_annotations().erase(kTriggerTime);
    if (endpoints.view().metadata().annotations().empty()) endpoints.mutable_metadata().clear_annotations();
  }
  auto frozen = api::freeze(std::move(wanted));
  auto done = have ? co_await transport_.update(core::Endpoints::kind_info(), ns, frozen, {})
                   : co_await transport_.create(core::Endpoints::kind_info(), ns, frozen, {});
  if (!done && !is_namespace_terminating(done.error())) co_return fail(done.error());
  co_return Result<void>{};
}

}  // namespace keelson::controllers
