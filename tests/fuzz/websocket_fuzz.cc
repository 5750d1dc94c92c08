// Any bytes into the WebSocket decoder: frames or an error, within its bounds, whatever the chunking; and
// every frame that was decoded encodes to bytes that decode to itself.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "net/websocket_frame.h"

namespace {

using keelson::net::WsDecoder;
using keelson::net::WsFrame;

std::vector<WsFrame> decode(std::string_view bytes, std::size_t cut, bool& failed) {
  WsDecoder decoder(true, 4096);
  std::vector<WsFrame> frames;
  for (const auto part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    decoder.feed(part);
    for (;;) {
      auto frame = decoder.next();
      failed = !frame;
      if (failed) return frames;
      if (!*frame) break;
      frames.push_back(std::move(**frame));
    }
  }
  return frames;
}

bool same(const std::vector<WsFrame>& a, const std::vector<WsFrame>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].opcode != b[i].opcode || a[i].fin != b[i].fin || a[i].payload != b[i].payload) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  bool failed = false, failed_too = false;
  const auto frames = decode(bytes, bytes.size(), failed);
  const auto again = decode(bytes, bytes.size() * data[0] / 256, failed_too);
  if (failed != failed_too || !same(frames, again)) std::abort();
  std::string wire;
  for (const auto& f : frames) keelson::net::ws_encode(wire, f.opcode, f.fin, f.payload, 0xdeadbeef);
  bool broken = false;
  if (!same(frames, decode(wire, wire.size(), broken)) || broken) std::abort();
  return 0;
}
