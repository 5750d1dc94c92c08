#include "raft/transport/outbox.h"

#include "raft/core/message_codec.h"
#include "raft/transport/frame.h"

namespace keelson::raft {

std::string encode_frames(const std::vector<Outbox::Item>& items) {
  std::string out;
  for (const auto& item : items) {
    const std::size_t mark = begin_frame(out);
    if (const auto* message = std::get_if<Message>(&item)) {
      encode(*message, out);
    } else {
      out.append(std::get<Bytes>(item).view());
    }
    end_frame(out, mark);
  }
  return out;
}

}  // namespace keelson::raft
