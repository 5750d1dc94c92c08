#include <algorithm>
#include <set>

#include "api/gen/core_v1.h"
#include "api/validation/kinds.h"

namespace keelson::api::validation {
namespace {

namespace core = core_v1;

const Path kSpec("spec");

bool external(core::ServiceSpec s) {
  return s.type() == "LoadBalancer" || s.type() == "NodePort" || (s.type() == "ClusterIP" && !s.external_ips().empty());
}

void ports(ErrorList& errors, core::ServiceSpec spec, bool headless) {
  const auto path = kSpec.child("ports");
  if (spec.ports().empty() && !headless && spec.type() != "ExternalName") errors.push_back(field::required(path, ""));
  std::set<std::string_view> names;
  std::size_t i = 0;
  for (core::ServicePort p : spec.ports()) {
    const auto at = path.index(i++);
    if (p.name().empty()) {
      if (spec.ports().size() > 1) errors.push_back(field::required(at.child("name"), ""));
    } else {
      add_invalid(errors, at.child("name"), p.name(), dns1123_label(p.name()));
      if (!names.insert(p.name()).second) errors.push_back(field::duplicate(at.child("name"), p.name()));
    }
    for (const auto& m : port_number(p.port())) errors.push_back(field::invalid(at.child("port"), p.port(), m));
    if (p.protocol().empty()) {
      errors.push_back(field::required(at.child("protocol"), ""));
    } else {
      one_of(errors, at.child("protocol"), p.protocol(), {"SCTP", "TCP", "UDP"});
    }
    const auto target = p.target_port();
    if (target.is_int) {
      for (const auto& m : port_number(target.number)) errors.push_back(field::invalid(at.child("targetPort"), target.number, m));
    } else {
      add_invalid(errors, at.child("targetPort"), target.text, port_name(target.text));
    }
    if (p.has_app_protocol()) add_invalid(errors, at.child("appProtocol"), p.app_protocol(), qualified_name(p.app_protocol()));
  }
}

void port_collisions(ErrorList& errors, core::ServiceSpec spec) {
  const auto path = kSpec.child("ports");
  std::set<std::pair<std::string_view, int>> node_ports, service_ports;
  std::size_t i = 0;
  for (core::ServicePort p : spec.ports()) {
    const auto at = path.index(i++);
    if (p.node_port() != 0) {
      if (spec.type() == "ClusterIP" || spec.type() == "ExternalName") {
        errors.push_back(field::forbidden(at.child("nodePort"), "may not be used when `type` is '" + std::string(spec.type()) + "'"));
      }
      if (!node_ports.insert({p.protocol(), p.node_port()}).second) {
        errors.push_back(field::duplicate(at.child("nodePort"), std::int64_t{p.node_port()} == 0 ? "" : std::to_string(p.node_port())));
      }
    }
    if (!service_ports.insert({p.protocol(), p.port()}).second) {
      auto e = field::duplicate(at, json_value(p));
      errors.push_back(std::move(e));
    }
  }
}

void affinity(ErrorList& errors, core::ServiceSpec spec) {
  if (spec.session_affinity().empty()) {
    errors.push_back(field::required(kSpec.child("sessionAffinity"), ""));
  } else {
    one_of(errors, kSpec.child("sessionAffinity"), spec.session_affinity(), {"ClientIP", "None"});
  }
  const auto path = kSpec.child("sessionAffinityConfig");
  const auto client = spec.session_affinity_config().client_ip();
  if (spec.session_affinity() == "ClientIP") {
    const auto seconds = client.timeout_seconds();
    if (client.has_timeout_seconds() && (seconds <= 0 || seconds > 86400)) {
      errors.push_back(field::invalid(path.child("clientIP").child("timeoutSeconds"), seconds, "must be greater than 0 and less than 86400"));
    }
  } else if (spec.session_affinity() == "None" && spec.session_affinity_config().has_client_ip()) {
    errors.push_back(field::forbidden(path, "must not be set when session affinity is None"));
  }
}

void external_ips(ErrorList& errors, core::ServiceSpec spec) {
  std::size_t i = 0;
  for (std::string_view ip : spec.external_ips()) {
    const auto at = kSpec.child("externalIPs").index(i++);
    const auto bad = ip_address(ip);
    add_invalid(errors, at, ip, bad);
    if (!bad.empty()) continue;
    if (ip.starts_with("127.") || ip == "::1") errors.push_back(field::invalid(at, ip, "may not be in the loopback range (127.0.0.0/8, ::1/128)"));
    if (ip == "0.0.0.0" || ip == "::") errors.push_back(field::invalid(at, ip, "may not be unspecified (0.0.0.0 or ::)"));
    if (ip.starts_with("169.254.")) errors.push_back(field::invalid(at, ip, "may not be in the link-local range (169.254.0.0/16, fe80::/10)"));
    if (ip.starts_with("224.0.0.")) errors.push_back(field::invalid(at, ip, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)"));
  }
}

void load_balancer(ErrorList& errors, core::ServiceSpec spec) {
  if (spec.type() == "LoadBalancer") {
    std::size_t i = 0;
    for (std::string_view r : spec.load_balancer_source_ranges()) {
      const auto at = kSpec.child("LoadBalancerSourceRanges").index(i++);
      if (!is_cidr(r)) errors.push_back(field::invalid(at, r, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"));
    }
    if (spec.has_load_balancer_class()) {
      add_invalid(errors, kSpec.child("loadBalancerClass"), spec.load_balancer_class(), qualified_name(spec.load_balancer_class()));
    }
    if (!spec.has_allocate_load_balancer_node_ports()) errors.push_back(field::required(kSpec.child("allocateLoadBalancerNodePorts"), ""));
    return;
  }
  if (!spec.load_balancer_source_ranges().empty()) {
    errors.push_back(field::forbidden(kSpec.child("LoadBalancerSourceRanges"), "may only be used when `type` is 'LoadBalancer'"));
  }
  if (spec.has_load_balancer_class()) {
    errors.push_back(field::forbidden(kSpec.child("loadBalancerClass"), "may only be used when `type` is 'LoadBalancer'"));
  }
  if (spec.has_allocate_load_balancer_node_ports()) {
    errors.push_back(field::forbidden(kSpec.child("allocateLoadBalancerNodePorts"), "may only be used when `type` is 'LoadBalancer'"));
  }
}

void traffic_policies(ErrorList& errors, core::ServiceSpec spec) {
  const auto path = kSpec.child("externalTrafficPolicy");
  if (!external(spec)) {
    if (!spec.external_traffic_policy().empty()) {
      errors.push_back(field::invalid(path, spec.external_traffic_policy(), "may only be set for externally-accessible services"));
    }
  } else if (spec.external_traffic_policy().empty()) {
    errors.push_back(field::required(path, ""));
  } else {
    one_of(errors, path, spec.external_traffic_policy(), {"Cluster", "Local"});
  }
  const bool local_lb = spec.type() == "LoadBalancer" && spec.external_traffic_policy() == "Local";
  if (spec.health_check_node_port() != 0 && !local_lb) {
    errors.push_back(field::invalid(kSpec.child("healthCheckNodePort"), spec.health_check_node_port(),
                                    "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'"));
  }
  if (spec.has_internal_traffic_policy()) {
    one_of(errors, kSpec.child("internalTrafficPolicy"), spec.internal_traffic_policy(), {"Cluster", "Local"});
  }
  if (spec.has_traffic_distribution()) {
    one_of(errors, kSpec.child("trafficDistribution"), spec.traffic_distribution(), {"PreferClose", "PreferSameZone", "PreferSameNode"});
  }
}

void families(ErrorList& errors, core::ServiceSpec spec) {
  std::set<std::string_view> seen;
  std::size_t i = 0;
  for (std::string_view f : spec.ip_families()) {
    const auto at = kSpec.child("ipFamilies").index(i++);
    if (f != "IPv4" && f != "IPv6") one_of(errors, at, f, {"IPv4", "IPv6"});
    if (!seen.insert(f).second) errors.push_back(field::duplicate(at, f));
  }
  if (spec.has_ip_family_policy()) {
    one_of(errors, kSpec.child("ipFamilyPolicy"), spec.ip_family_policy(), {"PreferDualStack", "RequireDualStack", "SingleStack"});
  }
}

void cluster_ips(ErrorList& errors, core::ServiceSpec spec) {
  const auto path = kSpec.child("clusterIPs");
  const auto ips = spec.cluster_ips();
  if (spec.type() == "ExternalName") {
    if (!ips.empty()) errors.push_back(field::forbidden(path, "may not be set for ExternalName services"));
    return;
  }
  if (!ips.empty() && spec.cluster_ip().empty()) {
    errors.push_back(field::invalid(path, json_value(ips), "must be empty when `clusterIP` is not specified"));
  } else if (!ips.empty() && ips[0] != spec.cluster_ip()) {
    errors.push_back(field::invalid(path, json_value(ips), "first value must match `clusterIP`"));
  }
  std::size_t i = 0;
  int v4 = 0, v6 = 0;
  for (std::string_view ip : ips) {
    const auto at = path.index(i++);
    if (ip == "None") {
      if (ips.size() > 1) errors.push_back(field::invalid(at, ip, "'None' must be the first and only value"));
      continue;
    }
    add_invalid(errors, at, ip, ip_address(ip));
    (is_ipv4(ip) ? v4 : v6) += is_ip(ip) ? 1 : 0;
  }
  if (ips.size() > 2) errors.push_back(field::invalid(path, json_value(ips), "may only hold up to 2 values"));
  if (v4 > 1 || v6 > 1) {
    errors.push_back(field::invalid(path, json_value(ips), "may specify no more than one IP for each IP family"));
  }
}

}  // namespace

void service_addresses(ErrorList& errors, core::ServiceSpec spec) {
  families(errors, spec);
  cluster_ips(errors, spec);
}

void service(ErrorList& errors, const Object& o) {
  const auto spec = core::Service::of(o).spec();
  const bool headless = spec.cluster_ip() == "None" || spec.cluster_ips().contains("None");
  const auto type = spec.type();
  if (type == "LoadBalancer") {
    std::size_t i = 0;
    if (headless) errors.push_back(field::invalid(kSpec.child("clusterIPs").index(i), "None", "may not be set to 'None' for LoadBalancer services"));
  } else if (type == "NodePort" && headless) {
    errors.push_back(field::invalid(kSpec.child("clusterIPs").index(0), "None", "may not be set to 'None' for NodePort services"));
  } else if (type == "ExternalName") {
    const auto path = kSpec.child("externalName");
    std::string_view name = spec.external_name();
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty()) {
      errors.push_back(field::required(path, ""));
    } else {
      add_invalid(errors, path, spec.external_name(), dns1123_subdomain(name));
    }
  }
  ports(errors, spec, headless);
  affinity(errors, spec);
  labels(errors, spec.selector(), kSpec.child("selector"));
  external_ips(errors, spec);
  if (type.empty()) {
    errors.push_back(field::required(kSpec.child("type"), ""));
  } else {
    one_of(errors, kSpec.child("type"), type, {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"});
  }
  port_collisions(errors, spec);
  load_balancer(errors, spec);
  traffic_policies(errors, spec);
  families(errors, spec);
  cluster_ips(errors, spec);
}

void service_update(ErrorList& errors, const Object& now_o, const Object& old_o) {
  const auto now = core::Service::of(now_o).spec(), old = core::Service::of(old_o).spec();
  if (old.type() != "ExternalName" && now.type() != "ExternalName" && !old.cluster_ip().empty() && now.cluster_ip() != old.cluster_ip()) {
    const auto path = kSpec.child("clusterIPs").index(0);
    if (now.cluster_ip().empty()) {
      errors.push_back(field::invalid(path, json_value(now.cluster_ips()), "primary clusterIP can not be unset"));
    } else {
      errors.push_back(field::invalid(path, json_value(now.cluster_ips()), "may not change once set"));
    }
  }
  if (!old.ip_families().empty() && !now.ip_families().empty() && old.type() != "ExternalName" && now.type() != "ExternalName" &&
      now.ip_families()[0] != old.ip_families()[0]) {
    errors.push_back(field::invalid(kSpec.child("ipFamilies").index(0), json_value(now.ip_families()), "may not change once set"));
  }
  if (old.type() == "LoadBalancer" && now.type() == "LoadBalancer" && old.load_balancer_class() != now.load_balancer_class()) {
    errors.push_back(field::invalid(kSpec.child("loadBalancerClass"), now.load_balancer_class(), "may not change once set"));
  }
  service(errors, now_o);
}

}  // namespace keelson::api::validation
