#include "raft/core/forward_filter.h"

namespace keelson::raft {

bool ForwardFilter::fresh(NodeId from, std::uint64_t number) {
  const std::pair key{from, static_cast<std::uint32_t>(number >> 32)};
  const auto n = static_cast<std::uint32_t>(number);
  auto it = windows_.find(key);
  if (it == windows_.end()) {
    if (windows_.size() >= kStartsMax) return false;
    it = windows_.emplace(key, Window{n, {}}).first;
    it->second.seen.set(n % kSpan);
    return true;
  }
  Window& w = it->second;
  if (n > w.newest) {
    if (n - w.newest >= kSpan) {
      w.seen.reset();
    } else {
      for (std::uint32_t i = w.newest + 1; i != n; ++i) w.seen.reset(i % kSpan);
    }
    w.newest = n;
    w.seen.set(n % kSpan);
    return true;
  }
  if (w.newest - n >= kSpan || w.seen.test(n % kSpan)) return false;
  w.seen.set(n % kSpan);
  return true;
}

}  // namespace keelson::raft
