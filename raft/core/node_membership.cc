#include <algorithm>

#include "raft/core/node_impl.h"

namespace keelson::raft {

bool Node::Impl::accepts(const ConfChange& change) const {
  return pending_conf <= applied && apply(membership, change);
}

Result<void> Node::Impl::propose_conf_change(const ConfChange& change) {
  if (role == Role::kLeader) {
    if (transferee != NodeId()) return fail(Code::kUnavailable, "raft: leadership is being transferred");
    if (pending_conf > applied) {
      return fail(Code::kFailedPrecondition, "raft: another membership change is under way");
    }
    TRY(apply(membership, change));
    append(Bytes(encode(change)), EntryType::kConfChange);
    pending_conf = log.last();
    return {};
  }
  if (leader == NodeId()) return fail(Code::kUnavailable, "raft: no leader");
  forwards.push_back({.data = Bytes(encode(change)), .type = EntryType::kConfChange});
  return {};
}

Membership Node::Impl::apply_conf_change(const Entry& entry) {
  // Handed out before a snapshot that has its effect already.
  if (entry.index <= log.snapshot_index()) return membership;
  if (const auto change = decode_conf_change(entry.data)) {
    if (auto next = apply(membership, *change)) switch_membership(*std::move(next));
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
  if (!membership.is_voter(config.id)) {
    replicate_all();
    become_follower(term, NodeId());
    return;
  }
  maybe_commit();
  confirm_rounds();
  want_replicate = true;
}

// A joint state that is to be left by itself is left as soon as its entry is applied, by whoever leads then.
void Node::Impl::maybe_auto_leave() {
  if (role != Role::kLeader || !membership.joint() || !membership.auto_leave || pending_conf > applied)
    return;
  append(Bytes(encode(ConfChange{})), EntryType::kConfChange);
  pending_conf = log.last();
}

}  // namespace keelson::raft
