#include "net/upgrade.h"

#include <algorithm>

namespace keelson::net {

bool is_upgrade_request(const Request& request) {
  return request.headers.has_token("connection", "upgrade");
}

bool is_websocket_request(const Request& request) {
  return is_upgrade_request(request) && request.headers.has_token("upgrade", "websocket");
}

bool is_spdy_request(const Request& request) {
  return is_upgrade_request(request) && request.headers.has_token("upgrade", "spdy/3.1");
}

std::vector<std::string> header_list(const Headers& headers, std::string_view name) {
  std::vector<std::string> all;
  for (std::string_view rest : headers.get_all(name)) {
    for (;;) {
      const auto comma = rest.find(',');
      auto item = rest.substr(0, comma);
      while (item.starts_with(' ') || item.starts_with('\t')) item.remove_prefix(1);
      while (item.ends_with(' ') || item.ends_with('\t')) item.remove_suffix(1);
      if (!item.empty()) all.emplace_back(item);
      if (comma == std::string_view::npos) break;
      rest.remove_prefix(comma + 1);
    }
  }
  return all;
}

std::optional<std::string> choose_protocol(const Headers& headers, std::string_view name,
                                           std::span<const std::string_view> supported) {
  for (auto& offered : header_list(headers, name)) {
    if (std::ranges::find(supported, offered) != supported.end()) return std::move(offered);
  }
  return std::nullopt;
}

}  // namespace keelson::net
