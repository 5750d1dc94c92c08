#include "raft/core/follower.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::raft {

void Inflight::add(Index last) {
  CHECK(!full());
  if (count_ == ring_.size()) {
    std::vector<Index> bigger(std::min(limit_, std::max<std::size_t>(8, ring_.size() * 2)));
    for (std::size_t i = 0; i < count_; ++i) bigger[i] = ring_[(head_ + i) % ring_.size()];
    ring_ = std::move(bigger);
    head_ = 0;
  }
  ring_[(head_ + count_++) % ring_.size()] = last;
}

void Inflight::free_to(Index index) {
  for (; count_ > 0 && ring_[head_] <= index; --count_) head_ = (head_ + 1) % ring_.size();
}

bool Follower::accepted(Index index) {
  inflight.free_to(index);
  next = std::max(next, index.next());
  probe_sent = false;
  if (index <= match) return false;
  match = index;
  return true;
}

bool Follower::rejected(Index prev, Index hint) {
  if (state == State::kReplicate) {
    if (prev <= match || prev >= next) return false;
    become_probe();
    return true;
  }
  if (state == State::kSnapshot || prev.next() != next) return false;
  next = std::max(std::min(prev, hint.next()), match.next());
  probe_sent = false;
  return true;
}

void Follower::sent(Index last) {
  nudge = false;
  if (state == State::kProbe) {
    probe_sent = true;
  } else if (last >= next) {
    next = last.next();
    inflight.add(last);
  }
}

bool Follower::may_send() const {
  switch (state) {
    case State::kProbe:
      return !probe_sent;
    case State::kReplicate:
      return !inflight.full();
    case State::kSnapshot:
      break;
  }
  return false;
}

void Follower::become_probe() {
  next = state == State::kSnapshot ? std::max(match, pending_snapshot).next() : match.next();
  state = State::kProbe;
  pending_snapshot = Index();
  probe_sent = nudge = false;
  sent_commit = Index();
  inflight.clear();
}

void Follower::become_replicate() {
  become_probe();
  next = match.next();
  state = State::kReplicate;
}

void Follower::become_snapshot(Index index) {
  become_probe();
  state = State::kSnapshot;
  pending_snapshot = index;
}

}  // namespace keelson::raft
