#include "raft/core/membership.h"

#include <algorithm>

#include "base/wire.h"

namespace keelson::raft {
namespace {

bool in(const std::vector<NodeId>& set, NodeId id) {
  return std::binary_search(set.begin(), set.end(), id);
}

void add(std::vector<NodeId>& set, NodeId id) {
  const auto it = std::lower_bound(set.begin(), set.end(), id);
  if (it == set.end() || *it != id) set.insert(it, id);
}

void drop(std::vector<NodeId>& set, NodeId id) {
  std::erase(set, id);
}

bool well_formed(const Membership& m) {
  for (const auto* set : {&m.voters, &m.voters_old, &m.learners, &m.learners_next}) {
    if (!set->empty() && set->front() == NodeId()) return false;
    if (std::ranges::adjacent_find(*set, std::greater_equal<>()) != set->end()) return false;
  }
  for (const NodeId id : m.learners) {
    if (m.is_voter(id)) return false;
  }
  for (const NodeId id : m.learners_next) {
    if (in(m.voters, id) || !in(m.voters_old, id)) return false;
  }
  return m.joint() || (m.learners_next.empty() && !m.auto_leave);
}

Result<void> take_step(Membership& m, const ConfChange::Step& step) {
  const NodeId id = step.node;
  if (id == NodeId()) return fail(Code::kFailedPrecondition, "raft: a member's id cannot be 0");
  switch (step.op) {
    case ConfChange::Op::kPromote:
      if (!in(m.learners, id) && !in(m.learners_next, id)) {
        return fail(Code::kFailedPrecondition, "raft: can only promote a learner");
      }
      [[fallthrough]];
    case ConfChange::Op::kAddVoter:
      drop(m.learners, id);
      drop(m.learners_next, id);
      add(m.voters, id);
      return {};
    case ConfChange::Op::kAddLearner:
      drop(m.voters, id);
      // A voter of the old half stays one until that half is gone.
      add(in(m.voters_old, id) ? m.learners_next : m.learners, id);
      return {};
    case ConfChange::Op::kRemove:
      drop(m.voters, id);
      drop(m.learners, id);
      drop(m.learners_next, id);
      return {};
  }
  return fail(Code::kFailedPrecondition, "raft: an unknown membership change");
}

bool read_set(wire::Reader& r, std::vector<NodeId>& set) {
  set.push_back(NodeId(r.uint()));
  return set.size() <= 1024;
}

}  // namespace

bool Membership::is_voter(NodeId id) const {
  return in(voters, id) || in(voters_old, id);
}
bool Membership::is_learner(NodeId id) const {
  return in(learners, id);
}
bool Membership::contains(NodeId id) const {
  return is_voter(id) || is_learner(id);
}

Result<Membership> apply(const Membership& m, const ConfChange& change) {
  Membership next = m;
  if (change.steps.empty()) {
    if (!m.joint()) return fail(Code::kFailedPrecondition, "raft: there is no joint state to leave");
    for (const NodeId id : next.learners_next) add(next.learners, id);
    next.voters_old.clear();
    next.learners_next.clear();
    next.auto_leave = false;
    return next;
  }
  if (m.joint()) return fail(Code::kFailedPrecondition, "raft: another membership change is under way");
  if (change.steps.size() > 1) {
    next.voters_old = next.voters;
    next.auto_leave = true;
  }
  for (const auto& step : change.steps) TRY(take_step(next, step));
  if (next.voters.empty()) return fail(Code::kFailedPrecondition, "raft: no voter would be left");
  return next;
}

std::string encode(const Membership& m) {
  std::string out;
  wire::Writer w(out);
  for (const NodeId id : m.voters) w.uint(1, id.value());
  for (const NodeId id : m.voters_old) w.uint(2, id.value());
  for (const NodeId id : m.learners) w.uint(3, id.value());
  for (const NodeId id : m.learners_next) w.uint(4, id.value());
  if (m.auto_leave) w.boolean(5, true);
  return out;
}

Result<Membership> decode_membership(std::string_view bytes) {
  Membership m;
  wire::Reader r(bytes);
  bool ok = true;
  while (ok && r.next()) {
    switch (r.field()) {
      case 1:
        ok = read_set(r, m.voters);
        break;
      case 2:
        ok = read_set(r, m.voters_old);
        break;
      case 3:
        ok = read_set(r, m.learners);
        break;
      case 4:
        ok = read_set(r, m.learners_next);
        break;
      case 5:
        m.auto_leave = r.boolean();
        break;
      default:
        break;
    }
  }
  if (!ok || !r.ok() || !well_formed(m)) return fail(Code::kDataLoss, "raft: a damaged membership");
  return m;
}

std::string encode(const ConfChange& c) {
  std::string out;
  wire::Writer w(out);
  for (const auto& step : c.steps) {
    const auto mark = w.begin(1);
    w.uint(1, static_cast<std::uint64_t>(step.op));
    w.uint(2, step.node.value());
    w.end(mark);
  }
  if (!c.context.empty()) w.bytes(2, c.context);
  if (c.result) w.bytes(3, encode(*c.result));
  return out;
}

Result<ConfChange> decode_conf_change(const Bytes& bytes) {
  ConfChange c;
  wire::Reader r(bytes);
  bool ok = true;
  while (ok && r.next()) {
    if (r.field() == 1) {
      ConfChange::Step step;
      wire::Reader s(r.bytes());
      std::uint64_t op = 0;
      while (s.next()) {
        if (s.field() == 1) op = s.uint();
        if (s.field() == 2) step.node = NodeId(s.uint());
      }
      ok = s.ok() && op <= 4 && op != 2 && c.steps.size() < 1024;
      step.op = static_cast<ConfChange::Op>(op);
      c.steps.push_back(step);
    } else if (r.field() == 2) {
      const auto v = r.bytes();
      c.context =
          v.empty() ? Bytes() : bytes.slice(static_cast<std::size_t>(v.data() - bytes.data()), v.size());
    } else if (r.field() == 3) {
      c.result = TRY(decode_membership(r.bytes()));
    }
  }
  if (!ok || !r.ok()) return fail(Code::kDataLoss, "raft: a damaged membership change");
  return c;
}

}  // namespace keelson::raft
