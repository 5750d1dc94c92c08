#include <algorithm>

#include "raft/core/node_impl.h"

namespace keelson::raft {

// One change is in flight at a time, so what `membership` will be when this entry is applied is known now.
Result<void> Node::Impl::append_conf_change(ConfChange change) {
  if (pending_conf > applied) {
    return fail(Code::kFailedPrecondition, "raft: another membership change is under way");
  }
  change.result = TRY(apply(membership, change));
  append(Bytes(encode(change)), EntryType::kConfChange);
  pending_conf = log.last();
  leaving = leaving || !change.result->is_voter(config.id);
  return {};
}

Result<void> Node::Impl::propose_conf_change(const ConfChange& change) {
  if (role == Role::kLeader) {
    TRY(may_propose());
    return append_conf_change(change);
  }
  if (leader == NodeId()) return fail(Code::kUnavailable, "raft: no leader");
  forwards.push_back({.data = Bytes(encode(change)), .type = EntryType::kConfChange});
  return {};
}

Membership Node::Impl::apply_conf_change(const Entry& entry) {
  // Handed out before a snapshot that has its effect already.
  if (entry.index <= log.snapshot_index()) return membership;
  if (const auto change = decode_conf_change(entry.data)) {
    if (change->result) {
      switch_membership(*change->result);
    } else if (auto next = apply(membership, *change)) {
      switch_membership(*std::move(next));
    }
  }
  return membership;
}

void Node::Impl::switch_membership(Membership next) {
  if (role != Role::kLeader) {
    membership = std::move(next);
    return;
  }
  // Whom the group leaves behind is told by a last message, if it arrives.
  for (auto& f : followers) {
    if (f.id == config.id || next.contains(f.id) || f.state == Progress::State::kSnapshot) continue;
    if (f.next > log.snapshot_index()) send_append(f, f.may_send());
  }
  membership = std::move(next);
  rebuild_followers();
  if (!membership.is_voter(transferee)) transferee = NodeId();
  leaving = !membership.is_voter(config.id);
  if (leaving) {
    replicate_all();
    send_heartbeats();
  } else if (rounds.under_way()) {
    send_heartbeats();  // who was asked may count no more
  }
  retry_held();
  maybe_commit();
  confirm_rounds();
  want_replicate = true;
}

// A leader that is no voter any more leads on until a quorum of the others knows that its removal is
// committed: before, they might need its vote. As nothing was proposed after the removal, they have all that
// it has.
void Node::Impl::maybe_step_down() {
  if (membership.is_voter(config.id)) return;
  const std::uint64_t known = quorum_reached([this](NodeId id) {
    const Follower* f = find(id);
    return f == nullptr ? 0 : f->commit.value();
  });
  if (Index(known) < applied) return;
  for (const auto& f : followers) {
    if (f.learner || f.match != log.last()) continue;
    send({.type = MessageType::kTimeoutNow, .to = f.id});
    break;
  }
  become_follower(term, NodeId());
}

// A joint state that is to be left by itself is left as soon as its entry is applied, by whoever leads then.
void Node::Impl::maybe_auto_leave() {
  if (role != Role::kLeader || !membership.joint() || !membership.auto_leave || pending_conf > applied)
    return;
  (void)append_conf_change(ConfChange());
}

}  // namespace keelson::raft
