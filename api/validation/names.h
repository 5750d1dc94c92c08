// Rules for names and other short texts, each giving upstream's messages (apimachinery util/validation). An empty list: it is fine.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace keelson::api::validation {

using Messages = std::vector<std::string>;

Messages dns1123_label(std::string_view s);
Messages dns1123_subdomain(std::string_view s);
Messages dns1035_label(std::string_view s);
Messages qualified_name(std::string_view s);
Messages label_value(std::string_view s);
Messages config_map_key(std::string_view s);
Messages env_var_name(std::string_view s);
Messages http_header_name(std::string_view s);
Messages port_number(std::int64_t port);
Messages port_name(std::string_view s);  // IANA service name
Messages percent(std::string_view s);
// Name of an object in a URL path: no "/", no "%", not "." or "..".
Messages path_segment(std::string_view s);

bool is_ip(std::string_view s);
bool is_ipv4(std::string_view s);
bool is_cidr(std::string_view s);
Messages ip_address(std::string_view s);

}  // namespace keelson::api::validation
