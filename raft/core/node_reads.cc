#include <algorithm>

#include "raft/core/node_impl.h"

namespace keelson::raft {

Result<void> Node::Impl::read_index(std::uint64_t context) {
  if (role == Role::kLeader) {
    rounds.add({config.id, context});
    return {};
  }
  if (leader == NodeId()) return fail(Code::kUnavailable, "raft: no leader");
  read_forwards.add(context);
  return {};
}

bool Node::Impl::lease_holds() const {
  return config.read_mode == ReadMode::kLease && !timeout_now_sent && ticks < lease_until;
}

// Only a leader that has committed an entry of its own term knows what is committed (dissertation §6.4).
bool Node::Impl::may_open_round() const {
  if (!rounds.waiting() || !committed_in_term()) return false;
  return rounds.may_open() || lease_holds() || config.faults.read_index_without_quorum;
}

void Node::Impl::answer_reads() {
  if (lease_holds() || config.faults.read_index_without_quorum) {
    for (const auto& r : rounds.take_waiting()) answer_read(r, log.commit());
  } else {
    open_round();
  }
}

void Node::Impl::open_round() {
  rounds.open(log.commit(), ticks);
  ask_quorum();
  confirm_rounds();
}

// Asks no more members than a quorum needs, those who answered fastest of late: an answer of the others would
// decide nothing. Where one of them is silent now, the next heartbeat to all asks everybody.
void Node::Impl::ask_quorum() {
  std::vector<const Follower*> order;
  for (const auto& f : followers) {
    if (f.id != config.id && !f.learner) order.push_back(&f);
  }
  std::ranges::sort(order, [](const Follower* a, const Follower* b) {
    if (a->answered != b->answered) return a->answered > b->answered;
    if (a->recent_active != b->recent_active) return a->recent_active;
    return std::pair(a->place, a->id) < std::pair(b->place, b->id);
  });
  auto end = order.begin();
  const auto asked = [&](NodeId id) {
    return id == config.id || std::any_of(order.begin(), end, [&](const Follower* f) { return f->id == id; })
               ? Vote::kYes
               : Vote::kNone;
  };
  for (; end != order.end() && vote_result(asked) != VoteResult::kWon; ++end) send_heartbeat(**end);
}

void Node::Impl::confirm_rounds() {
  const std::uint64_t n = quorum_reached([this](NodeId id) {
    if (id == config.id) return rounds.newest();
    const Follower* f = find(id);
    return f == nullptr ? 0 : f->round;
  });
  std::vector<ReadRounds::Answer> answers;
  const std::uint64_t tick = rounds.confirm(n, answers);
  for (const auto& a : answers) answer_read(a.request, a.index);
  // A round began at `tick` or after it, so its voters refuse candidates for an election timeout from then
  // on, as they count ticks: one less; and one more in ten for clocks that do not run alike.
  const auto t = static_cast<std::uint64_t>(config.election_ticks);
  const std::uint64_t margin = 1 + std::max<std::uint64_t>(1, t / 10);
  if (tick != 0 && t > margin) lease_until = std::max(lease_until, tick + t - margin);
}

void Node::Impl::answer_read(const ReadRounds::Request& request, Index index) {
  if (request.from == config.id) {
    reads.push_back({request.context, index, false});
  } else {
    send({.type = MessageType::kReadIndexReply,
          .to = request.from,
          .index = index,
          .context = request.context});
  }
}

// Those of other members find out by themselves that the leader changed.
void Node::Impl::abort_rounds() {
  for (const auto& r : rounds.drain()) {
    if (r.from == config.id) reads.push_back({r.context, Index(), true});
  }
}

}  // namespace keelson::raft
