#include <arpa/inet.h>

#include <cstdint>

#include "api/gen/core_v1.h"
#include "api/gen/discovery_v1.h"
#include "api/gen/networking_v1.h"
#include "api/validation/kinds.h"

namespace keelson::api::validation {
namespace {

namespace core = core_v1;
namespace discovery = discovery_v1;

void non_special_ip(ErrorList& errors, const Path& path, std::string_view ip) {
  in6_addr v6{};
  in_addr v4{};
  const std::string text(ip);
  const auto no = [&](const char* why) { errors.push_back(field::invalid(path, ip, why)); };
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) {
    const std::uint32_t a = ntohl(v4.s_addr);
    if (a == 0) no("may not be unspecified (0.0.0.0 or ::)");
    if (a >> 24 == 127) no("may not be in the loopback range (127.0.0.0/8, ::1/128)");
    if (a >> 16 == 0xa9fe) no("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    if (a >> 8 == 0xe00000) no("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  } else if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) {
    if (IN6_IS_ADDR_UNSPECIFIED(&v6)) no("may not be unspecified (0.0.0.0 or ::)");
    if (IN6_IS_ADDR_LOOPBACK(&v6)) no("may not be in the loopback range (127.0.0.0/8, ::1/128)");
    if (IN6_IS_ADDR_LINKLOCAL(&v6)) no("may not be in the link-local range (169.254.0.0/16, fe80::/10)");
    if (IN6_IS_ADDR_MC_LINKLOCAL(&v6)) no("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)");
  } else {
    no("must be a valid IP address");
  }
}

void address(ErrorList& errors, core::EndpointAddress a, const Path& path) {
  add_invalid(errors, path.child("ip"), a.ip(), ip_address(a.ip()));
  if (!a.hostname().empty()) add_invalid(errors, path.child("hostname"), a.hostname(), dns1123_label(a.hostname()));
  if (a.has_node_name()) add_invalid(errors, path.child("nodeName"), a.node_name(), dns1123_subdomain(a.node_name()));
  non_special_ip(errors, path.child("ip"), a.ip());
}

// REQUIRES: is_cidr(cidr).
bool has_host_bits(std::string_view cidr) {
  const auto slash = cidr.find('/');
  const std::string ip(cidr.substr(0, slash));
  unsigned char bytes[16] = {};
  const bool v4 = is_ipv4(ip);
  ::inet_pton(v4 ? AF_INET : AF_INET6, ip.c_str(), bytes);
  const int prefix = std::stoi(std::string(cidr.substr(slash + 1)));
  for (int bit = prefix; bit < (v4 ? 32 : 128); ++bit) {
    if ((bytes[bit / 8] >> (7 - bit % 8) & 1) != 0) return true;
  }
  return false;
}

void protocol(ErrorList& errors, const Path& path, std::string_view p) {
  if (p.empty()) {
    errors.push_back(field::required(path, ""));
  } else {
    one_of(errors, path, p, {"SCTP", "TCP", "UDP"});
  }
}

void slice_endpoints(ErrorList& errors, discovery::EndpointSlice slice) {
  const auto type = slice.address_type();
  const Path path("endpoints");
  if (slice.endpoints().size() > 1000) {
    errors.push_back(field::too_many(path, static_cast<int>(slice.endpoints().size()), 1000));
    return;
  }
  std::size_t i = 0;
  for (discovery::Endpoint e : slice.endpoints()) {
    const auto at = path.index(i++);
    const auto addresses = at.child("addresses");
    if (e.addresses().empty()) errors.push_back(field::required(addresses, "must contain at least 1 address"));
    if (e.addresses().size() > 100) errors.push_back(field::too_many(addresses, static_cast<int>(e.addresses().size()), 100));
    std::size_t k = 0;
    for (std::string_view a : e.addresses()) {
      const auto where = addresses.index(k++);
      if (type == "IPv4") {
        if (!is_ipv4(a)) {
          errors.push_back(field::invalid(where, a, is_ip(a) ? "must be an IPv4 address" : "must be a valid IPv4 address"));
        } else {
          non_special_ip(errors, where, a);
        }
      } else if (type == "IPv6") {
        if (!is_ip(a) || is_ipv4(a)) {
          errors.push_back(field::invalid(where, a, is_ip(a) ? "must be an IPv6 address" : "must be a valid IPv6 address"));
        } else {
          non_special_ip(errors, where, a);
        }
      } else if (type == "FQDN") {
        add_invalid(errors, where, a, dns1123_subdomain(a));
      }
    }
    if (e.has_node_name()) add_invalid(errors, at.child("nodeName"), e.node_name(), dns1123_subdomain(e.node_name()));
    if (e.has_hostname()) add_invalid(errors, at.child("hostname"), e.hostname(), dns1123_label(e.hostname()));
  }
}

void slice_ports(ErrorList& errors, discovery::EndpointSlice slice) {
  const Path path("ports");
  std::vector<std::string_view> names;
  std::size_t i = 0;
  for (discovery::EndpointPort p : slice.ports()) {
    const auto at = path.index(i++);
    if (!p.name().empty()) add_invalid(errors, at.child("name"), p.name(), dns1123_label(p.name()));
    for (const auto n : names) {
      if (n == p.name()) errors.push_back(field::duplicate(at.child("name"), p.name()));
    }
    names.push_back(p.name());
    protocol(errors, at.child("protocol"), p.protocol());
    if (p.has_port()) {
      for (const auto& m : port_number(p.port())) errors.push_back(field::invalid(at.child("port"), p.port(), m));
    }
    if (p.has_app_protocol()) add_invalid(errors, at.child("appProtocol"), p.app_protocol(), qualified_name(p.app_protocol()));
  }
}

}  // namespace

void endpoints(ErrorList& errors, const Object& o) {
  std::size_t i = 0;
  for (core::EndpointSubset s : core::Endpoints::of(o).subsets()) {
    const auto at = Path("subsets").index(i++);
    if (s.addresses().empty() && s.not_ready_addresses().empty()) {
      errors.push_back(field::required(at, "must specify `addresses` or `notReadyAddresses`"));
    }
    std::size_t k = 0;
    for (core::EndpointAddress a : s.addresses()) address(errors, a, at.child("addresses").index(k++));
    k = 0;
    for (core::EndpointAddress a : s.not_ready_addresses()) address(errors, a, at.child("notReadyAddresses").index(k++));
    k = 0;
    for (core::EndpointPort p : s.ports()) {
      const auto port = at.child("ports").index(k++);
      if (p.name().empty() && s.ports().size() > 1) errors.push_back(field::required(port.child("name"), ""));
      if (!p.name().empty()) add_invalid(errors, port.child("name"), p.name(), dns1123_label(p.name()));
      for (const auto& m : port_number(p.port())) errors.push_back(field::invalid(port.child("port"), p.port(), m));
      protocol(errors, port.child("protocol"), p.protocol());
      if (p.has_app_protocol()) add_invalid(errors, port.child("appProtocol"), p.app_protocol(), qualified_name(p.app_protocol()));
    }
  }
}

void endpoint_slice(ErrorList& errors, const Object& o) {
  const auto slice = discovery::EndpointSlice::of(o);
  if (slice.address_type().empty()) {
    errors.push_back(field::required(Path("addressType"), ""));
  } else {
    one_of(errors, Path("addressType"), slice.address_type(), {"FQDN", "IPv4", "IPv6"});
  }
  slice_endpoints(errors, slice);
  slice_ports(errors, slice);
}

void endpoint_slice_update(ErrorList& errors, const Object& now, const Object& old) {
  const auto n = discovery::EndpointSlice::of(now), was = discovery::EndpointSlice::of(old);
  if (n.address_type() != was.address_type()) {
    errors.push_back(field::invalid(Path("addressType"), n.address_type(), "field is immutable"));
    return;
  }
  endpoint_slice(errors, now);
}

void service_cidr(ErrorList& errors, const Object& o) {
  const auto cidrs = networking_v1::ServiceCIDR::of(o).spec().cidrs();
  const auto path = Path("spec").child("cidrs");
  if (cidrs.empty()) errors.push_back(field::required(path, "at least one CIDR required"));
  if (cidrs.size() > 2) {
    errors.push_back(field::invalid(path, field::BadValue::raw("{\"CIDRs\":" + json_value(cidrs).text() + "}"), "may only hold up to 2 values"));
    return;
  }
  std::size_t i = 0;
  for (std::string_view c : cidrs) {
    const auto at = path.index(i++);
    if (!is_cidr(c)) {
      errors.push_back(field::invalid(at, c, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"));
    } else if (has_host_bits(c)) {
      errors.push_back(field::invalid(at, c, "must not have bits set beyond the prefix length"));
    }
  }
  if (cidrs.size() == 2 && is_ipv4(cidrs[0].substr(0, cidrs[0].find('/'))) == is_ipv4(cidrs[1].substr(0, cidrs[1].find('/')))) {
    errors.push_back(field::invalid(path, json_value(cidrs), "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"));
  }
}

void service_cidr_update(ErrorList& errors, const Object& now, const Object& old) {
  immutable(errors, networking_v1::ServiceCIDR::of(now).spec(), networking_v1::ServiceCIDR::of(old).spec(), Path("spec").child("cidrs"));
}

void ip_address(ErrorList& errors, const Object& o) {
  const auto ip = networking_v1::IPAddress::of(o);
  const auto ref = ip.spec().parent_ref();
  const auto path = Path("spec").child("parentRef");
  if (!ip.spec().has_parent_ref()) {
    errors.push_back(field::required(path, ""));
    return;
  }
  required_text(errors, path.child("resource"), ref.resource());
  required_text(errors, path.child("name"), ref.name());
}

void ip_address_update(ErrorList& errors, const Object& now, const Object& old) {
  immutable(errors, networking_v1::IPAddress::of(now).spec().parent_ref(), networking_v1::IPAddress::of(old).spec().parent_ref(),
            Path("spec").child("parentRef"));
}

}  // namespace keelson::api::validation
