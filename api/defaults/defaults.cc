#include "api/defaults.h"

#include <unordered_map>

#include "api/gen/apps_v1.h"
#include "api/gen/authentication_v1.h"
#include "api/gen/core_v1.h"
#include "api/gen/discovery_v1.h"
#include "api/gen/scheduling_v1.h"

namespace keelson::api {
namespace {

namespace core = core_v1;
namespace apps = apps_v1;
namespace discovery = discovery_v1;

constexpr std::int32_t kClientIpTimeout = 10800;

void namespace_defaults(Object& o) {
  auto ns = core::NamespaceMut::of(o);
  if (!ns.metadata().name().empty()) {
    const std::string name(ns.metadata().name());
    ns.mutable_metadata().mutable_labels().set("kubernetes.io/metadata.name", name);
  }
  if (ns.status().phase().empty()) ns.mutable_status().set_phase("Active");
}

void node_defaults(Object& o) {
  auto node = core::NodeMut::of(o);
  // Both forms are kept equal, as upstream's conversion does.
  if (!node.spec().pod_cidr().empty() && node.spec().pod_cidrs().empty()) {
    const std::string cidr(node.spec().pod_cidr());
    node.mutable_spec().mutable_pod_cidrs().add(cidr);
  }
  if (!node.status().has_allocatable() && node.status().has_capacity()) {
    node.mutable_status().set_allocatable(node.status().capacity());
  }
}

void secret_defaults(Object& o) {
  auto secret = core::SecretMut::of(o);
  if (secret.type().empty()) secret.set_type("Opaque");
  // stringData is for writing only.
  if (!secret.string_data().empty()) {
    auto data = secret.mutable_data();
    for (const auto& [key, value] : secret.string_data()) data.set(key, value);
  }
  secret.clear_string_data();
}

void endpoints_defaults(Object& o) {
  auto endpoints = core::EndpointsMut::of(o);
  if (!endpoints.has_subsets()) return;
  auto subsets = endpoints.mutable_subsets();
  for (std::size_t i = 0; i < subsets.size(); ++i) {
    auto subset = subsets.at(i);
    if (!subset.has_ports()) continue;
    auto ports = subset.mutable_ports();
    for (std::size_t k = 0; k < ports.size(); ++k) {
      if (ports[k].protocol().empty()) ports.at(k).set_protocol("TCP");
    }
  }
}

void endpoint_slice_defaults(Object& o) {
  auto slice = discovery::EndpointSliceMut::of(o);
  if (!slice.has_ports()) return;
  auto ports = slice.mutable_ports();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (!ports[i].has_name()) ports.at(i).set_name("");
    if (!ports[i].has_protocol()) ports.at(i).set_protocol("TCP");
  }
}

void service_ports(core::ServiceSpecMut spec) {
  if (!spec.has_ports()) return;
  auto ports = spec.mutable_ports();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    auto p = ports.at(i);
    if (p.protocol().empty()) p.set_protocol("TCP");
    const auto target = p.target_port();
    if (!p.has_target_port() || (target.is_int ? target.number == 0 : target.text.empty())) {
      p.set_target_port(IntOrString::of(p.port()));
    }
  }
}

void service_defaults(Object& o) {
  auto spec = core::ServiceMut::of(o).mutable_spec();
  if (spec.session_affinity().empty()) spec.set_session_affinity("None");
  if (spec.session_affinity() == "None") spec.clear_session_affinity_config();
  if (spec.session_affinity() == "ClientIP" && !spec.session_affinity_config().client_ip().has_timeout_seconds()) {
    spec.mutable_session_affinity_config().mutable_client_ip().set_timeout_seconds(kClientIpTimeout);
  }
  if (spec.type().empty()) spec.set_type("ClusterIP");
  service_ports(spec);
  const bool balanced = spec.type() == "LoadBalancer";
  const bool outside = spec.type() == "NodePort" || balanced || (spec.type() == "ClusterIP" && !spec.external_ips().empty());
  if (outside && spec.external_traffic_policy().empty()) spec.set_external_traffic_policy("Cluster");
  if (!spec.has_internal_traffic_policy() && (outside || spec.type() == "ClusterIP")) spec.set_internal_traffic_policy("Cluster");
  if (balanced && !spec.has_allocate_load_balancer_node_ports()) spec.set_allocate_load_balancer_node_ports(true);
}

void replication_controller_defaults(Object& o) {
  auto rc = core::ReplicationControllerMut::of(o);
  auto spec = rc.mutable_spec();
  if (spec.has_template()) {
    default_pod_template(spec.mutable_template());
    const auto labels = spec.template_().metadata().labels();
    if (!labels.empty()) {
      if (spec.selector().empty()) spec.set_selector(labels);
      if (rc.metadata().labels().empty()) rc.mutable_metadata().set_labels(labels);
    }
  }
  if (!spec.has_replicas()) spec.set_replicas(1);
}

void replica_set_defaults(Object& o) {
  auto spec = apps::ReplicaSetMut::of(o).mutable_spec();
  if (!spec.has_replicas()) spec.set_replicas(1);
  default_pod_template(spec.mutable_template());
}

void deployment_defaults(Object& o) {
  auto spec = apps::DeploymentMut::of(o).mutable_spec();
  if (!spec.has_replicas()) spec.set_replicas(1);
  auto strategy = spec.mutable_strategy();
  if (strategy.type().empty()) strategy.set_type("RollingUpdate");
  if (strategy.type() == "RollingUpdate") {
    auto rolling = strategy.mutable_rolling_update();
    if (!rolling.has_max_unavailable()) rolling.set_max_unavailable(IntOrString::of("25%"));
    if (!rolling.has_max_surge()) rolling.set_max_surge(IntOrString::of("25%"));
  }
  if (!spec.has_revision_history_limit()) spec.set_revision_history_limit(10);
  if (!spec.has_progress_deadline_seconds()) spec.set_progress_deadline_seconds(600);
  default_pod_template(spec.mutable_template());
}

void pod_template_defaults(Object& o) { default_pod_template(core::PodTemplateMut::of(o).mutable_template()); }

void token_request_defaults(Object& o) {
  auto spec = authentication_v1::TokenRequestMut::of(o).mutable_spec();
  if (!spec.has_expiration_seconds()) spec.set_expiration_seconds(3600);
}

void priority_class_defaults(Object& o) {
  auto c = scheduling_v1::PriorityClassMut::of(o);
  if (!c.has_preemption_policy()) c.set_preemption_policy("PreemptLowerPriority");
}

using Defaulter = void (*)(Object&);

const std::unordered_map<const KindInfo*, Defaulter>& table() {
  static const std::unordered_map<const KindInfo*, Defaulter> t = {
      {&core::Pod::kind_info(), default_pod},
      {&core::PodTemplate::kind_info(), pod_template_defaults},
      {&core::Namespace::kind_info(), namespace_defaults},
      {&core::Node::kind_info(), node_defaults},
      {&core::Secret::kind_info(), secret_defaults},
      {&core::Endpoints::kind_info(), endpoints_defaults},
      {&discovery::EndpointSlice::kind_info(), endpoint_slice_defaults},
      {&core::Service::kind_info(), service_defaults},
      {&core::ReplicationController::kind_info(), replication_controller_defaults},
      {&apps::ReplicaSet::kind_info(), replica_set_defaults},
      {&apps::Deployment::kind_info(), deployment_defaults},
      {&authentication_v1::TokenRequest::kind_info(), token_request_defaults},
      {&scheduling_v1::PriorityClass::kind_info(), priority_class_defaults},
  };
  return t;
}

}  // namespace

void default_object(Object& object) {
  const auto it = table().find(object.kind());
  if (it != table().end()) it->second(object);
}

}  // namespace keelson::api
