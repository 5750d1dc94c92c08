// What both sides of HTTP/2 need around nghttp2's C interface. Internal to net/.
#pragma once

#include <nghttp2/nghttp2.h>

#include <memory>
#include <string_view>
#include <vector>

#include "net/http.h"

namespace keelson::net {

struct H2SessionDelete {
  void operator()(nghttp2_session* s) const { nghttp2_session_del(s); }
};
using H2SessionPtr = std::unique_ptr<nghttp2_session, H2SessionDelete>;

// How much a peer may send ahead of the reader, per stream and per connection (the latter is given back at
// once, so that one stalled stream holds up no other).
inline constexpr std::int32_t kH2StreamWindow = 256 * 1024;
inline constexpr std::int32_t kH2ConnectionWindow = 4 * 1024 * 1024;

inline nghttp2_nv h2_field(std::string_view name, std::string_view value) {
  return {reinterpret_cast<std::uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<std::uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

// HTTP/1.1's connection fields have no place in HTTP/2 (RFC 9113 §8.2.2).
inline bool h2_forbidden(std::string_view name) {
  return name == "connection" || name == "transfer-encoding" || name == "keep-alive" || name == "upgrade" ||
         name == "proxy-connection" || name == "host";
}

inline void h2_append(std::vector<nghttp2_nv>& out, const Headers& headers) {
  for (const auto& [name, value] : headers.fields()) {
    if (!h2_forbidden(name)) out.push_back(h2_field(name, value));
  }
}

inline std::string_view h2_text(const std::uint8_t* data, std::size_t n) {
  return {reinterpret_cast<const char*>(data), n};
}

// Moves what nghttp2 wants to send to `out`, until it holds about `room` bytes. False when the session is
// broken.
inline bool h2_fill(nghttp2_session* session, std::string& out, std::size_t room) {
  while (out.size() < room) {
    const std::uint8_t* data = nullptr;
    const ssize_t n = nghttp2_session_mem_send(session, &data);
    if (n < 0) return false;
    if (n == 0) return true;
    out.append(reinterpret_cast<const char*>(data), static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace keelson::net
