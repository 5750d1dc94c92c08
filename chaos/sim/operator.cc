#include "chaos/sim/operator.h"

#include <algorithm>

#include "chaos/sim/world.h"

namespace keelson::sim {

using namespace std::chrono_literals;
using kvstore::MemberChange;
using kvstore::Pending;
using kvstore::PendingPtr;
using raft::NodeId;

namespace {
constexpr Duration kFencedWithin = 30s;
constexpr Duration kForgottenAfter = 15s;  // no message of a request is on its way any more
}  // namespace

Operator::Operator(World& world, Rng rng, std::size_t size)
    : world_(world), rng_(rng), restless_(rng_.below(10) < 7), target_(size) {}

void Operator::start() {
  next_churn_ = world_.now() + 5s;
  world_.events().after(2s, [this] { work(); });
}

void Operator::work() {
  world_.events().after(200ms + Duration(rng_.below(400'000'000)), [this] { work(); });
  look_for_divergence();
  bury();
  look_for_change();
  if (waiting_ || world_.leader() == nullptr) return;
  const auto m = world_.membership();
  if (m.joint()) return;
  if (!mend(m) && !settling_ && restless_ && world_.now() >= next_churn_) churn(m);
}

// Starts what was added, promotes what learns, removes what is lost, refills. True: there was something to
// do.
bool Operator::mend(const raft::Membership& m) {
  for (NodeId id : m.learners) {
    SimMember* learner = world_.member(id);
    if (learner == nullptr) {
      const auto all = world_.cluster();
      auto info = std::find_if(all.begin(), all.end(), [&](const auto& i) { return i.id == id.value(); });
      if (info == all.end()) return true;
      auto mine = *info;
      mine.name = "m" + std::to_string(world_.members().size());
      world_.add_member(mine, all, true).start();
      return true;
    }
    if (learner->lost || learner->over) {
      change(MemberChange::Op::kRemove, id);
    } else {
      change(MemberChange::Op::kPromote, id);
    }
    return true;
  }
  for (NodeId id : m.voters) {
    const SimMember* voter = world_.member(id);
    if (voter != nullptr && voter->lost) {
      change(MemberChange::Op::kRemove, id);
      return true;
    }
    // What is damaged may be lost any moment: nobody else leaves meanwhile.
    if (voter != nullptr && voter->damage != SimMember::Damage::kNone) return true;
  }
  if (m.voters.size() < target_) {
    change(MemberChange::Op::kAddLearner, {});
    return true;
  }
  if (m.voters.size() > target_) {
    remove_one(m);
    return true;
  }
  return false;
}

void Operator::churn(const raft::Membership& m) {
  next_churn_ = world_.now() + 2s + Duration(rng_.below(12'000'000'000));
  switch (rng_.below(7)) {
    case 5:
    case 6:
      replace_many(m);
      break;
    case 0:
      target_ = rng_.below(6) == 0 ? 1 : 3;
      break;
    case 1:
      target_ = 5;
      break;
    case 2:
      if (m.voters.size() > 1) remove_one(m);
      break;
    default: {
      auto p = std::make_shared<Pending>();
      p->op = Pending::Op::kMoveLeader;
      p->target = m.voters[rng_.below(m.voters.size())].value();
      request(std::move(p), Count::kLeaderTransfers);
    }
  }
}

// A majority of the voters, or all of them, for new ones, in one step.
void Operator::replace_many(const raft::Membership& m) {
  SimMember* leader = world_.leader();
  if (in_doubt_ || leader == nullptr || m.voters.size() < 2) return;
  const std::size_t majority = m.voters.size() / 2 + 1;
  const std::size_t count = majority + rng_.below(m.voters.size() - majority + 1);
  std::vector<NodeId> old = m.voters;
  std::vector<std::uint64_t> leaving;
  std::vector<kvstore::MemberInfo> joining;
  for (std::size_t i = 0; i < count; ++i) {
    const auto at = static_cast<std::ptrdiff_t>(rng_.below(old.size()));
    leaving.push_back(old[static_cast<std::size_t>(at)].value());
    old.erase(old.begin() + at);
    kvstore::MemberInfo info;
    info.id = 1'000'000 + ++names_;
    info.peer_urls = {"http://new" + std::to_string(names_) + ":2380"};
    joining.push_back(std::move(info));
  }
  world_.note("op", "asks " + leader->name() + " to replace " + std::to_string(count) + " of " +
                        std::to_string(m.voters.size()) + " members in one step");
  in_doubt_ = true;
  asked_at_ = world_.now();
  // They are up before they count: else the joint state would wait for them, and nobody leads meanwhile.
  auto all = world_.cluster();
  all.insert(all.end(), joining.begin(), joining.end());
  for (auto info : joining) {
    info.name = "m" + std::to_string(world_.members().size());
    world_.add_member(info, all, true).start();
  }
  leader->input([joining, leaving](kvstore::Replica& r) { (void)r.replace_members(joining, leaving); });
}

// Of two, not the leader: it would be gone before the other one, which cannot go on alone before it knows.
void Operator::remove_one(const raft::Membership& m) {
  if (in_doubt_) return;
  const NodeId id = m.voters[rng_.below(m.voters.size())];
  const SimMember* leader = world_.leader();
  if (m.voters.size() == 2 && (leader == nullptr || leader->id() == id)) return;
  change(MemberChange::Op::kRemove, id);
}

void Operator::change(MemberChange::Op op, NodeId id) {
  auto p = std::make_shared<Pending>();
  p->op = Pending::Op::kMember;
  p->change.op = op;
  p->change.id = id.value();
  if (op == MemberChange::Op::kAddLearner) {
    p->change.peer_urls = {"http://new" + std::to_string(++names_) + ":2380"};
  }
  request(std::move(p), Count::kMembershipChanges);
}

void Operator::request(PendingPtr p, Count count) {
  SimMember* leader = world_.leader();
  if (leader == nullptr) return;
  waiting_ = true;
  const std::uint64_t number = ++requests_;
  const bool alone = p->op == Pending::Op::kMember && !in_doubt_;
  if (p->op == Pending::Op::kMember) {
    in_doubt_ = true;
    asked_at_ = world_.now();
  }
  p->on_done = [this, number, alone, count, p = p.get()] {
    if (!p->outcome.error) {
      ++world_.counters()[count];
      if (number == requests_ && alone) in_doubt_ = false;
    }
    if (world_.trace().on()) {
      world_.note("op", "request " + std::to_string(number) + " " +
                            (p->outcome.error ? p->outcome.error->to_string() : "done"));
    }
    if (number == requests_) waiting_ = false;
  };
  if (world_.trace().on()) {
    world_.note("op", "request " + std::to_string(number) + " to " + leader->name() +
                          (p->op == Pending::Op::kMember
                               ? " change " + std::to_string(static_cast<int>(p->change.op)) + " of " +
                                     std::to_string(p->change.id)
                               : " move leader to " + std::to_string(p->target)));
  }
  leader->submit(std::move(p));
  world_.events().after(5s, [this, number] {
    if (number == requests_) waiting_ = false;
  });
}

// A change without an answer is past when a leader that came to know of everything since has applied it all.
void Operator::look_for_change() {
  if (!in_doubt_ || waiting_ || world_.now() - asked_at_ < kForgottenAfter) return;
  SimMember* l = world_.leader();
  if (l == nullptr) return;
  const auto& node = l->replica()->node();
  const raft::Index last = node.last_index();
  if (l->replica()->applied() == last && node.term_at(last) == node.term()) in_doubt_ = false;
}

// A member whose state differs has to find out, and then to be replaced.
void Operator::look_for_divergence() {
  for (const auto& m : world_.members()) {
    if (m->damage != SimMember::Damage::kDiverged || m->over || m->lost) continue;
    if (m->up() && m->replica()->fenced()) {
      world_.note(m->name(), "has fenced itself");
      m->crash(false);
      m->disk().wipe();
      m->lost = true;
    } else if (world_.now() - m->damaged_at > kFencedWithin) {
      world_.violation("agreement", m->name() + " differs from the others and nobody has noticed for 30 s");
    }
  }
}

// A removed member that nobody told lives on for a while, and then is switched off.
void Operator::bury() {
  const auto m = world_.membership();
  if (m.joint() || in_doubt_ || !world_.all_know(m)) return;
  for (const auto& member : world_.members()) {
    if (member->over || m.contains(member->id())) continue;
    if (member->buried_at == MonoTime{}) {
      member->buried_at = world_.now() + 1s + Duration(rng_.below(6'000'000'000));
    } else if (world_.now() >= member->buried_at) {
      if (member->up()) member->crash(false);
      member->over = true;
    }
  }
}

bool Operator::content() {
  const auto m = world_.membership();
  if (m.joint() || !m.learners.empty() || waiting_) return false;
  return std::all_of(m.voters.begin(), m.voters.end(), [&](NodeId id) {
    const SimMember* v = world_.member(id);
    return v != nullptr && v->up() && v->damage == SimMember::Damage::kNone;
  });
}

}  // namespace keelson::sim
