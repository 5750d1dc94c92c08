#include "api/validation/names.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace keelson::api::validation {
namespace {

bool lower_alnum(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }
bool alnum(char c) { return lower_alnum(c) || (c >= 'A' && c <= 'Z'); }

// Letters and digits at both ends, and `inner` between them; not empty.
bool framed(std::string_view s, bool (*end)(char), std::string_view inner) {
  if (s.empty() || !end(s.front()) || !end(s.back())) return false;
  return std::ranges::all_of(s, [&](char c) { return end(c) || inner.find(c) != std::string_view::npos; });
}

std::string too_long(std::size_t max) { return "must be no more than " + std::to_string(max) + " characters"; }
std::string too_long_bytes(std::size_t max) { return "must be no more than " + std::to_string(max) + " bytes"; }

std::string regex_error(std::string_view text, std::string_view pattern, std::initializer_list<std::string_view> examples) {
  std::string out = std::string(text) + " (e.g. ";
  bool first = true;
  for (const auto e : examples) {
    if (!first) out += " or ";
    out += "'" + std::string(e) + "', ";
    first = false;
  }
  return out + "regex used for validation is '" + std::string(pattern) + "')";
}

bool subdomain(std::string_view s) {
  while (true) {
    const auto dot = s.find('.');
    if (!framed(s.substr(0, dot), lower_alnum, "-")) return false;
    if (dot == std::string_view::npos) return true;
    s.remove_prefix(dot + 1);
  }
}

}  // namespace

Messages dns1123_label(std::string_view s) {
  Messages out;
  if (s.size() > 63) out.push_back(too_long(63));
  if (!framed(s, lower_alnum, "-")) {
    if (subdomain(s)) {
      out.emplace_back("must not contain dots");
    } else {
      out.push_back(regex_error("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
                                "start and end with an alphanumeric character",
                                "[a-z0-9]([-a-z0-9]*[a-z0-9])?", {"my-name", "123-abc"}));
    }
  }
  return out;
}

Messages dns1123_subdomain(std::string_view s) {
  Messages out;
  if (s.size() > 253) out.push_back(too_long(253));
  if (!subdomain(s)) {
    out.push_back(regex_error("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
                              "must start and end with an alphanumeric character",
                              "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*", {"example.com"}));
  }
  return out;
}

Messages dns1035_label(std::string_view s) {
  Messages out;
  if (s.size() > 63) out.push_back(too_long(63));
  if (!framed(s, lower_alnum, "-") || s.front() < 'a') {
    out.push_back(regex_error("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
                              "alphabetic character, and end with an alphanumeric character",
                              "[a-z]([-a-z0-9]*[a-z0-9])?", {"my-name", "abc-123"}));
  }
  return out;
}

Messages qualified_name(std::string_view s) {
  Messages out;
  const std::string shape = regex_error(
      "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
      "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]", {"MyName", "my.name", "123-abc"});
  std::string_view name = s;
  const auto slash = s.find('/');
  if (slash != std::string_view::npos) {
    const auto prefix = s.substr(0, slash);
    name = s.substr(slash + 1);
    if (name.find('/') != std::string_view::npos) {
      return {"a qualified name " + shape + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
    }
    if (prefix.empty()) {
      out.emplace_back("prefix part must be non-empty");
    } else {
      for (const auto& m : dns1123_subdomain(prefix)) out.push_back("prefix part " + m);
    }
  }
  if (name.empty()) {
    out.emplace_back("name part must be non-empty");
  } else if (name.size() > 63) {
    out.push_back("name part " + too_long_bytes(63));
  }
  if (!framed(name, alnum, "-_.")) out.push_back("name part " + shape);
  return out;
}

Messages label_value(std::string_view s) {
  Messages out;
  if (s.size() > 63) out.push_back(too_long_bytes(63));
  if (!s.empty() && !framed(s, alnum, "-_.")) {
    out.push_back(regex_error("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
                              "must start and end with an alphanumeric character",
                              "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", {"MyValue", "my_value", "12345"}));
  }
  return out;
}

Messages config_map_key(std::string_view s) {
  Messages out;
  if (s.size() > 253) out.push_back(too_long(253));
  const bool good = !s.empty() && std::ranges::all_of(s, [](char c) { return alnum(c) || c == '-' || c == '.' || c == '_'; });
  if (!good) {
    out.push_back(regex_error("a valid config key must consist of alphanumeric characters, '-', '_' or '.'", "[-._a-zA-Z0-9]+",
                              {"key.name", "KEY_NAME", "key-name"}));
  }
  if (s == ".") out.emplace_back("must not be '.'");
  else if (s == "..") out.emplace_back("must not be '..'");
  else if (s.starts_with("..")) out.emplace_back("must not start with '..'");
  return out;
}

Messages env_var_name(std::string_view s) {
  const bool good = !s.empty() && std::ranges::all_of(s, [](char c) { return c >= ' ' && c <= '~' && c != '='; });
  if (good) return {};
  return {"a valid environment variable name must consist only of printable ASCII characters other than '='"};
}

Messages http_header_name(std::string_view s) {
  const bool good = !s.empty() && std::ranges::all_of(s, [](char c) { return alnum(c) || c == '-'; });
  if (good) return {};
  return {regex_error("a valid HTTP header must consist of alphanumeric characters or '-'", "[-A-Za-z0-9]+", {"X-Header-Name"})};
}

Messages port_number(std::int64_t port) {
  if (port >= 1 && port <= 65535) return {};
  return {"must be between 1 and 65535, inclusive"};
}

Messages port_name(std::string_view s) {
  Messages out;
  if (s.size() > 15) out.push_back(too_long(15));
  if (!std::ranges::all_of(s, [](char c) { return lower_alnum(c) || c == '-'; }) || s.empty()) {
    out.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (!std::ranges::any_of(s, [](char c) { return c >= 'a' && c <= 'z'; })) {
    out.emplace_back("must contain at least one letter (a-z)");
  }
  if (s.find("--") != std::string_view::npos) out.emplace_back("must not contain consecutive hyphens");
  if (!s.empty() && (s.front() == '-' || s.back() == '-')) out.emplace_back("must not begin or end with a hyphen");
  return out;
}

Messages percent(std::string_view s) {
  const auto digits = s.substr(0, s.empty() ? 0 : s.size() - 1);
  const bool good = s.size() > 1 && s.back() == '%' && std::ranges::all_of(digits, [](char c) { return c >= '0' && c <= '9'; });
  if (good) return {};
  return {regex_error("a valid percent string must be a numeric string followed by an ending '%'", "[0-9]+%", {"1%", "93%"})};
}

Messages path_segment(std::string_view s) {
  if (s == "." || s == "..") return {"may not be '" + std::string(s) + "'"};
  Messages out;
  for (const char* bad : {"/", "%"}) {
    if (s.find(bad) != std::string_view::npos) out.push_back("may not contain '" + std::string(bad) + "'");
  }
  return out;
}

bool is_ipv4(std::string_view s) {
  in_addr a;
  // inet_pton refuses leading zeros beyond what Go does: "010.0.0.1" is refused by both.
  return s.size() < 16 && ::inet_pton(AF_INET, std::string(s).c_str(), &a) == 1;
}

bool is_ip(std::string_view s) {
  in6_addr a;
  return is_ipv4(s) || (s.size() < 46 && ::inet_pton(AF_INET6, std::string(s).c_str(), &a) == 1);
}

bool is_cidr(std::string_view s) {
  const auto slash = s.find('/');
  if (slash == std::string_view::npos || !is_ip(s.substr(0, slash))) return false;
  const auto bits = s.substr(slash + 1);
  int n = -1;
  const auto [end, ec] = std::from_chars(bits.data(), bits.data() + bits.size(), n);
  return ec == std::errc() && end == bits.data() + bits.size() && n >= 0 && n <= (is_ipv4(s.substr(0, slash)) ? 32 : 128);
}

Messages ip_address(std::string_view s) {
  if (is_ip(s)) return {};
  return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
}

}  // namespace keelson::api::validation
