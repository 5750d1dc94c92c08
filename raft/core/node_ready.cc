#include <algorithm>
#include <utility>

#include "base/check.h"
#include "raft/core/node_impl.h"

namespace keelson::raft {

bool Node::Impl::has_ready() const {
  if (!out.empty() || !out_after.empty() || !reads.empty() || !returned.empty() || snapshot) return true;
  if (log.has_writes() || log.has_applies()) return true;
  if (given != HardState{term, vote, log.commit()} || given_role != role || given_leader != leader)
    return true;
  if (role == Role::kLeader) return want_replicate || may_open_round();
  return !forwards.empty() || read_forwards.waiting();
}

Ready Node::Impl::take_ready() {
  Ready r;
  r.number = ++ready_number;
  if (role == Role::kLeader) {
    if (may_open_round()) answer_reads();
    if (want_replicate) replicate_all();
  } else {
    flush_forwards();
  }
  if (given_role != role) r.role = given_role = role;
  if (given_leader != leader) r.leader = given_leader = leader;
  r.messages = std::exchange(out, {});
  r.messages_after_persist = std::exchange(out_after, {});
  r.snapshot = std::exchange(snapshot, std::nullopt);
  log.take_writes(r.number, r.entries);
  const HardState now{term, vote, log.commit()};
  r.must_sync = !r.entries.empty() || r.snapshot || now.term != given.term || now.vote != given.vote;
  if (now != given) r.hard_state = given = now;
  if (self_vote_waits && self_vote_number == 0) self_vote_number = r.number;
  log.take_applies(config.max_apply_bytes, r.committed);
  if (role == Role::kLeader) {
    for (const auto& e : r.committed) uncommitted_bytes -= std::min(uncommitted_bytes, e.data.size());
  }
  r.reads = std::exchange(reads, {});
  r.returned = std::exchange(returned, {});
  return r;
}

void Node::Impl::persisted(std::uint64_t number) {
  CHECK(number <= ready_number);
  log.written(number);
  if (role == Role::kLeader) {
    if (Follower* self = find(config.id); self != nullptr && self->match < log.stable()) {
      self->match = log.stable();
      maybe_commit();
    }
  } else if (self_vote_waits && self_vote_number != 0 && number >= self_vote_number) {
    self_vote_waits = false;
    votes.emplace_back(config.id, true);
    tally();
  }
}

void Node::Impl::applied_to(Index index) {
  CHECK(index <= log.applying());
  if (index <= applied) return;
  applied = index;
  maybe_auto_leave();
}

}  // namespace keelson::raft
