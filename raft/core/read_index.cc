#include "raft/core/read_index.h"

#include <algorithm>
#include <utility>

namespace keelson::raft {

void ReadRounds::open(Index commit, std::uint64_t tick) {
  open_.push_back({++newest_, commit, tick, std::exchange(waiting_, {})});
}

std::uint64_t ReadRounds::confirm(std::uint64_t round, std::vector<Answer>& out) {
  std::uint64_t tick = 0;
  for (; !open_.empty() && open_.front().number <= round; open_.pop_front()) {
    tick = open_.front().tick;
    for (const auto& r : open_.front().requests) out.push_back({r, open_.front().index});
  }
  return tick;
}

std::vector<ReadRounds::Request> ReadRounds::drain() {
  std::vector<Request> out = std::exchange(waiting_, {});
  for (auto& round : open_) out.insert(out.end(), round.requests.begin(), round.requests.end());
  open_.clear();
  return out;
}

std::uint64_t ReadForwards::send(std::uint64_t tick) {
  sent_.push_back({next_, tick, std::exchange(waiting_, {})});
  return next_++;
}

void ReadForwards::answered(std::uint64_t number, Index index, std::vector<ReadState>& out) {
  const auto it = std::ranges::find(sent_, number, &Sent::number);
  if (it == sent_.end()) return;
  for (const auto context : it->contexts) out.push_back({context, index, false});
  sent_.erase(it);
}

void ReadForwards::expire(std::uint64_t tick, std::vector<ReadState>& out) {
  for (; !sent_.empty() && sent_.front().tick < tick; sent_.pop_front()) {
    for (const auto context : sent_.front().contexts) out.push_back({context, Index(), true});
  }
}

void ReadForwards::abort(std::vector<ReadState>& out) {
  for (const auto& s : sent_) {
    for (const auto context : s.contexts) out.push_back({context, Index(), true});
  }
  sent_.clear();
  for (const auto context : waiting_) out.push_back({context, Index(), true});
  waiting_.clear();
}

}  // namespace keelson::raft
