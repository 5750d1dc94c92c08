#include <algorithm>

#include "raft/core/node_impl.h"

namespace keelson::raft {
namespace {

// No group gets there; beyond it arithmetic would wrap.
constexpr Term kTermMax{std::uint64_t{1} << 62};

bool from_leader(MessageType type) {
  switch (type) {
    case MessageType::kAppend:
    case MessageType::kHeartbeat:
    case MessageType::kCommit:
    case MessageType::kSnapshot:
      return true;
    default:
      return false;
  }
}

// What promises something about our disk waits for it.
bool waits_for_disk(MessageType type) {
  return type == MessageType::kAppendReply || type == MessageType::kVote || type == MessageType::kVoteReply;
}

}  // namespace

void Node::Impl::send(Message m) {
  m.from = config.id;
  if (m.term == Term()) m.term = term;
  if (!waits_for_disk(m.type) || config.faults.reply_before_persist) {
    out.push_back(std::move(m));
    return;
  }
  // One answer for a run of accepted appends.
  if (m.type == MessageType::kAppendReply && !m.reject && !out_after.empty()) {
    Message& last = out_after.back();
    if (last.type == m.type && !last.reject && last.to == m.to && last.term == m.term) {
      last.index = std::max(last.index, m.index);
      last.commit = std::max(last.commit, m.commit);
      return;
    }
  }
  out_after.push_back(std::move(m));
}

void Node::Impl::step(Message m) {
  if (m.from == config.id || m.from == NodeId() || m.to != config.id || m.term > kTermMax) return;
  if (m.type == MessageType::kPropose && m.reject) {
    on_returned(m);
    return;
  }
  if (m.term < term) {
    step_older_term(m);
    return;
  }
  const bool pre_vote_kind = m.type == MessageType::kPreVote || m.type == MessageType::kPreVoteReply;
  if (m.term > term) {
    if (m.type == MessageType::kVote && !m.force && hears_leader()) return;
    if (!pre_vote_kind || (m.type == MessageType::kPreVoteReply && m.reject)) {
      become_follower(m.term, from_leader(m.type) ? m.from : NodeId());
    }
  }
  switch (m.type) {
    case MessageType::kVote:
    case MessageType::kPreVote:
      on_vote_request(m);
      return;
    case MessageType::kVoteReply:
    case MessageType::kPreVoteReply:
      on_vote_reply(m);
      return;
    default:
      break;
  }
  if (role == Role::kLeader) {
    step_leader(m);
  } else {
    step_follower(m);
  }
}

// The sender may be a leader that does not know that it is none any more, or a candidate that cannot win.
void Node::Impl::step_older_term(Message& m) {
  if (from_leader(m.type)) {
    if (config.check_quorum || config.pre_vote) {
      send({.type = MessageType::kAppendReply, .to = m.from, .reject = true});
    }
  } else if (m.type == MessageType::kPreVote) {
    send({.type = MessageType::kPreVoteReply, .to = m.from, .reject = true});
  } else if (m.type == MessageType::kPropose) {
    on_forwarded_late(m);
  }
}

void Node::Impl::step_leader(Message& m) {
  switch (m.type) {
    case MessageType::kAppendReply:
      on_append_reply(m);
      break;
    case MessageType::kHeartbeatReply:
      on_heartbeat_reply(m);
      break;
    case MessageType::kPropose:
      on_forwarded(m);
      break;
    case MessageType::kReadIndex:
      rounds.add({m.from, m.context});
      break;
    case MessageType::kTransferLeader:
      (void)start_transfer(NodeId(m.context));
      break;
    default:
      break;
  }
}

void Node::Impl::step_follower(Message& m) {
  if (from_leader(m.type)) {
    if (role != Role::kFollower) become_follower(term, m.from);
    election_elapsed = 0;
    set_leader(m.from);
  }
  switch (m.type) {
    case MessageType::kAppend:
      on_append(m);
      break;
    case MessageType::kHeartbeat:
    case MessageType::kCommit:
      on_heartbeat(m);
      break;
    case MessageType::kSnapshot:
      on_snapshot(m);
      break;
    case MessageType::kTimeoutNow:
      if (role == Role::kFollower && m.from == leader && may_campaign()) start_election(true);
      break;
    case MessageType::kPropose:
      on_forwarded_late(m);
      break;
    case MessageType::kReadIndexReply:
      if (m.from == leader) read_forwards.answered(m.context, m.index, reads);
      break;
    default:
      break;
  }
}

void Node::Impl::tick() {
  ++ticks;
  ++election_elapsed;
  if (role == Role::kLeader) {
    tick_leader();
  } else {
    tick_follower();
  }
}

void Node::Impl::tick_leader() {
  if (transferee != NodeId() && ++transfer_elapsed >= config.election_ticks) {
    transferee = NodeId();
    retry_held();
  }
  if (election_elapsed >= config.election_ticks) {
    election_elapsed = 0;
    if (config.check_quorum && !quorum_is_active()) {
      become_follower(term, NodeId());
      return;
    }
  }
  if (++heartbeat_elapsed >= config.heartbeat_ticks) {
    heartbeat_elapsed = 0;
    if (committed_in_term() && (rounds.waiting() || config.read_mode == ReadMode::kLease)) {
      rounds.open(log.commit(), ticks);
    }
    send_heartbeats();
    confirm_rounds();
  }
}

void Node::Impl::tick_follower() {
  const auto patience = static_cast<std::uint64_t>(config.election_ticks);
  if (ticks > patience) read_forwards.expire(ticks - patience, reads);
  if (election_elapsed < randomized_timeout) return;
  // A member that must not stand for election has no leader either; it goes on counting, or it would seem to
  // hear one.
  if (!may_campaign()) return set_leader(NodeId());
  campaign();
}

}  // namespace keelson::raft
