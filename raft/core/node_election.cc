#include <algorithm>
#include <utility>

#include "raft/core/node_impl.h"

namespace keelson::raft {

// While this holds no other candidate is listened to (dissertation §4.2.3).
bool Node::Impl::hears_leader() const {
  if (ticks < silent_until) return true;
  return config.check_quorum && leader != NodeId() && election_elapsed < config.election_ticks;
}

bool Node::Impl::may_campaign() const {
  if (role == Role::kLeader || !membership.is_voter(config.id)) return false;
  if (log.stable() < log.snapshot_index()) return false;
  // A change of membership known to be committed must be in force here first: a newer one may be already, by
  // which this member's idea of a quorum could be too old by two.
  for (Index i = applied.next(); i <= log.commit(); i = i.next()) {
    if (i >= log.first() && log.at(i).type == EntryType::kConfChange) return false;
  }
  return true;
}

void Node::Impl::campaign() {
  if (!may_campaign()) return;
  if (config.pre_vote) {
    start_pre_vote();
  } else {
    start_election(false);
  }
}

void Node::Impl::start_pre_vote() {
  role = Role::kPreCandidate;
  reset();
  set_leader(NodeId());
  votes.emplace_back(config.id, true);
  for (const auto* half : {&membership.voters, &membership.voters_old}) {
    for (const NodeId id : *half) {
      if (half == &membership.voters || !std::ranges::binary_search(membership.voters, id)) {
        request_vote(id, true, false);
      }
    }
  }
  tally();
}

void Node::Impl::start_election(bool force) {
  role = Role::kCandidate;
  term = term.next();
  vote = config.id;
  reset();
  set_leader(NodeId());
  self_vote_waits = true;
  self_vote_number = 0;
  for (const auto* half : {&membership.voters, &membership.voters_old}) {
    for (const NodeId id : *half) {
      if (half == &membership.voters || !std::ranges::binary_search(membership.voters, id)) {
        request_vote(id, false, force);
      }
    }
  }
}

void Node::Impl::request_vote(NodeId to, bool pre, bool force) {
  if (to == config.id) return;
  send({.type = pre ? MessageType::kPreVote : MessageType::kVote,
        .to = to,
        .term = pre ? term.next() : term,
        .prev_index = log.last(),
        .prev_term = log.last_term(),
        .force = force});
}

// Paper figure 2, RequestVote; §9.6 of the dissertation for the pre-vote. Here m.term >= term.
void Node::Impl::on_vote_request(const Message& m) {
  const bool pre = m.type == MessageType::kPreVote;
  Message reply{.type = pre ? MessageType::kPreVoteReply : MessageType::kVoteReply, .to = m.from};
  const bool free = vote == m.from || (vote == NodeId() && leader == NodeId()) || (pre && m.term > term);
  bool granted = free && log.up_to_date(m.prev_index, m.prev_term);
  if (pre && hears_leader() && !config.faults.pre_vote_despite_leader) granted = false;
  // Two who lost their leader at the same moment would split the vote: the one with the larger id goes first,
  // for a while, and asks again, as it may have been refused before the other noticed.
  if (granted && pre && role == Role::kPreCandidate && config.id > m.from && m.prev_index == log.last() &&
      m.prev_term == log.last_term() && election_elapsed < config.election_ticks / 2) {
    granted = false;
    request_vote(m.from, true, false);
  }
  if (granted) {
    reply.term = m.term;
    if (!pre) {
      election_elapsed = 0;
      vote = m.from;
    }
  } else {
    reply.reject = true;
    // The candidate's own term where ours is older, as it would pass over an older one.
    if (pre && m.term != Term()) reply.term = std::max(term, Term(m.term.value() - 1));
  }
  send(std::move(reply));
}

void Node::Impl::on_vote_reply(const Message& m) {
  const bool pre = m.type == MessageType::kPreVoteReply;
  if (role != (pre ? Role::kPreCandidate : Role::kCandidate) || !membership.contains(m.from)) return;
  if (m.term != (pre && !m.reject ? term.next() : term)) return;
  if (std::ranges::find(votes, m.from, &std::pair<NodeId, bool>::first) != votes.end()) return;
  votes.emplace_back(m.from, !m.reject);
  tally();
}

void Node::Impl::tally() {
  const auto result = vote_result([this](NodeId id) {
    const auto it = std::ranges::find(votes, id, &std::pair<NodeId, bool>::first);
    if (it == votes.end()) return Vote::kNone;
    return it->second ? Vote::kYes : Vote::kNo;
  });
  if (result == VoteResult::kLost) {
    become_follower(term, NodeId());
  } else if (result == VoteResult::kWon) {
    if (role == Role::kPreCandidate) {
      start_election(false);
    } else {
      become_leader();
    }
  }
}

void Node::Impl::become_follower(Term t, NodeId leader_id) {
  if (t > term) {
    term = t;
    vote = NodeId();
  }
  role = Role::kFollower;
  reset();
  set_leader(leader_id);
  return_held();
}

void Node::Impl::become_leader() {
  role = Role::kLeader;
  reset();
  set_leader(config.id);
  forward_filter.clear();
  forward_term = term;
  rebuild_followers();
  for (auto& f : followers) f.recent_active = false;
  // Any of the entries not yet applied may be a change of membership.
  pending_conf = log.last();
  for (Index i = std::max(log.applying().next(), log.first()); i <= log.last(); i = i.next()) {
    uncommitted_bytes += log.at(i).data.size();
    if (log.at(i).type != EntryType::kConfChange) continue;
    const auto change = decode_conf_change(log.at(i).data);
    if (change && change->result && !change->result->is_voter(config.id)) leaving = true;
  }
  append(Bytes(), EntryType::kNormal);
}

// What belongs to a role of before goes.
void Node::Impl::reset() {
  election_elapsed = 0;
  heartbeat_elapsed = 0;
  const std::int64_t t = config.election_ticks;
  randomized_timeout = static_cast<int>(rng.between(t, t * 13 / 10));
  votes.clear();
  self_vote_waits = false;
  abort_rounds();
  followers.clear();
  want_replicate = false;
  pending_conf = Index();
  uncommitted_bytes = 0;
  leaving = false;
  transferee = NodeId();
  timeout_now_sent = false;
  lease_until = 0;
  leader_gone = false;
}

void Node::Impl::set_leader(NodeId leader_id) {
  if (leader == leader_id) return;
  leader = leader_id;
  read_forwards.abort(reads);
  leader_gone = false;
  return_forwards();
}

}  // namespace keelson::raft
