#include <algorithm>
#include <map>

#include "api/gen/core_v1.h"
#include "api/gen/discovery_v1.h"
#include "api/object.h"
#include "proxy/proxier.h"

namespace keelson::proxy {
namespace {

namespace core = api::core_v1;
namespace discovery = api::discovery_v1;

constexpr std::string_view kServiceNameLabel = "kubernetes.io/service-name";

bool is_ipv4(std::string_view ip) { return ip.find('.') != std::string_view::npos; }

std::string lower(std::string_view s) {
  std::string out(s);
  std::ranges::transform(out, out.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out.empty() ? "tcp" : out;
}

std::vector<Endpoint> endpoints_of(core::ServicePort port, const std::vector<const api::Object*>& slices,
                                   const std::string& node_name) {
  std::map<std::pair<std::string, std::uint16_t>, Endpoint> found;
  for (const auto* object : slices) {
    const auto slice = discovery::EndpointSlice::of(*object);
    if (slice.address_type() != "IPv4") continue;
    for (discovery::EndpointPort p : slice.ports()) {
      if (p.name() != port.name() || lower(p.protocol()) != lower(port.protocol()) || p.port() == 0) continue;
      for (discovery::Endpoint e : slice.endpoints()) {
        const auto c = e.conditions();
        for (std::string_view ip : e.addresses()) {
          Endpoint out{std::string(ip), static_cast<std::uint16_t>(p.port()), !c.has_ready() || c.ready(),
                       (!c.has_serving() ? !c.has_ready() || c.ready() : c.serving()), e.node_name() == node_name};
          found[{out.ip, out.port}] = out;
        }
      }
    }
  }
  std::vector<Endpoint> all;
  for (auto& [key, e] : found) all.push_back(std::move(e));
  return all;
}

ServicePort base_of(core::Service service) {
  const auto spec = service.spec();
  ServicePort out;
  out.cluster_ip = spec.cluster_ip();
  for (std::string_view ip : spec.external_ips()) {
    if (is_ipv4(ip)) out.external_ips.emplace_back(ip);
  }
  for (core::LoadBalancerIngress i : service.status().load_balancer().ingress()) {
    if (is_ipv4(i.ip())) out.external_ips.emplace_back(i.ip());
  }
  if (spec.session_affinity() == "ClientIP") {
    const auto seconds = spec.session_affinity_config().client_ip().timeout_seconds();
    out.affinity_seconds = seconds > 0 ? static_cast<std::uint32_t>(seconds) : 10800;
  }
  out.external_local = spec.external_traffic_policy() == "Local";
  out.internal_local = spec.internal_traffic_policy() == "Local";
  return out;
}

}  // namespace

std::vector<ServicePort> collect_services(const std::vector<api::ObjectPtr>& services,
                                          const std::vector<api::ObjectPtr>& slices, const std::string& node_name) {
  std::map<std::pair<std::string_view, std::string_view>, std::vector<const api::Object*>> by_service;
  for (const auto& s : slices) {
    by_service[{s->namespace_(), s->meta().labels().get(kServiceNameLabel)}].push_back(s.get());
  }
  std::vector<ServicePort> out;
  for (const auto& object : services) {
    const auto service = core::Service::of(*object);
    const auto ip = service.spec().cluster_ip();
    if (service.spec().type() == "ExternalName" || !is_ipv4(ip)) continue;
    const auto& mine = by_service[{object->namespace_(), object->name()}];
    for (core::ServicePort p : service.spec().ports()) {
      ServicePort sp = base_of(service);
      sp.name = std::string(object->namespace_()) + "/" + std::string(object->name()) +
                (p.name().empty() ? "" : ":" + std::string(p.name()));
      sp.protocol = lower(p.protocol());
      sp.port = static_cast<std::uint16_t>(p.port());
      sp.node_port = static_cast<std::uint16_t>(p.node_port());
      sp.endpoints = endpoints_of(p, mine, node_name);
      out.push_back(std::move(sp));
    }
  }
  std::ranges::sort(out, {}, &ServicePort::name);
  return out;
}

}  // namespace keelson::proxy
