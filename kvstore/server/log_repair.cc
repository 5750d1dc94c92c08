#include "kvstore/server/log_repair.h"

#include <utility>

#include "base/check.h"

namespace keelson::kvstore {
namespace {
constexpr Duration kAnswerWithin = std::chrono::milliseconds(500);
constexpr Duration kSnapshotWithin = std::chrono::seconds(10);
constexpr Duration kRoundEvery = std::chrono::milliseconds(300);  // when nobody had anything
}  // namespace

LogRepair::LogRepair(raft::WalRecovery found, std::vector<raft::NodeId> others, MonoTime now)
    : found_(std::move(found)), others_(std::move(others)), since_(now) {
  CHECK(found_.damaged && !others_.empty());
  for (const auto* part : {&found_.entries, &found_.within}) {
    for (const auto& e : *part) {
      if (e.index <= found_.hard_state.commit) committed_.emplace(e.index, e);
    }
  }
  next_ = found_.damaged->first;
  skip_what_is_there();
}

void LogRepair::skip_what_is_there() {
  while (next_ <= found_.damaged->last && committed_.contains(next_)) next_ = next_.next();
}

std::optional<LogRepair::Ask> LogRepair::next(MonoTime now) {
  if (now < wait_until_) return std::nullopt;
  if (waits_) {
    next_member(now);
    if (now < wait_until_) return std::nullopt;
  }
  waits_ = true;
  if (tries_ >= others_.size() && offers_snapshot_ != raft::NodeId()) {
    tries_ = 0;
    wait_until_ = now + kSnapshotWithin;
    return Ask{std::exchange(offers_snapshot_, raft::NodeId()), missing(), true};
  }
  wait_until_ = now + kAnswerWithin;
  return Ask{others_[at_], missing(), false};
}

void LogRepair::next_member(MonoTime now) {
  waits_ = false;
  at_ = (at_ + 1) % others_.size();
  ++tries_;
  const bool round_over = tries_ % others_.size() == 0 && offers_snapshot_ == raft::NodeId();
  wait_until_ = round_over ? now + kRoundEvery : now;
}

void LogRepair::take(raft::NodeId from, Answer answer, raft::Index first, std::vector<raft::Entry> entries,
                     MonoTime now) {
  if (answer == Answer::kEntries) {
    const raft::Index before = next_;
    for (auto& e : entries) {
      if (next_ > found_.damaged->last) break;
      if (e.index == next_) committed_.emplace(e.index, std::move(e));
      skip_what_is_there();
    }
    if (next_ == before) return;
    lost_.clear();
    offers_snapshot_ = raft::NodeId();
    tries_ = 0;
    waits_ = false;
    wait_until_ = now;
    return;
  }
  if (first != next_) return;
  if (answer == Answer::kSnapshot) offers_snapshot_ = from;
  if (answer == Answer::kDamaged) {
    for (const raft::NodeId other : others_) {
      if (other == from) lost_.insert(from);
    }
  }
  if (waits_ && from == others_[at_]) next_member(now);
}

bool LogRepair::complete() const {
  if (next_ > found_.damaged->last) return true;
  if (next_ == found_.damaged->first || found_.gap_term == raft::Term()) return false;
  return committed_.at(raft::Index(next_.value() - 1)).term > found_.gap_term;
}

std::vector<raft::Entry> LogRepair::entries() const {
  std::vector<raft::Entry> out;
  for (auto it = committed_.lower_bound(found_.damaged->first); it != committed_.end() && it->first < next_;
       ++it) {
    if (it->first <= found_.damaged->last) out.push_back(it->second);
  }
  return out;
}

std::vector<raft::Entry> LogRepair::committed_entries(raft::Index first, std::size_t max_bytes) const {
  std::vector<raft::Entry> out;
  std::size_t bytes = 0;
  for (auto it = committed_.find(first); it != committed_.end(); ++it) {
    if (it->first != raft::Index(first.value() + out.size())) break;
    bytes += it->second.data.size();
    if (bytes > max_bytes && !out.empty()) break;
    out.push_back(it->second);
  }
  return out;
}

}  // namespace keelson::kvstore
