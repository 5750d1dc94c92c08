// WebSocket frames (RFC 6455 §5): bytes to frames and back. Pure: no I/O. See net/websocket.h for
// connections.
//
// Thread rule: not thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace keelson::net {

enum class WsOpcode : std::uint8_t {
  kContinuation = 0x0,
  kText = 0x1,
  kBinary = 0x2,
  kClose = 0x8,
  kPing = 0x9,
  kPong = 0xa,
};

struct WsFrame {
  WsOpcode opcode = WsOpcode::kBinary;
  bool fin = true;
  std::string payload;  // unmasked
};

class WsDecoder {
 public:
  // `masked`: whether the peer must mask (a client) or must not (a server). A frame's payload is at most
  // `max_payload`.
  WsDecoder(bool masked, std::size_t max_payload) : masked_(masked), max_payload_(max_payload) {}

  void feed(std::string_view bytes);
  // The next frame, or nullopt when more bytes are needed. kInvalidArgument: a protocol error (close code
  // 1002); kResourceExhausted: too big (1009). The decoder is then unusable.
  Result<std::optional<WsFrame>> next();

 private:
  const bool masked_;
  const std::size_t max_payload_;
  std::string buffer_;
  std::size_t start_ = 0;
};

// Appends one frame to `out`, masked with `mask` when there is one (a client must).
void ws_encode(std::string& out, WsOpcode opcode, bool fin, std::string_view payload,
               std::optional<std::uint32_t> mask);

}  // namespace keelson::net
