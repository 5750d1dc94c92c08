#include "api/validation.h"

#include <unordered_map>

#include "api/gen/apps_v1.h"
#include "api/gen/authentication_v1.h"
#include "api/gen/autoscaling_v1.h"
#include "api/gen/coordination_v1.h"
#include "api/gen/core_v1.h"
#include "api/gen/discovery_v1.h"
#include "api/gen/events_v1.h"
#include "api/gen/networking_v1.h"
#include "api/gen/scheduling_v1.h"
#include "api/validation/kinds.h"

namespace keelson::api {
namespace {

namespace v = validation;
namespace core = core_v1;

struct Rules {
  v::NameRule name = v::dns1123_subdomain;
  v::Create create = nullptr;
  v::Update update = nullptr;          // null: create's checks on the new object
  v::Update status_update = nullptr;
};

v::Messages any_name(std::string_view name) { return v::path_segment(name); }

v::Messages ip_name(std::string_view name) {
  if (!v::is_ip(name)) return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
  return {};
}

const std::unordered_map<const KindInfo*, Rules>& table() {
  static const std::unordered_map<const KindInfo*, Rules> t = {
      {&core::ConfigMap::kind_info(), {v::dns1123_subdomain, v::config_map, v::config_map_update}},
      {&core::Secret::kind_info(), {v::dns1123_subdomain, v::secret, v::secret_update}},
      {&core::ServiceAccount::kind_info(), {}},
      {&core::Namespace::kind_info(), {v::dns1123_label, v::namespace_}},
      {&core::Node::kind_info(), {v::dns1123_subdomain, v::node, v::node_update}},
      {&core::Event::kind_info(), {any_name, v::core_event}},
      {&events_v1::Event::kind_info(), {v::dns1123_subdomain, v::events_event}},
      {&coordination_v1::Lease::kind_info(), {v::dns1123_subdomain, v::lease, v::lease_update}},
      {&core::Endpoints::kind_info(), {v::dns1123_subdomain, v::endpoints}},
      {&discovery_v1::EndpointSlice::kind_info(), {v::dns1123_subdomain, v::endpoint_slice, v::endpoint_slice_update}},
      {&core::Service::kind_info(), {v::dns1123_label, v::service, v::service_update}},
      {&networking_v1::ServiceCIDR::kind_info(), {v::dns1123_subdomain, v::service_cidr, v::service_cidr_update}},
      {&networking_v1::IPAddress::kind_info(), {ip_name, v::ip_address, v::ip_address_update}},
      {&core::Pod::kind_info(), {v::dns1123_subdomain, v::pod, v::pod_update, v::pod_status_update}},
      {&core::PodTemplate::kind_info(), {v::dns1123_subdomain, v::pod_template}},
      {&core::ReplicationController::kind_info(), {v::dns1123_subdomain, v::replication_controller}},
      {&apps_v1::ReplicaSet::kind_info(), {v::dns1123_subdomain, v::replica_set, v::replica_set_update, v::replica_set_status_update}},
      {&apps_v1::Deployment::kind_info(), {v::dns1123_subdomain, v::deployment, v::deployment_update, v::deployment_status_update}},
      {&scheduling_v1::PriorityClass::kind_info(), {v::dns1123_subdomain, v::priority_class, v::priority_class_update}},
      {&authentication_v1::TokenRequest::kind_info(), {any_name, v::token_request}},
      {&core::Binding::kind_info(), {any_name, v::binding}},
      {&autoscaling_v1::Scale::kind_info(), {any_name, v::scale}},
  };
  return t;
}

// Virtual objects carry no metadata of their own.
bool has_own_meta(const Object& o) {
  const auto* k = o.kind();
  return k != &authentication_v1::TokenRequest::kind_info() && k != &core::Binding::kind_info() && k != &autoscaling_v1::Scale::kind_info();
}

}  // namespace

field::ErrorList validate_create(const Object& object) {
  field::ErrorList errors;
  const auto it = table().find(object.kind());
  if (it == table().end()) return errors;
  if (has_own_meta(object)) v::object_meta(errors, object.meta(), object.kind()->namespaced, it->second.name, field::Path("metadata"));
  if (it->second.create != nullptr) it->second.create(errors, object);
  return errors;
}

field::ErrorList validate_update(const Object& now, const Object& old, std::string_view subresource) {
  field::ErrorList errors;
  const auto it = table().find(now.kind());
  if (it == table().end()) return errors;
  const Rules& rules = it->second;
  if (has_own_meta(now)) {
    // Upstream looks at metadata twice: before the strategy and in it. The message names each error once, the causes twice.
    for (int i = 0; i < 2; ++i) v::object_meta_update(errors, now.meta(), old.meta(), field::Path("metadata"));
    if (now.meta().name() != old.meta().name() && now.kind()->namespaced) return errors;
  }
  if (subresource == "status") {
    if (rules.status_update != nullptr) rules.status_update(errors, now, old);
    return errors;
  }
  if (!subresource.empty()) return errors;
  if (rules.update != nullptr) {
    rules.update(errors, now, old);
  } else if (rules.create != nullptr) {
    rules.create(errors, now);
  }
  return errors;
}

}  // namespace keelson::api
