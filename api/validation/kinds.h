// The checks of single kinds; validation.cc holds the table. Each adds to `errors`.
#pragma once

#include "api/gen/core_v1.h"
#include "api/validation/meta.h"

namespace keelson::api::validation {

using Create = void (*)(ErrorList& errors, const Object& object);
using Update = void (*)(ErrorList& errors, const Object& now, const Object& old);

// simple_kinds.cc
void config_map(ErrorList&, const Object&);
void config_map_update(ErrorList&, const Object&, const Object&);
void secret(ErrorList&, const Object&);
void secret_update(ErrorList&, const Object&, const Object&);
void namespace_(ErrorList&, const Object&);
void node(ErrorList&, const Object&);
void node_update(ErrorList&, const Object&, const Object&);
void core_event(ErrorList&, const Object&);
void events_event(ErrorList&, const Object&);
void lease(ErrorList&, const Object&);
void lease_update(ErrorList&, const Object&, const Object&);
void priority_class(ErrorList&, const Object&);
void priority_class_update(ErrorList&, const Object&, const Object&);
void token_request(ErrorList&, const Object&);
void binding(ErrorList&, const Object&);
void scale(ErrorList&, const Object&);

// network_kinds.cc
void endpoints(ErrorList&, const Object&);
void endpoint_slice(ErrorList&, const Object&);
void endpoint_slice_update(ErrorList&, const Object&, const Object&);
void service_cidr(ErrorList&, const Object&);
void service_cidr_update(ErrorList&, const Object&, const Object&);
void ip_address(ErrorList&, const Object&);
void ip_address_update(ErrorList&, const Object&, const Object&);

// service.cc
// ipFamilies, ipFamilyPolicy and clusterIPs alone: what must hold before addresses are allocated.
void service_addresses(ErrorList&, core_v1::ServiceSpec);
void service(ErrorList&, const Object&);
void service_update(ErrorList&, const Object&, const Object&);

// workloads.cc
void replication_controller(ErrorList&, const Object&);
void replica_set(ErrorList&, const Object&);
void replica_set_update(ErrorList&, const Object&, const Object&);
void deployment(ErrorList&, const Object&);
void replica_set_status_update(ErrorList&, const Object&, const Object&);
void deployment_status_update(ErrorList&, const Object&, const Object&);
void deployment_update(ErrorList&, const Object&, const Object&);
void pod_template(ErrorList&, const Object&);

// pod.cc, pod_update.cc
void pod(ErrorList&, const Object&);
void pod_update(ErrorList&, const Object&, const Object&);
void pod_status_update(ErrorList&, const Object&, const Object&);

// Parts of pods that workload kinds use too.
struct PodContext {
  bool is_template = false;   // inside a workload: template rules, no service account known
  std::string_view service_account;
  std::int64_t grace_period = 30;
  std::string_view restart_policy;
  bool host_network = false;
};
void pod_spec(ErrorList& errors, core_v1::PodSpec spec, const Path& path, bool is_template);
void pod_template_spec(ErrorList& errors, core_v1::PodTemplateSpec spec, const Path& path);
void containers(ErrorList& errors, core_v1::PodSpec spec, const Path& path, const PodContext& context);
// Only such volumes can be mounted, as far as further errors go.
bool volume_is_valid(core_v1::Volume volume, const PodContext& context);
void volumes(ErrorList& errors, core_v1::PodSpec spec, const Path& path, const PodContext& context);
void probe(ErrorList& errors, core_v1::Probe probe, const Path& path);
void lifecycle(ErrorList& errors, core_v1::Lifecycle lifecycle, const Path& path, std::int64_t grace_period);
void security_context(ErrorList& errors, core_v1::SecurityContext context, const Path& path);
void pod_security_context(ErrorList& errors, core_v1::PodSpec spec, const Path& path);
void resources(ErrorList& errors, core_v1::ResourceRequirements resources, const Path& path);
void tolerations(ErrorList& errors, List<StructElem<core_v1::Toleration, core_v1::TolerationMut>> list, const Path& path);
void affinity(ErrorList& errors, core_v1::Affinity affinity, const Path& path);
void topology_spread(ErrorList& errors, core_v1::PodSpec spec, const Path& path);
void fields_of_env(ErrorList& errors, core_v1::ObjectFieldSelector ref, const Path& path, bool for_volume);
void resource_field(ErrorList& errors, core_v1::ResourceFieldSelector ref, const Path& path, bool for_volume);

}  // namespace keelson::api::validation
