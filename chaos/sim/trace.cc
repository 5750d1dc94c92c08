#include "chaos/sim/trace.h"

namespace keelson::sim {

void Trace::line(MonoTime now, const std::string& who, const std::string& text) {
  if (file_ == nullptr) return;
  std::fprintf(file_, "%12.6f  %-5s %s\n", static_cast<double>(now.time_since_epoch().count()) / 1e9,
               who.c_str(), text.c_str());
}

std::string describe(const raft::Message& m) {
  using raft::MessageType;
  const auto n = [](auto v) { return std::to_string(v.value()); };
  static constexpr const char* kNames[] = {
      "?",           "pre-vote?",    "pre-vote",    "vote?",           "vote",
      "append",      "append-reply", "heartbeat",   "heartbeat-reply", "snapshot",
      "timeout-now", "propose",      "read-index?", "read-index",      "transfer"};
  const auto type = static_cast<std::size_t>(m.type);
  std::string out = type < std::size(kNames) ? kNames[type] : "message " + std::to_string(type);
  out += " term " + n(m.term);
  switch (m.type) {
    case MessageType::kVote:
    case MessageType::kPreVote:
      out += " last " + n(m.prev_term) + ":" + n(m.prev_index) + (m.force ? " forced" : "");
      break;
    case MessageType::kAppend:
      out += " after " + n(m.prev_term) + ":" + n(m.prev_index);
      if (!m.entries.empty()) out += " to " + n(m.entries.back().term) + ":" + n(m.entries.back().index);
      out += " commit " + n(m.commit);
      break;
    case MessageType::kAppendReply:
      out += (m.reject ? " reject " : " match ") + n(m.index);
      if (m.reject) out += " hint " + n(m.hint_term) + ":" + n(m.hint_index);
      break;
    case MessageType::kVoteReply:
    case MessageType::kPreVoteReply:
      out += m.reject ? " refused" : " granted";
      break;
    case MessageType::kSnapshot:
      if (m.snapshot) out += " at " + n(m.snapshot->term) + ":" + n(m.snapshot->index);
      break;
    default:
      if (m.context != 0) out += " context " + std::to_string(m.context);
      if (m.commit.value() != 0) out += " commit " + n(m.commit);
      break;
  }
  return out;
}

}  // namespace keelson::sim
