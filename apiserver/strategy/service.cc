#include <set>

#include "api/gen/core_v1.h"
#include "apiserver/object_meta.h"
#include "apiserver/strategy.h"

namespace keelson::apiserver {
namespace {

using namespace api::core_v1;

bool needs_cluster_ip(ServiceSpec s) { return s.type() != "ExternalName"; }
bool needs_node_port(ServiceSpec s) { return s.type() == "NodePort" || s.type() == "LoadBalancer"; }
bool needs_health_port(ServiceSpec s) {
  return s.type() == "LoadBalancer" && s.external_traffic_policy() == "Local";
}

template <class L>
bool same_list(L a, L b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (a[i] != b[i]) return false;
  return true;
}

// No node port of `now` that `before` did not have.
bool no_new_node_ports(ServiceSpec now, ServiceSpec before) {
  std::set<int> known;
  for (ServicePort p : before.ports()) known.insert(p.node_port());
  for (ServicePort p : now.ports())
    if (p.node_port() != 0 && !known.contains(p.node_port())) return false;
  return true;
}

bool externally_accessible(ServiceSpec s) {
  return s.type() == "LoadBalancer" || s.type() == "NodePort" ||
         (s.type() == "ClusterIP" && !s.external_ips().empty());
}

// When the type changes, what was allocated for the old one goes, unless the user changed it too.
void drop_type_dependent(ServiceSpecMut now, ServiceSpec before) {
  if (needs_cluster_ip(before) && !needs_cluster_ip(now)) {
    if (before.cluster_ip() == now.view().cluster_ip() && same_list(before.cluster_ips(), now.view().cluster_ips())) {
      now.clear_cluster_ip();
      now.clear_cluster_ips();
    }
    if (same_list(before.ip_families(), now.view().ip_families())) now.clear_ip_families();
    if (before.ip_family_policy() == now.view().ip_family_policy()) now.clear_ip_family_policy();
    if (before.internal_traffic_policy() == now.view().internal_traffic_policy()) now.clear_internal_traffic_policy();
  }
  if (needs_node_port(before) && !needs_node_port(now) && no_new_node_ports(now, before)) {
    auto ports = now.mutable_ports();
    for (std::size_t i = 0; i < ports.size(); ++i) ports.at(i).clear_node_port();
  }
  if (needs_health_port(before) && !needs_health_port(now) &&
      before.health_check_node_port() == now.view().health_check_node_port())
    now.clear_health_check_node_port();
  const bool was_balancer = before.type() == "LoadBalancer", is_balancer = now.view().type() == "LoadBalancer";
  if (was_balancer && !is_balancer) {
    if (before.has_allocate_load_balancer_node_ports() && now.view().has_allocate_load_balancer_node_ports() &&
        before.allocate_load_balancer_node_ports() == now.view().allocate_load_balancer_node_ports())
      now.clear_allocate_load_balancer_node_ports();
    if (before.load_balancer_class() == now.view().load_balancer_class()) now.clear_load_balancer_class();
  }
  if (externally_accessible(before) && !externally_accessible(now) &&
      before.external_traffic_policy() == now.view().external_traffic_policy())
    now.clear_external_traffic_policy();
}

void prepare_update(api::Object& updated, const api::Object& old) {
  ServiceMut service = ServiceMut::of(updated);
  drop_type_dependent(service.mutable_spec(), Service::of(old).spec());
  if (service.view().spec().type() != "LoadBalancer" && service.view().status().has_load_balancer())
    service.mutable_status().clear_load_balancer();
}

}  // namespace

constinit const Strategy kServiceStrategy{
    .has_status = true, .create_on_update = true, .returns_deleted = true, .prepare_update = &prepare_update};

}  // namespace keelson::apiserver
