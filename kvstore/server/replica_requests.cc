// Replica: requests on their way: to the log, to the leader, to a read index, and when their time is over.
#include <algorithm>

#include "base/check.h"
#include "kvstore/server/errors.h"
#include "kvstore/server/replica_internal.h"

namespace keelson::kvstore {

void Replica::submit(PendingPtr p) {
  p->submitted = now();
  if (p->deadline == MonoTime{}) p->deadline = p->submitted + request_timeout_;
  if (auto why = published_.refusal()) return finish(p, *why);
  switch (p->op) {
    case Pending::Op::kCommand:
      if (auto ok = admit(*p); !ok) return finish(p, ok.error());
      propose(std::move(p));
      break;
    case Pending::Op::kRead:
      if (published_.alone()) {
        finish_read(p);
      } else {
        reads_.push_back(std::move(p));
      }
      break;
    case Pending::Op::kKeepAlive:
    case Pending::Op::kTimeToLive:
    case Pending::Op::kMember:
      route(std::move(p));
      break;
    case Pending::Op::kMoveLeader:
      move_leader(std::move(p));
      break;
  }
}

void Replica::finish(const PendingPtr& p, const Error& why) {
  p->outcome.error = why;
  p->outcome.applied = applied_;
  p->finish();
}

// ---- Commands

Result<void> Replica::admit(const Pending& p) {
  if (proposed_.size() + unproposed_.size() >= options_.max_pending) return fail(too_many_requests_error());
  if (corrupt_) return fail(corrupt_error());
  if (p.grows && (no_space_ || !check_quota())) return fail(no_space_error());
  return {};
}

// REQUIRES: p->command is set, or p->data from an earlier attempt.
void Replica::propose(PendingPtr p) {
  if (p->data.empty()) {
    if (p->id == 0) p->id = next_request();
    set_request_id(p->command, p->id);
    p->data = Bytes(std::move(p->command));
  }
  auto r = leader_ != raft::NodeId() ? node_->propose(p->data) : fail(no_leader_error());
  if (r) {
    p->term = node_->term();
    p->data = Bytes();
    const std::uint64_t id = p->id;
    proposed_.emplace(id, std::move(p));
  } else if (r.error().code == Code::kUnavailable) {
    unproposed_.push_back(std::move(p));
  } else {
    finish(p, too_many_requests_error());
  }
}

// What had no leader yet. Stops where there is none again.
void Replica::propose_waiting() {
  for (std::size_t n = unproposed_.size(); n > 0; --n) {
    const std::size_t before = unproposed_.size();
    PendingPtr p = std::move(unproposed_.front());
    unproposed_.pop_front();
    propose(std::move(p));
    if (unproposed_.size() == before) {  // it is at the end now: back to its place
      unproposed_.push_front(std::move(unproposed_.back()));
      unproposed_.pop_back();
      return;
    }
  }
}

// What no log has got: proposed again once there is a leader.
void Replica::take_returned(std::vector<raft::Returned> returned) {
  for (auto& r : returned) {
    const auto command = decode_command(r.data);
    if (!command) continue;
    const auto it = proposed_.find(command->request);
    if (it == proposed_.end()) continue;
    PendingPtr p = std::move(it->second);
    proposed_.erase(it);
    if (r.overload) {
      finish(p, too_many_requests_error());
    } else {
      p->data = std::move(r.data);
      p->lost_by = {};
      unproposed_.push_back(std::move(p));
    }
  }
}

// A command that this member makes as leader; nobody waits for it, and no other leader gets it.
bool Replica::propose_own(std::string command) {
  return role_ == raft::Role::kLeader && node_->propose(Bytes(std::move(command))).has_value();
}

// ---- Linearizable reads

void Replica::ask_reads() {
  if (reads_.empty() || rounds_.size() >= kRoundsMax || leader_ == raft::NodeId()) return;
  const std::uint64_t context = next_request();
  if (!node_->read_index(context)) return;
  rounds_.emplace(context, Round{now(), std::exchange(reads_, {})});
}

void Replica::take_read_states(const std::vector<raft::ReadState>& states) {
  for (const auto& s : states) {
    auto it = rounds_.find(s.context);
    if (it == rounds_.end()) continue;
    for (auto& p : it->second.reads) {
      if (s.aborted) {
        reads_.push_back(std::move(p));
      } else {
        p->index = s.index;
        reads_to_apply_.push_back(std::move(p));
      }
    }
    rounds_.erase(it);
  }
  if (!states.empty()) finish_reads();
}

void Replica::finish_reads() {
  if (reads_to_apply_.empty()) return;
  Pendings ready;
  std::erase_if(reads_to_apply_, [&](PendingPtr& p) {
    if (p->index > applied_) return false;
    ready.push_back(std::move(p));
    return true;
  });
  for (auto& p : ready) finish_read(p);
}

void Replica::finish_read(const PendingPtr& p) {
  if (p->op == Pending::Op::kRead) {
    if (p->list_leases) p->outcome.leases = mvcc_->state->leases().ids();
    p->outcome.applied = applied_;
    p->finish();
  } else if (!leading_) {
    unrouted_.push_back(p);
  } else if (p->op == Pending::Op::kKeepAlive) {
    keep_alive(p);
  } else {
    p->outcome.lease = mvcc_->state->leases().info(p->lease, p->lease_keys, now());
    p->outcome.applied = applied_;
    p->finish();
  }
}

// A round's messages may be lost; asking again is safe.
void Replica::retry_reads() {
  const MonoTime old = now() - kRetryAfter;
  for (auto it = rounds_.begin(); it != rounds_.end();) {
    if (it->second.started > old) {
      ++it;
      continue;
    }
    deps_.metrics->slow_reads.Increment();
    for (auto& p : it->second.reads) reads_.push_back(std::move(p));
    it = rounds_.erase(it);
  }
}

// ---- What only the leader can do

void Replica::route(PendingPtr p) {
  if (leader_ == raft::NodeId(id_) && leading_) {
    execute(std::move(p));
  } else if (leader_ != raft::NodeId() && leader_ != raft::NodeId(id_)) {
    forward(p);
  } else {
    unrouted_.push_back(std::move(p));
  }
}

void Replica::route_waiting() {
  for (auto& p : std::exchange(unrouted_, {})) route(std::move(p));
}

void Replica::execute(PendingPtr p) {
  if (p->op == Pending::Op::kMember) {
    change_members(std::move(p));
  } else if (published_.alone()) {
    finish_read(p);
  } else {
    reads_.push_back(std::move(p));  // is this still the leader?
  }
}

void Replica::forward(const PendingPtr& p) {
  if (p->id == 0) p->id = next_request();
  AppMessage m;
  m.kind = AppMessage::Kind::kRequest;
  m.request = p->id;
  m.op = p->op;
  m.lease = p->lease;
  m.lease_keys = p->lease_keys;
  m.change = p->change;
  p->term = node_->term();
  forwarded_[p->id] = p;
  send_app(leader_, m);
}

// The leader is another one: what may be asked twice is asked again.
void Replica::reroute_forwarded() {
  for (auto& [id, p] : std::exchange(forwarded_, {})) {
    if (p->index != raft::Index()) {
      forwarded_.emplace(id, p);  // answered; waits to be applied here
    } else if (p->op == Pending::Op::kMember) {
      if (p->term == node_->term()) {
        forwarded_.emplace(id, p);
      } else {
        finish(p, leader_changed_error());
      }
    } else {
      unrouted_.push_back(p);
    }
  }
}

void Replica::handle_request(raft::NodeId from, AppMessage m) {
  auto p = std::make_shared<Pending>();
  p->op = m.op;
  p->lease = m.lease;
  p->lease_keys = m.lease_keys;
  p->change = std::move(m.change);
  p->on_done = [this, from, request = m.request, raw = p.get()] {
    if (stopped_) return;
    AppMessage reply;
    reply.kind = AppMessage::Kind::kReply;
    reply.request = request;
    reply.error = raw->outcome.error;
    reply.info = raw->outcome.lease;
    reply.applied = raw->outcome.applied;
    reply.new_member = raw->new_member;
    send_app(from, reply);
  };
  p->submitted = now();
  p->deadline = p->submitted + request_timeout_;
  if (leader_ != raft::NodeId(id_) || fenced_) return finish(p, not_leader_error());
  if (auto why = published_.refusal()) return finish(p, *why);
  if (p->op == Pending::Op::kCommand || p->op == Pending::Op::kMoveLeader || p->op == Pending::Op::kRead) {
    return finish(p, not_leader_error());
  }
  route(std::move(p));
}

void Replica::handle_reply(AppMessage m) {
  auto it = forwarded_.find(m.request);
  if (it == forwarded_.end()) return;
  PendingPtr p = it->second;
  if (m.error && m.error->message == not_leader_error().message) {
    forwarded_.erase(it);
    unrouted_.push_back(std::move(p));
    return;
  }
  p->new_member = m.new_member;
  p->outcome.error = std::move(m.error);
  p->outcome.lease = std::move(m.info);
  if (p->op == Pending::Op::kMember && !p->outcome.error && m.applied > applied_) {
    p->index = m.applied;  // its answer is our state, once we have it
    return;
  }
  forwarded_.erase(it);
  finish_member(p);
}

void Replica::finish_forwarded() {
  for (auto it = forwarded_.begin(); it != forwarded_.end();) {
    PendingPtr p = it->second;
    if (p->index == raft::Index() || p->index > applied_) {
      ++it;
      continue;
    }
    it = forwarded_.erase(it);
    finish_member(p);
  }
}

void Replica::send_app(raft::NodeId to, const AppMessage& m) {
  if (transport_ != nullptr) transport_->send_app(to, Bytes(encode(m)));
}

// REQUIRES: we lead, and did so after the request came.
void Replica::keep_alive(const PendingPtr& p) {
  LeaseTable& leases = mvcc_->state->leases();
  if (!leases.exists(p->lease)) return finish(p, lease_not_found_error());
  if (revoking_.contains(p->lease)) {
    held_.push_back(p);
    return;
  }
  if (leases.has_checkpoint(p->lease) || checkpointing_.contains(p->lease)) {
    // A later leader must not go by what was left before: the checkpoint is taken back first, also one that
    // is on its way.
    auto clear = std::make_shared<Pending>();
    clear->command = encode_lease_checkpoint({{p->lease, 0}});
    clear->submitted = p->submitted;
    clear->deadline = p->deadline;
    clear->on_done = [this, p, raw = clear.get()] {
      if (raw->outcome.error) return finish(p, *raw->outcome.error);
      if (!leading_) return unrouted_.push_back(p);
      keep_alive(p);
    };
    propose(std::move(clear));
    return;
  }
  leases.keep_alive(p->lease, now());
  p->outcome.lease = leases.info(p->lease, false, now());
  p->outcome.applied = applied_;
  deps_.metrics->leases_renewed.Increment();
  p->finish();
}

// ---- Time

Error Replica::timeout_of(const Pending& p) const {
  if (p.op == Pending::Op::kMoveLeader) return timeout_leader_transfer_error();
  if (p.op == Pending::Op::kRead) return timeout_error();
  // etcd: was a leader lost while it was under way?
  const Duration election = options_.election_ticks * options_.tick;
  if (p.submitted > leader_since_ - 2 * election && p.submitted < leader_since_) {
    return timeout_leader_failure_error();
  }
  if (leader_ == raft::NodeId(id_)) {
    if (connected_since(p.submitted) <= node_->membership().voters.size() / 2) {
      return timeout_connection_lost_error();
    }
  } else if (leader_ != raft::NodeId() && transport_ != nullptr) {
    const auto since = transport_->active_since(leader_);
    if (!since || *since > p.submitted) return timeout_connection_lost_error();
  }
  return timeout_error();
}

// What was under way gets an election timeout to arrive all the same, or for a new leader to settle it.
void Replica::proposals_lost(raft::NodeId id) {
  if (id != leader_ || role_ != raft::Role::kFollower) return;
  const MonoTime by = now() + options_.election_ticks * options_.tick;
  const auto mark = [&](Pending& p) {
    if (p.lost_by == MonoTime{}) p.lost_by = by;
  };
  for (auto& [request, p] : proposed_) mark(*p);
  for (auto& [request, p] : forwarded_) {
    if (p->op == Pending::Op::kMember && p->index == raft::Index()) mark(*p);
  }
}

void Replica::time_out_lost() {
  Pendings lost;
  const auto due = [&](const auto& entry) {
    const PendingPtr& p = entry.second;
    if (p->lost_by == MonoTime{} || p->lost_by > now() || p->index != raft::Index()) return false;
    lost.push_back(p);
    return true;
  };
  std::erase_if(proposed_, due);
  std::erase_if(forwarded_, due);
  for (auto& p : lost) finish(p, timeout_connection_lost_error());
}

void Replica::time_out() {
  time_out_lost();
  const MonoTime at = now();
  Pendings over;
  const auto due = [&](const PendingPtr& p) {
    if (p->deadline > at) return false;
    over.push_back(p);
    return true;
  };
  std::erase_if(unproposed_, due);
  std::erase_if(unrouted_, due);
  std::erase_if(reads_, due);
  std::erase_if(reads_to_apply_, due);
  std::erase_if(held_, due);
  std::erase_if(transfers_, due);
  std::erase_if(proposed_, [&](const auto& e) { return due(e.second); });
  std::erase_if(forwarded_, [&](const auto& e) { return due(e.second); });
  for (auto& [context, round] : rounds_) std::erase_if(round.reads, due);
  for (auto& p : over) {
    if (p->op == Pending::Op::kRead) deps_.metrics->failed_reads.Increment();
    finish(p, timeout_of(*p));
  }
  // What may have got lost on the way and is safe to ask again.
  if (leader_ == raft::NodeId() || leader_ == raft::NodeId(id_)) return;
  for (auto& [id, p] : std::map(forwarded_)) {
    if (p->op != Pending::Op::kMember) forward(p);
  }
}

}  // namespace keelson::kvstore
