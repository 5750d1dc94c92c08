// Any bytes into the SPDY decoder, in two feeds: it must end with frames or an error, within its bounds, and
// what it yields must not depend on where the feed was cut.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "net/spdy_frame.h"

namespace {

std::string decode(std::string_view bytes, std::size_t cut) {
  keelson::net::SpdyDecoder decoder;
  std::string seen;
  for (const auto part : {bytes.substr(0, cut), bytes.substr(cut)}) {
    decoder.feed(part);
    for (;;) {
      auto frame = decoder.next();
      if (!frame) return seen + "error";
      if (!*frame) break;
      if ((*frame)->type == keelson::net::SpdyType::kData) {
        seen += (*frame)->data;
        if ((*frame)->fin) seen += "|fin";
      } else {
        seen += "|" + std::to_string(int((*frame)->type)) + ":" +
                std::to_string((*frame)->headers.fields().size());
      }
    }
  }
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (decode(bytes, bytes.size()) != decode(bytes, bytes.size() * data[0] / 256)) std::abort();
  return 0;
}
