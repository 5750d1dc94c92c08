// Placing endpoints into slices and rendering slices: see controllers/endpoint_slices.h.
#include <algorithm>

#include "controllers/endpoint_slices.h"

namespace keelson::controllers {

namespace {

constexpr std::string_view kServiceName = "kubernetes.io/service-name";
constexpr std::string_view kManagedBy = "endpointslice.kubernetes.io/managed-by";
constexpr std::string_view kHeadless = "service.kubernetes.io/headless";
constexpr std::string_view kController = "endpointslice-controller.k8s.io";

std::vector<ServedPort> ports_of(discovery::EndpointSlice slice) {
  std::vector<ServedPort> out;
  for (discovery::EndpointPort p : slice.ports()) {
    out.push_back(
        {std::string(p.name()), p.port(), std::string(p.protocol()), std::string(p.app_protocol())});
  }
  std::sort(out.begin(), out.end());
  return out;
}

void put_endpoint(const WantedEndpoint& from, discovery::EndpointMut out) {
  out.mutable_addresses().add(from.ip);
  auto conditions = out.mutable_conditions();
  conditions.set_ready(from.ready);
  conditions.set_serving(from.serving);
  conditions.set_terminating(from.terminating);
  if (!from.hostname.empty()) out.set_hostname(from.hostname);
  auto ref = out.mutable_target_ref();
  ref.set_kind("Pod");
  ref.set_namespace(from.pod->namespace_());
  ref.set_name(from.pod->name());
  ref.set_uid(from.pod->uid());
  if (!from.node.empty()) out.set_node_name(from.node);
  if (!from.zone.empty()) out.set_zone(from.zone);
}

// Takes out of `left` those that are in `slice` already, in the slice's order. True when something of it is
// not wanted.
bool keep_present(discovery::EndpointSlice slice, std::vector<WantedEndpoint>& left,
                  std::vector<WantedEndpoint>& kept) {
  bool dropped = false;
  for (discovery::Endpoint e : slice.endpoints()) {
    auto same = std::find_if(left.begin(), left.end(), [&](const WantedEndpoint& w) {
      return w.pod->uid() == e.target_ref().uid() && e.addresses().contains(w.ip);
    });
    if (same == left.end()) {
      dropped = true;
      continue;
    }
    kept.push_back(std::move(*same));
    left.erase(same);
  }
  return dropped;
}

}  // namespace

SlicePlan plan_slices(const std::map<std::vector<ServedPort>, std::vector<WantedEndpoint>>& endpoints,
                      const std::vector<api::ObjectPtr>& current, std::size_t max_per_slice) {
  SlicePlan plan;
  std::vector<api::ObjectPtr> free;  // slices whose ports nobody has any more
  std::map<std::vector<ServedPort>, std::vector<api::ObjectPtr>> by_ports;
  for (const auto& slice : current) {
    auto ports = ports_of(discovery::EndpointSlice::of(*slice));
    if (endpoints.contains(ports)) {
      by_ports[ports].push_back(slice);
    } else {
      free.push_back(slice);
    }
  }
  for (const auto& [ports, wanted] : endpoints) {
    std::vector<WantedEndpoint> left = wanted;
    std::vector<SlicePlan::Slice> touched, untouched;
    for (const auto& slice : by_ports[ports]) {
      SlicePlan::Slice s{slice, ports, {}};
      const bool changes = keep_present(discovery::EndpointSlice::of(*slice), left, s.endpoints);
      (changes ? touched : untouched).push_back(std::move(s));
    }
    auto fill = [&](std::vector<SlicePlan::Slice>& slices) {
      for (auto& s : slices) {
        while (!left.empty() && s.endpoints.size() < max_per_slice) {
          s.endpoints.push_back(std::move(left.front()));
          left.erase(left.begin());
        }
      }
    };
    fill(touched);
    fill(untouched);
    while (!left.empty()) {
      SlicePlan::Slice s{nullptr, ports, {}};
      if (!free.empty()) {
        s.current = free.back();
        free.pop_back();
      }
      untouched.push_back(std::move(s));
      fill(untouched);
    }
    for (auto* list : {&touched, &untouched}) {
      for (auto& s : *list) {
        if (s.endpoints.empty()) {
          free.push_back(s.current);
        } else {
          plan.slices.push_back(std::move(s));
        }
      }
    }
  }
  if (plan.slices.empty()) {
    SlicePlan::Slice placeholder;
    if (!free.empty()) {
      placeholder.current = free.back();
      free.pop_back();
    }
    plan.slices.push_back(std::move(placeholder));
  }
  plan.surplus = std::move(free);
  return plan;
}

std::unique_ptr<api::Object> render_slice(const api::Object& service, std::string_view family,
                                          const SlicePlan::Slice& slice) {
  auto object =
      slice.current ? slice.current->clone() : api::Object::make(discovery::EndpointSlice::kind_info(), 2048);
  auto out = discovery::EndpointSliceMut::of(*object);
  auto metadata = out.mutable_metadata();
  if (!slice.current) {
    metadata.set_generate_name(std::string(service.name()) + "-");
    metadata.set_namespace(service.namespace_());
    out.set_address_type(family);
  }
  if (controller_of(*object).uid() != service.uid()) {
    metadata.clear_owner_references();
    set_controller(metadata, service);
  }
  metadata.clear_labels();
  auto labels = metadata.mutable_labels();
  for (auto [key, value] : service.meta().labels()) labels.set(key, value);
  labels.erase(kHeadless);
  if (is_headless(core::Service::of(service))) labels.set(kHeadless, "");
  labels.set(kServiceName, service.name());
  labels.set(kManagedBy, kController);
  out.clear_endpoints();
  for (const auto& e : slice.endpoints) put_endpoint(e, out.add_endpoints());
  out.clear_ports();
  for (const auto& p : slice.ports) {
    auto port = out.add_ports();
    port.set_name(p.name);
    port.set_port(p.port);
    port.set_protocol(p.protocol);
    if (!p.app_protocol.empty()) port.set_app_protocol(p.app_protocol);
  }
  return object;
}

}  // namespace keelson::controllers
