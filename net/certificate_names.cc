#include "net/certificate_names.h"

#include <arpa/inet.h>
#include <netdb.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>

#include "net/address.h"

namespace keelson::net {
namespace {

using Address = std::array<unsigned char, 16>;

// IPv4 as IPv6 writes it: both forms are one address.
std::optional<Address> parse_ip(const std::string& text) {
  Address out{};
  if (::inet_pton(AF_INET6, text.c_str(), out.data()) == 1) return out;
  if (::inet_pton(AF_INET, text.c_str(), out.data() + 12) != 1) return std::nullopt;
  out[10] = out[11] = 0xff;
  return out;
}

bool has_ip(const std::vector<std::string>& all, const std::string& ip) {
  const auto wanted = parse_ip(ip);
  return wanted && std::ranges::any_of(all, [&](const std::string& one) { return parse_ip(one) == wanted; });
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

bool fits(const std::string& pattern, const std::string& host) {
  if (pattern.empty() || host.empty()) return false;
  if (!pattern.starts_with("*.")) return pattern == host;
  const auto dot = host.find('.');
  return dot != std::string::npos && dot > 0 && std::string_view(pattern).substr(1) == host.substr(dot);
}

std::string join(const std::vector<std::string>& all, std::string_view between, std::string_view quote) {
  std::string out;
  for (const auto& one : all) {
    if (!out.empty()) out += between;
    out.append(quote).append(one).append(quote);
  }
  return out;
}

// `why` is what the last lookup that failed says.
bool has_name(const PeerCertificate& cert, const std::string& ip, NameService& names, std::string& why) {
  const auto found = names.names_of(ip);
  if (!found) why = found.error().message;
  for (const auto& name : found.value_or(std::vector<std::string>{})) {
    for (const auto& dns : cert.dns_names) {
      if (dns.starts_with("*.") ? name.ends_with(std::string_view(dns).substr(1)) : name == dns) return true;
    }
  }
  for (const auto& dns : cert.dns_names) {
    if (dns.starts_with("*.")) continue;
    const auto addresses = names.addresses_of(dns);
    if (!addresses) {
      why = addresses.error().message;
    } else if (has_ip(*addresses, ip)) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool covers_host(const PeerCertificate& cert, std::string_view host) {
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  if (parse_ip(std::string(host))) return has_ip(cert.ip_addresses, std::string(host));
  if (host.ends_with('.')) host.remove_suffix(1);
  const std::string wanted = lower(host);
  return std::ranges::any_of(cert.dns_names, [&](const auto& name) { return fits(lower(name), wanted); });
}

Result<std::vector<std::string>> SystemNames::names_of(const std::string& ip) {
  const auto address = TRY(resolve(ip, "0")).front();
  const bool v4 = address.storage.ss_family == AF_INET;
  const void* bytes =
      v4 ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr)
         : &reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr;
  std::vector<char> buffer(64 * 1024);
  hostent entry{};
  hostent* found = nullptr;
  int error = 0;
  ::gethostbyaddr_r(bytes, v4 ? 4 : 16, address.storage.ss_family, &entry, buffer.data(), buffer.size(),
                    &found, &error);
  if (found == nullptr) return fail(Code::kUnavailable, "lookup " + ip + ": " + ::hstrerror(error));
  std::vector<std::string> out{found->h_name};
  for (char** alias = found->h_aliases; *alias != nullptr; ++alias) out.emplace_back(*alias);
  for (auto& name : out) {
    if (name.ends_with('.')) name.pop_back();
  }
  return out;
}

Result<std::vector<std::string>> SystemNames::addresses_of(const std::string& name) {
  std::vector<std::string> out;
  for (const auto& address : TRY(resolve(name, "0"))) out.push_back(address.ip());
  return out;
}

bool wants_lookup(const PeerCertificate& cert, const std::string& ip) {
  return !cert.dns_names.empty() && !has_ip(cert.ip_addresses, ip);
}

Result<void> check_source(const PeerCertificate& cert, const std::string& ip, NameService& names) {
  if (cert.ip_addresses.empty() && cert.dns_names.empty()) return {};
  if (has_ip(cert.ip_addresses, ip)) return {};
  if (cert.dns_names.empty()) {
    return fail(Code::kUnauthenticated,
                "x509: certificate is valid for " + join(cert.ip_addresses, ", ", "") + ", not " + ip);
  }
  std::string why;
  if (has_name(cert, ip, names, why)) return {};
  return fail(Code::kUnauthenticated, "tls: \"" + ip + "\" does not match any of DNSNames [" +
                                          join(cert.dns_names, " ", "\"") + "]" +
                                          (why.empty() ? "" : " (" + why + ")"));
}

}  // namespace keelson::net
