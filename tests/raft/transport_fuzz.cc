// Any bytes on a peer stream, in any pieces: frames come out or an error, as for the whole; chunks, messages
// and lists of members are read or refused.
#include <cstdlib>
#include <vector>

#include "raft/core/message_codec.h"
#include "raft/transport/frame.h"
#include "raft/transport/member_list.h"

using namespace keelson;
using namespace keelson::raft;

namespace {

// The frames until the first error, and whether there was one.
std::pair<std::vector<std::string>, bool> cut(std::string_view bytes, std::size_t step) {
  FrameReader reader;
  std::vector<std::string> out;
  while (!bytes.empty()) {
    const std::size_t n = std::min(step, bytes.size());
    reader.append(std::string(bytes.substr(0, n)));
    bytes.remove_prefix(n);
    for (;;) {
      auto frame = reader.next();
      if (!frame) return {out, true};
      if (!*frame) break;
      out.emplace_back((*frame)->view());
    }
  }
  return {out, false};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const auto whole = cut(bytes, bytes.size() + 1);
  if (cut(bytes, 1) != whole || cut(bytes, 7) != whole) std::abort();
  for (const auto& frame : whole.first) {
    (void)read_chunk(frame);
    (void)decode_message(Bytes(frame));
  }
  if (const auto members = parse_members_json(bytes)) {
    const auto again = parse_members_json(members_json(*members));
    if (!again || *again != *members) std::abort();
  }
  return 0;
}
