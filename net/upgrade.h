// What an HTTP/1.1 request for a protocol switch asks for, and how one of the offered subprotocols is chosen.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/http.h"

namespace keelson::net {

// Connection: Upgrade.
bool is_upgrade_request(const Request& request);
// Also Upgrade: websocket.
bool is_websocket_request(const Request& request);
// Also Upgrade: SPDY/3.1.
bool is_spdy_request(const Request& request);

// All elements of the comma-separated header `name`, trimmed.
std::vector<std::string> header_list(const Headers& headers, std::string_view name);
// The client's first choice among `supported` (header `name` lists the client's choices, best first).
std::optional<std::string> choose_protocol(const Headers& headers, std::string_view name,
                                           std::span<const std::string_view> supported);

}  // namespace keelson::net
