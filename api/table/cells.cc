// The dispatch by kind, and the kinds whose cells are plain fields.
#include "api/table/cells.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/gen/apps_v1.h"
#include "api/gen/autoscaling_v1.h"
#include "api/gen/coordination_v1.h"
#include "api/gen/core_v1.h"
#include "api/gen/discovery_v1.h"
#include "api/gen/events_v1.h"
#include "api/gen/networking_v1.h"
#include "api/selector/object_selectors.h"
#include "api/table/human_duration.h"

namespace keelson::api {
namespace {

std::string created(const Object& object, Time now) {
  return age(object.meta().creation_timestamp(), now);
}

struct Containers {
  std::string names, images;
};
Containers containers_of(core_v1::PodSpec spec) {
  Containers out;
  bool first = true;
  for (const core_v1::Container c : spec.containers()) {
    if (!first) {
      out.names += ',';
      out.images += ',';
    }
    first = false;
    out.names += c.name();
    out.images += c.image();
  }
  return out;
}

std::int64_t count(std::int64_t n) {
  return n;
}

RowCells deployment_cells(const Object& object, Time now) {
  const apps_v1::Deployment d = apps_v1::Deployment::of(object);
  const Containers c = containers_of(d.spec().template_().spec());
  const auto selector = label_selector_of(d.spec().selector());
  return {{std::string(object.name()), fmt::format("{}/{}", d.status().ready_replicas(), d.spec().replicas()),
           count(d.status().updated_replicas()), count(d.status().available_replicas()), created(object, now),
           c.names, c.images, selector ? selector->to_string() : "<invalid>"},
          {}};
}

RowCells replica_set_cells(const Object& object, Time now) {
  const apps_v1::ReplicaSet rs = apps_v1::ReplicaSet::of(object);
  const Containers c = containers_of(rs.spec().template_().spec());
  const auto selector = label_selector_of(rs.spec().selector());
  std::string text = selector ? selector->to_string() : "<error>";
  if (text.empty()) text = "<none>";
  return {{std::string(object.name()), count(rs.spec().replicas()), count(rs.status().replicas()),
           count(rs.status().ready_replicas()), created(object, now), c.names, c.images, text},
          {}};
}

RowCells replication_controller_cells(const Object& object, Time now) {
  const core_v1::ReplicationController rc = core_v1::ReplicationController::of(object);
  const Containers c = containers_of(rc.spec().template_().spec());
  std::string selector;
  for (const auto& [k, v] : rc.spec().selector())
    selector += fmt::format("{}{}={}", selector.empty() ? "" : ",", k, v);
  return {{std::string(object.name()), count(rc.spec().replicas()), count(rc.status().replicas()),
           count(rc.status().ready_replicas()), created(object, now), c.names, c.images,
           selector.empty() ? "<none>" : selector},
          {}};
}

RowCells config_map_cells(const Object& object, Time now) {
  const core_v1::ConfigMap c = core_v1::ConfigMap::of(object);
  return {{std::string(object.name()),
           count(static_cast<std::int64_t>(c.data_().size() + c.binary_data().size())), created(object, now)},
          {}};
}

RowCells secret_cells(const Object& object, Time now) {
  const core_v1::Secret s = core_v1::Secret::of(object);
  return {{std::string(object.name()), std::string(s.type()),
           count(static_cast<std::int64_t>(s.data_().size())), created(object, now)},
          {}};
}

RowCells namespace_cells(const Object& object, Time now) {
  const core_v1::Namespace n = core_v1::Namespace::of(object);
  return {{std::string(object.name()), std::string(n.status().phase()), created(object, now)}, {}};
}

RowCells service_account_cells(const Object& object, Time now) {
  return {{std::string(object.name()), created(object, now)}, {}};
}

RowCells component_status_cells(const Object& object, Time) {
  RowCells row{{std::string(object.name()), "Unknown", "", ""}, {}};
  for (const core_v1::ComponentCondition c : core_v1::ComponentStatus::of(object).conditions()) {
    if (c.type() != "Healthy") continue;
    row.cells[1] = c.status() == "True" ? "Healthy" : "Unhealthy";
    row.cells[2] = std::string(c.message());
    row.cells[3] = std::string(c.error());
    break;
  }
  return row;
}

RowCells lease_cells(const Object& object, Time now) {
  const coordination_v1::Lease l = coordination_v1::Lease::of(object);
  return {{std::string(object.name()), std::string(l.spec().holder_identity()), created(object, now)}, {}};
}

// One cell more than there are columns: so does upstream.
RowCells ip_address_cells(const Object& object, Time now) {
  const networking_v1::IPAddress a = networking_v1::IPAddress::of(object);
  std::string parent = "<none>";
  if (a.spec().has_parent_ref()) {
    const networking_v1::ParentReference p = a.spec().parent_ref();
    parent = p.group().empty() ? std::string(p.resource()) : fmt::format("{}.{}", p.resource(), p.group());
    std::ranges::transform(parent, parent.begin(),
                           [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
    if (!p.namespace_().empty()) parent += fmt::format("/{}", p.namespace_());
    parent += fmt::format("/{}", p.name());
  }
  return {{std::string(object.name()), parent, created(object, now)}, {}};
}

RowCells service_cidr_cells(const Object& object, Time now) {
  const networking_v1::ServiceCIDR c = networking_v1::ServiceCIDR::of(object);
  std::string cidrs;
  for (std::string_view s : c.spec().cidrs()) cidrs += (cidrs.empty() ? "" : ",") + std::string(s);
  return {{std::string(object.name()), cidrs, created(object, now)}, {}};
}

RowCells scale_cells(const Object& object, Time now) {
  const autoscaling_v1::Scale s = autoscaling_v1::Scale::of(object);
  return {{std::string(object.name()), count(s.spec().replicas()), count(s.status().replicas()),
           created(object, now)},
          {}};
}

RowCells plain_cells(const Object& object) {
  const Time t = object.meta().creation_timestamp();
  return {{std::string(object.name()), t.is_zero() ? "0001-01-01T00:00:00Z" : format_time(t)}, {}};
}

struct Printer {
  std::string_view group, kind;
  RowCells (*cells)(const Object&, Time);
};
constexpr Printer kPrinters[] = {
    {"", "Pod", pod_cells},
    {"", "Node", node_cells},
    {"", "Service", service_cells},
    {"", "Event", event_cells},
    {"events.k8s.io", "Event", event_cells},
    {"", "Endpoints", endpoints_cells},
    {"discovery.k8s.io", "EndpointSlice", endpoint_slice_cells},
    {"", "ConfigMap", config_map_cells},
    {"", "Secret", secret_cells},
    {"", "Namespace", namespace_cells},
    {"", "ServiceAccount", service_account_cells},
    {"", "ReplicationController", replication_controller_cells},
    {"", "ComponentStatus", component_status_cells},
    {"apps", "Deployment", deployment_cells},
    {"apps", "ReplicaSet", replica_set_cells},
    {"autoscaling", "Scale", scale_cells},
    {"coordination.k8s.io", "Lease", lease_cells},
    {"networking.k8s.io", "IPAddress", ip_address_cells},
    {"networking.k8s.io", "ServiceCIDR", service_cidr_cells},
};

}  // namespace

RowCells row_cells(const Object& object, Time now) {
  const KindInfo* kind = object.kind();
  if (kind != nullptr && !kind->columns.empty())
    for (const Printer& p : kPrinters)
      if (p.kind == kind->kind && p.group == kind->group) return p.cells(object, now);
  return plain_cells(object);
}

}  // namespace keelson::api
