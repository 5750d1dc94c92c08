// Nodes, services, events, endpoints: the kinds whose cells take more than reading a field.
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "api/gen/core_v1.h"
#include "api/gen/discovery_v1.h"
#include "api/gen/events_v1.h"
#include "api/table/cells.h"
#include "api/table/human_duration.h"

namespace keelson::api {
namespace {

constexpr std::size_t kListedMax = 3;

// "a,b,c + 2 more..."
struct ShortList {
  std::string text;
  std::size_t count = 0;
  void add(std::string_view item) {
    if (count++ < kListedMax) text += (text.empty() ? "" : ",") + std::string(item);
  }
  std::string str() const {
    if (count == 0) return "<unset>";
    return count <= kListedMax ? text : fmt::format("{} + {} more...", text, count - kListedMax);
  }
};

std::string join(const std::vector<std::string>& v) {
  return fmt::format("{}", fmt::join(v, ","));
}

std::string or_text(std::string_view s, std::string_view otherwise) {
  return std::string(s.empty() ? otherwise : s);
}

std::string labels_text(const Map<StringElem>& labels) {
  std::string out;
  for (const auto& [k, v] : labels) out += fmt::format("{}{}={}", out.empty() ? "" : ",", k, v);
  return out.empty() ? "<none>" : out;
}

std::string external_ip(core_v1::Service service) {
  const core_v1::ServiceSpec spec = service.spec();
  std::vector<std::string> ips;
  for (std::string_view ip : spec.external_ips()) ips.emplace_back(ip);
  if (spec.type() == "ClusterIP" || spec.type() == "NodePort") return ips.empty() ? "<none>" : join(ips);
  if (spec.type() == "ExternalName") return std::string(spec.external_name());
  if (spec.type() != "LoadBalancer") return "<unknown>";
  std::set<std::string> balancer;
  for (const core_v1::LoadBalancerIngress i : service.status().load_balancer().ingress())
    if (const std::string_view at = i.ip().empty() ? i.hostname() : i.ip(); !at.empty()) balancer.emplace(at);
  std::vector<std::string> all(balancer.begin(), balancer.end());
  all.insert(all.end(), ips.begin(), ips.end());
  return all.empty() ? "<pending>" : join(all);
}

std::string host_port(std::string_view ip, std::int32_t port) {
  return ip.find(':') == std::string_view::npos ? fmt::format("{}:{}", ip, port)
                                                : fmt::format("[{}]:{}", ip, port);
}

std::string lower(std::string_view s) {
  std::string out(s);
  std::ranges::transform(out, out.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return out;
}

std::string_view trim(std::string_view s) {
  constexpr std::string_view kSpace = " \t\r\n\v\f";
  const std::size_t first = s.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return "";
  return s.substr(first, s.find_last_not_of(kSpace) - first + 1);
}

// What both event kinds have, under different names.
struct EventFacts {
  Time first, last, event_time, series_last;
  bool has_series = false;
  std::int64_t count = 0, series_count = 0;
  std::string_view type, reason, component, host, reporter, instance, message;
  core_v1::ObjectReference about;
};

template <class Source>
void take_common(EventFacts& f, Source e) {
  f.event_time = e.event_time();
  f.type = e.type();
  f.reason = e.reason();
  f.instance = e.reporting_instance();
  f.has_series = e.has_series();
  f.series_count = e.series().count();
  f.series_last = e.series().last_observed_time();
}

EventFacts event_facts(const Object& object) {
  EventFacts f;
  if (object.kind()->group.empty()) {
    const core_v1::Event e = core_v1::Event::of(object);
    take_common(f, e);
    f.first = e.first_timestamp();
    f.last = e.last_timestamp();
    f.count = e.count();
    f.component = e.source().component();
    f.host = e.source().host();
    f.reporter = e.reporting_component();
    f.message = e.message();
    f.about = e.involved_object();
  } else {
    const events_v1::Event e = events_v1::Event::of(object);
    take_common(f, e);
    f.first = e.deprecated_first_timestamp();
    f.last = e.deprecated_last_timestamp();
    f.count = e.deprecated_count();
    f.component = e.deprecated_source().component();
    f.host = e.deprecated_source().host();
    f.reporter = e.reporting_controller();
    f.message = e.note();
    f.about = e.regarding();
  }
  return f;
}

}  // namespace

RowCells node_cells(const Object& object, Time now) {
  const core_v1::Node node = core_v1::Node::of(object);
  std::string status = "Unknown";
  for (const core_v1::NodeCondition c : node.status().conditions())
    if (c.type() == "Ready") status = c.status() == "True" ? "Ready" : "NotReady";
  if (node.spec().unschedulable()) status += ",SchedulingDisabled";
  std::set<std::string> roles;
  for (const auto& [k, v] : node.metadata().labels()) {
    constexpr std::string_view kPrefix = "node-role.kubernetes.io/";
    if (k.starts_with(kPrefix) && k.size() > kPrefix.size()) roles.emplace(k.substr(kPrefix.size()));
    if (k == "kubernetes.io/role" && !v.empty()) roles.emplace(v);
  }
  const auto address = [&](std::string_view type) -> std::string {
    for (const core_v1::NodeAddress a : node.status().addresses())
      if (a.type() == type) return std::string(a.address());
    return "<none>";
  };
  const core_v1::NodeSystemInfo info = node.status().node_info();
  std::string kernel = or_text(info.kernel_version(), "<unknown>");
  if (!info.architecture().empty()) kernel += fmt::format(" ({})", info.architecture());
  return {{std::string(object.name()), status, or_text(fmt::format("{}", fmt::join(roles, ",")), "<none>"),
           age(node.metadata().creation_timestamp(), now), std::string(info.kubelet_version()),
           address("InternalIP"), address("ExternalIP"), or_text(info.os_image(), "<unknown>"), kernel,
           or_text(info.container_runtime_version(), "<unknown>")},
          {}};
}

RowCells service_cells(const Object& object, Time now) {
  const core_v1::Service service = core_v1::Service::of(object);
  const auto ips = service.spec().cluster_ips();
  std::vector<std::string> ports;
  for (const core_v1::ServicePort p : service.spec().ports())
    ports.push_back(p.node_port() > 0 ? fmt::format("{}:{}/{}", p.port(), p.node_port(), p.protocol())
                                      : fmt::format("{}/{}", p.port(), p.protocol()));
  return {{std::string(object.name()), std::string(service.spec().type()),
           std::string(ips.empty() ? "<none>" : ips[0]), external_ip(service), or_text(join(ports), "<none>"),
           age(service.metadata().creation_timestamp(), now), labels_text(service.spec().selector())},
          {}};
}

RowCells event_cells(const Object& object, Time now) {
  const EventFacts f = event_facts(object);
  const std::string first = age(f.first.is_zero() ? f.event_time : f.first, now);
  std::string last = f.last.is_zero() ? first : age(f.last, now);
  std::int64_t count = f.count == 0 ? 1 : f.count;
  if (f.has_series) {
    last = age(f.series_last, now);
    count = f.series_count;
  }
  std::string target = lower(f.about.kind());
  if (!f.about.name().empty()) target += fmt::format("/{}", f.about.name());
  std::string source(f.component.empty() ? f.reporter : f.component);
  if (const std::string_view host = f.host.empty() ? f.instance : f.host; !host.empty())
    source += fmt::format(", {}", host);
  return {{last, std::string(f.type), std::string(f.reason), target, std::string(f.about.field_path()),
           source, std::string(trim(f.message)), first, count, std::string(object.name())},
          {}};
}

RowCells endpoints_cells(const Object& object, Time now) {
  const core_v1::Endpoints endpoints = core_v1::Endpoints::of(object);
  ShortList list;
  for (const core_v1::EndpointSubset s : endpoints.subsets()) {
    if (s.ports().empty())
      for (const core_v1::EndpointAddress a : s.addresses()) list.add(a.ip());
    for (const core_v1::EndpointPort p : s.ports())
      for (const core_v1::EndpointAddress a : s.addresses()) list.add(host_port(a.ip(), p.port()));
  }
  const std::string text = endpoints.subsets().empty() ? "<none>" : list.count == 0 ? "" : list.str();
  return {{std::string(object.name()), text, age(endpoints.metadata().creation_timestamp(), now)}, {}};
}

RowCells endpoint_slice_cells(const Object& object, Time now) {
  const discovery_v1::EndpointSlice slice = discovery_v1::EndpointSlice::of(object);
  ShortList ports, addresses;
  for (const discovery_v1::EndpointPort p : slice.ports())
    ports.add(p.has_port() ? std::to_string(p.port()) : p.has_name() ? std::string(p.name()) : "*");
  for (const discovery_v1::Endpoint e : slice.endpoints())
    for (std::string_view a : e.addresses()) addresses.add(a);
  return {{std::string(object.name()), std::string(slice.address_type()), ports.str(), addresses.str(),
           age(slice.metadata().creation_timestamp(), now)},
          {}};
}

}  // namespace keelson::api
