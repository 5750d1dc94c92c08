#include "net/websocket_frame.h"

#include <array>

namespace keelson::net {
namespace {

bool is_control(WsOpcode op) {
  return (static_cast<std::uint8_t>(op) & 0x8) != 0;
}

bool is_known(std::uint8_t op) {
  return op <= 2 || (op >= 8 && op <= 10);
}

void apply_mask(char* p, std::size_t n, std::uint32_t mask) {
  const std::array<char, 4> key{static_cast<char>(mask >> 24), static_cast<char>(mask >> 16),
                                static_cast<char>(mask >> 8), static_cast<char>(mask)};
  for (std::size_t i = 0; i < n; ++i) p[i] = static_cast<char>(p[i] ^ key[i % 4]);
}

std::uint64_t big_endian(std::string_view s) {
  std::uint64_t v = 0;
  for (const char c : s) v = v << 8 | static_cast<unsigned char>(c);
  return v;
}

}  // namespace

void WsDecoder::feed(std::string_view bytes) {
  buffer_.erase(0, start_);
  start_ = 0;
  buffer_.append(bytes);
}

Result<std::optional<WsFrame>> WsDecoder::next() {
  std::string_view rest = std::string_view(buffer_).substr(start_);
  if (rest.size() < 2) return std::nullopt;
  const auto b0 = static_cast<std::uint8_t>(rest[0]);
  const auto b1 = static_cast<std::uint8_t>(rest[1]);
  if ((b0 & 0x70) != 0 || !is_known(b0 & 0x0f))
    return fail(Code::kInvalidArgument, "WebSocket: unknown frame");
  if (((b1 & 0x80) != 0) != masked_) return fail(Code::kInvalidArgument, "WebSocket: wrong masking");
  WsFrame frame{static_cast<WsOpcode>(b0 & 0x0f), (b0 & 0x80) != 0, {}};
  std::size_t header = 2;
  std::uint64_t length = b1 & 0x7f;
  if (is_control(frame.opcode) && (length > 125 || !frame.fin)) {
    return fail(Code::kInvalidArgument, "WebSocket: bad control frame");
  }
  if (length >= 126) {
    const std::size_t extra = length == 126 ? 2 : 8;
    if (rest.size() < header + extra) return std::nullopt;
    length = big_endian(rest.substr(header, extra));
    header += extra;
  }
  if (length > max_payload_) return fail(Code::kResourceExhausted, "WebSocket: frame is too big");
  std::uint32_t mask = 0;
  if (masked_) {
    if (rest.size() < header + 4) return std::nullopt;
    mask = static_cast<std::uint32_t>(big_endian(rest.substr(header, 4)));
    header += 4;
  }
  if (rest.size() - header < length) return std::nullopt;
  frame.payload = rest.substr(header, length);
  if (masked_) apply_mask(frame.payload.data(), frame.payload.size(), mask);
  start_ += header + length;
  return frame;
}

void ws_encode(std::string& out, WsOpcode opcode, bool fin, std::string_view payload,
               std::optional<std::uint32_t> mask) {
  const auto put = [&out](std::uint64_t v, int bytes) {
    for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(v >> (8 * i)));
  };
  const std::uint8_t mask_bit = mask ? 0x80 : 0;
  out.push_back(static_cast<char>((fin ? 0x80 : 0) | static_cast<std::uint8_t>(opcode)));
  if (payload.size() < 126) {
    put(mask_bit | payload.size(), 1);
  } else if (payload.size() <= 0xffff) {
    put(mask_bit | 126u, 1);
    put(payload.size(), 2);
  } else {
    put(mask_bit | 127u, 1);
    put(payload.size(), 8);
  }
  if (mask) put(*mask, 4);
  const std::size_t at = out.size();
  out.append(payload);
  if (mask) apply_mask(out.data() + at, payload.size(), *mask);
}

}  // namespace keelson::net
