// Any bytes are a message or an error; a node that gets them as messages never crashes.
#include "base/rng.h"
#include "raft/core/message_codec.h"
#include "raft/core/node.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace keelson;
  using namespace keelson::raft;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  Rng rng(1);
  Restored restored;
  restored.membership.voters = {NodeId(1), NodeId(2), NodeId(3)};
  Node node({.id = NodeId(1)}, restored, rng);
  // The first byte of each piece is its size.
  for (std::size_t at = 0; at < input.size();) {
    const std::size_t n = static_cast<unsigned char>(input[at]);
    const auto piece = Bytes::copy(input.substr(at + 1, n));
    at += n + 1;
    if (auto m = decode_message(piece)) {
      m->to = NodeId(1);
      node.step(*std::move(m));
    } else if (n % 2 == 0) {
      node.campaign();
    } else {
      node.tick();
    }
    for (int i = 0; i < 8 && node.has_ready(); ++i) {
      const Ready r = node.take_ready();
      node.persisted(r.number);
      for (const auto& e : r.committed) {
        if (e.type == EntryType::kConfChange) (void)node.apply_conf_change(e);
        node.applied(e.index);
      }
    }
  }
  return 0;
}
