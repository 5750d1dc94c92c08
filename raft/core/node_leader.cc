#include <algorithm>
#include <utility>

#include "raft/core/node_impl.h"

namespace keelson::raft {

Follower* Node::Impl::find(NodeId node) {
  const auto it = std::ranges::find(followers, node, &Follower::id);
  return it == followers.end() ? nullptr : &*it;
}

// Keeps what is known of those who stay.
void Node::Impl::rebuild_followers() {
  std::vector<NodeId> ids = membership.voters;
  ids.insert(ids.end(), membership.voters_old.begin(), membership.voters_old.end());
  ids.insert(ids.end(), membership.learners.begin(), membership.learners.end());
  std::ranges::sort(ids);
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  std::vector<Follower> next;
  next.reserve(ids.size());
  for (const NodeId id : ids) {
    if (Follower* known = find(id)) {
      next.push_back(std::move(*known));
    } else {
      next.emplace_back(id, config.max_inflight, log.last().next());
      // A new member gets an election timeout to answer before it counts as silent.
      next.back().recent_active = true;
    }
    next.back().learner = !membership.is_voter(id);
    if (id == config.id) {
      next.back().match = log.stable();
      next.back().state = Progress::State::kReplicate;
    }
  }
  followers = std::move(next);
}

Result<void> Node::Impl::may_propose() const {
  if (transferee != NodeId() || leaving) {
    return fail(Code::kUnavailable, "raft: leadership is being transferred");
  }
  return {};
}

Result<void> Node::Impl::propose(Bytes data) {
  if (role == Role::kLeader) {
    TRY(may_propose());
    if (uncommitted_bytes > 0 && uncommitted_bytes + data.size() > config.max_uncommitted_bytes) {
      return fail(Code::kResourceExhausted, "raft: too many proposals wait to be committed");
    }
    append(std::move(data), EntryType::kNormal);
    return {};
  }
  if (leader == NodeId() || leader_gone) return fail(Code::kUnavailable, "raft: no leader");
  if (forward_bytes > 0 && forward_bytes + data.size() > config.max_uncommitted_bytes) {
    return fail(Code::kResourceExhausted, "raft: too many proposals wait to be forwarded");
  }
  forward_bytes += data.size();
  forwards.push_back({.data = std::move(data)});
  return {};
}

void Node::Impl::append(Bytes data, EntryType type) {
  uncommitted_bytes += data.size();
  log.push({term, log.last().next(), std::move(data), type});
  want_replicate = true;
}

void Node::Impl::on_forwarded(Message& m) {
  if (m.entries.empty() || !forward_filter.fresh(m.from, m.context)) return;
  take_forwarded(std::move(m));
}

void Node::Impl::take_forwarded(Message m) {
  std::size_t bytes = 0;
  for (const auto& e : m.entries) bytes += e.data.size();
  const std::size_t waiting = uncommitted_bytes + held_bytes;
  if (waiting > 0 && waiting + bytes > config.max_uncommitted_bytes) return give_back(m, true);
  if (!may_propose()) {
    held_bytes += bytes;
    held.push_back(std::move(m));
    return;
  }
  for (auto& e : m.entries) {
    if (e.type == EntryType::kNormal) {
      append(std::move(e.data), e.type);
    } else if (auto change = decode_conf_change(e.data)) {
      (void)append_conf_change(*std::move(change));
    }
  }
}

// Each forwarded message is appended, or given back, and that once: the filter has let it through.
void Node::Impl::give_back(Message& m, bool overload) {
  send({.type = MessageType::kPropose,
        .to = m.from,
        .entries = std::move(m.entries),
        .reject = true,
        .context = m.context,
        .force = overload});
}

// The handing over was given up.
void Node::Impl::retry_held() {
  if (held.empty() || !may_propose()) return;
  held_bytes = 0;
  for (auto& m : std::exchange(held, {})) take_forwarded(std::move(m));
}

// This member does not lead any more: somebody else may take them.
void Node::Impl::return_held() {
  held_bytes = 0;
  for (auto& m : std::exchange(held, {})) give_back(m, false);
}

void Node::Impl::replicate_all() {
  want_replicate = false;
  for (auto& f : followers) {
    if (f.id != config.id) replicate(f);
  }
}

void Node::Impl::replicate(Follower& f) {
  if (f.state == Progress::State::kSnapshot) return;
  while (f.may_send()) {
    if (f.state == Progress::State::kReplicate && f.next > log.last() && !f.nudge) break;
    if (!send_append(f, true)) return;
  }
  if (f.state != Progress::State::kReplicate) return;
  if (f.nudge && !send_append(f, false)) return;
  if (const Index commit = std::min(f.match, log.commit()); commit > f.sent_commit) {
    f.sent_commit = commit;
    send({.type = MessageType::kCommit, .to = f.id, .commit = commit});
  }
}

// False: it needs a snapshot instead.
bool Node::Impl::send_append(Follower& f, bool with_entries) {
  const Index prev(f.next.value() - 1);
  if (prev < log.snapshot_index()) {
    send_snapshot(f);
    return false;
  }
  Message m{.type = MessageType::kAppend, .to = f.id, .prev_index = prev, .prev_term = log.term_at(prev)};
  if (with_entries) m.entries = log.slice(f.next, config.max_append_bytes);
  m.commit = log.commit();
  const Index last = m.entries.empty() ? prev : m.entries.back().index;
  f.sent(last);
  if (f.state == Progress::State::kReplicate)
    f.sent_commit = std::max(f.sent_commit, std::min(m.commit, last));
  send(std::move(m));
  return true;
}

void Node::Impl::send_snapshot(Follower& f) {
  f.nudge = false;
  if (!f.recent_active) return;  // it would go nowhere
  f.become_snapshot(applied);
  send({.type = MessageType::kSnapshot,
        .to = f.id,
        .snapshot = SnapshotMeta{applied, log.term_at(applied), membership}});
}

void Node::Impl::send_heartbeats() {
  ++heartbeats;
  heartbeats_answered = 0;
  asked_all = rounds.newest();
  for (const auto& f : followers) {
    if (f.id != config.id) send_heartbeat(f);
  }
}

void Node::Impl::send_heartbeat(const Follower& f) {
  send({.type = MessageType::kHeartbeat,
        .to = f.id,
        .commit = std::min(f.match, log.commit()),
        .context = rounds.newest()});
}

void Node::Impl::on_append_reply(const Message& m) {
  Follower* f = find(m.from);
  if (f == nullptr || f->id == config.id) return;
  f->recent_active = true;
  f->commit = std::max(f->commit, m.commit);
  if (m.reject) {
    Index hint = m.hint_index;
    if (m.hint_term != Term()) hint = log.newest_not_above(m.hint_index, m.hint_term).first;
    if (f->rejected(m.index, hint)) want_replicate = true;
    return;
  }
  if (m.index > log.last()) return;
  const bool moved = f->accepted(m.index);
  if (f->state == Progress::State::kProbe) {
    if (moved || f->match == m.index) f->become_replicate();
  } else if (f->state == Progress::State::kSnapshot) {
    if (f->match.next() >= log.first()) {
      f->become_replicate();
    } else if (f->match >= f->pending_snapshot) {
      f->become_probe();  // compacted away meanwhile: it needs another one
    }
  }
  want_replicate = true;
  if (!moved) return;
  maybe_commit();
  maybe_finish_transfer(*f);
}

void Node::Impl::on_heartbeat_reply(const Message& m) {
  Follower* f = find(m.from);
  if (f == nullptr || f->id == config.id) return;
  f->recent_active = true;
  f->commit = std::max(f->commit, m.commit);
  f->probe_sent = false;
  if (f->answered != heartbeats) {
    f->answered = heartbeats;
    f->place = heartbeats_answered++;
  }
  if (f->state == Progress::State::kProbe || f->match < log.last()) {
    f->nudge = f->state == Progress::State::kReplicate;
    want_replicate = true;
  }
  if (m.context <= rounds.newest() && m.context > f->round) {
    f->round = m.context;
    confirm_rounds();
  }
  if (leaving) maybe_step_down();
}

// Paper figure 2, the last rule for leaders.
void Node::Impl::maybe_commit() {
  const std::uint64_t n = quorum_reached([this](NodeId id) {
    const Follower* f = find(id);
    return f == nullptr ? 0 : f->match.value();
  });
  const Index index(n);
  if (n == kAllAgree || index <= log.commit()) return;
  if (log.term_at(index) != term && !config.faults.commit_earlier_term) return;
  log.commit_to(index);
  want_replicate = true;
}

// Asked once per election timeout; starts the next period of it.
bool Node::Impl::quorum_is_active() {
  const auto result = vote_result([this](NodeId id) {
    const Follower* f = find(id);
    return id == config.id || (f != nullptr && f->recent_active) ? Vote::kYes : Vote::kNo;
  });
  for (auto& f : followers) f.recent_active = false;
  return result == VoteResult::kWon;
}

Result<void> Node::Impl::transfer_leadership(NodeId to) {
  if (role == Role::kLeader) return start_transfer(to);
  if (leader == NodeId()) return fail(Code::kUnavailable, "raft: no leader");
  if (!membership.is_voter(to)) return fail(Code::kFailedPrecondition, "raft: the transferee is no voter");
  if (to != leader) send({.type = MessageType::kTransferLeader, .to = leader, .context = to.value()});
  return {};
}

Result<void> Node::Impl::start_transfer(NodeId to) {
  if (!membership.is_voter(to)) return fail(Code::kFailedPrecondition, "raft: the transferee is no voter");
  if (to == config.id || to == transferee) return {};
  transferee = to;
  transfer_elapsed = 0;
  want_replicate = true;
  if (const Follower* f = find(to)) maybe_finish_transfer(*f);
  return {};
}

void Node::Impl::maybe_finish_transfer(const Follower& f) {
  if (f.id != transferee || f.match != log.last()) return;
  timeout_now_sent = true;
  send({.type = MessageType::kTimeoutNow, .to = f.id});
}

void Node::Impl::report_unreachable(NodeId id) {
  Follower* f = find(id);
  if (f == nullptr || f->id == config.id) return;
  f->answered = 0;
  // Once a round, or what is told of these heartbeats would bring about the next.
  if (rounds.under_way() && asked_all < rounds.newest()) send_heartbeats();
  if (f->state != Progress::State::kReplicate) return;
  f->become_probe();
  f->probe_sent = true;  // until it answers a heartbeat
}

void Node::Impl::report_snapshot(NodeId id, bool delivered) {
  Follower* f = find(id);
  if (f == nullptr || f->state != Progress::State::kSnapshot) return;
  if (!delivered) f->pending_snapshot = Index();
  f->become_probe();
  f->probe_sent = true;  // until it answers: it says where it stands
}

}  // namespace keelson::raft
