#include "chaos/sim/invariants.h"

#include <algorithm>

#include "chaos/sim/world.h"
#include "jepsen/history.h"
#include "kvstore/mvcc/read.h"

namespace keelson::sim {

using raft::Index;
using raft::Membership;
using raft::Message;
using raft::MessageType;
using raft::NodeId;
using raft::Term;

namespace {

constexpr std::size_t kLookBack = 64;
constexpr std::size_t kLookBackTerms = 24;

template <class T>
std::string str(T v) {
  return std::to_string(v.value());
}

bool majority(const std::vector<NodeId>& voters, const std::set<NodeId>& yes) {
  const auto n = std::count_if(voters.begin(), voters.end(), [&](NodeId id) { return yes.contains(id); });
  return static_cast<std::size_t>(n) * 2 > voters.size();
}
bool quorum(const Membership& m, const std::set<NodeId>& yes) {
  return majority(m.voters, yes) && (!m.joint() || majority(m.voters_old, yes));
}

}  // namespace

void Invariants::violation(const SimMember& member, const char* property, const std::string& text) {
  world_.violation(property, member.name() + ": " + text);
}

void Invariants::on_send(SimMember& from, const Message& m) {
  auto& p = from.promises();
  switch (m.type) {
    case MessageType::kVote:
      p.term = std::max(p.term, m.term);
      if (p.vote_term == m.term && p.vote != from.id()) {
        violation(from, "election safety",
                  "campaigns in term " + str(m.term) + " after voting for " + str(p.vote));
      }
      if (!m.force && p.vote_term != m.term) {
        auto& yes = pre_votes_[{from.id(), m.term}];
        yes.insert(from.id());
        if (!quorum(from.seen_membership, yes) && !quorum(from.replica()->node().membership(), yes)) {
          violation(
              from, "no needless term",
              "campaigns in term " + str(m.term) + " with " + std::to_string(yes.size()) + " pre-votes");
        }
      }
      p.vote_term = m.term;
      p.vote = from.id();
      break;
    case MessageType::kVoteReply:
      if (m.reject) break;
      p.term = std::max(p.term, m.term);
      if (p.vote_term == m.term && p.vote != m.to) {
        violation(from, "election safety",
                  "votes for " + str(m.to) + " in term " + str(m.term) + " after " + str(p.vote));
      }
      p.vote_term = m.term;
      p.vote = m.to;
      break;
    case MessageType::kPreVoteReply: {
      if (m.reject) break;
      pre_votes_[{m.to, m.term}].insert(from.id());
      const auto& node = from.replica()->node();
      const auto patience = static_cast<std::uint64_t>(from.replica()->options().election_ticks) - 1;
      if ((node.role() == raft::Role::kLeader && from.led_term == node.term()) ||
          (from.heard_term_before.value() != 0 && from.heard_term_before == node.term() &&
           from.ticks - from.heard_at_tick_before < patience)) {
        violation(from, "no needless term",
                  "grants a pre-vote to " + str(m.to) + " while it hears its leader");
      }
      break;
    }
    case MessageType::kAppendReply:
      if (m.reject) break;
      p.term = std::max(p.term, m.term);
      if (m.index > p.last) {
        p.last = m.index;
        p.last_term = from.replica()->node().term_at(m.index);
      }
      break;
    case MessageType::kAppend:
      check_entries(from, m);
      [[fallthrough]];
    case MessageType::kHeartbeat:
    case MessageType::kSnapshot:
      p.term = std::max(p.term, m.term);
      break;
    default:
      break;
  }
}

void Invariants::on_receive(SimMember& to, const Message& m) {
  if (m.type != MessageType::kAppend && m.type != MessageType::kHeartbeat) return;
  // Whose log is still being repaired takes no part yet, and hears nobody.
  if (m.term < to.replica()->node().term() || to.replica()->repairing()) return;
  to.heard_term = m.term;
  to.heard_at_tick = to.ticks;
}

void Invariants::check_entries(SimMember& from, const Message& m) {
  Term prev = m.prev_term;
  for (const auto& e : m.entries) {
    auto& facts = entries_[e.index.value()];
    auto it = std::find_if(facts.begin(), facts.end(), [&](const EntryFact& f) { return f.term == e.term; });
    if (it == facts.end()) {
      facts.push_back({e.term, prev, e.data, e.type});
    } else if (it->prev_term != prev || it->type != e.type ||
               (it->data.data() != e.data.data() && !(it->data == e.data))) {
      violation(from, "log matching", "two entries " + str(e.term) + ":" + str(e.index));
    }
    prev = e.term;
  }
}

void Invariants::after_step(SimMember& member) {
  if (const auto repairs = member.replica()->repairs(); repairs != member.seen_repairs) {
    member.seen_repairs = repairs;
    ++world_.counters()[Count::kLogsRepaired];
  }
  if (const auto installs = member.replica()->installs(); installs != member.seen_installs) {
    member.seen_installs = installs;
    ++world_.counters()[Count::kSnapshotInstalls];
    // What was changed in its memory is gone.
    if (member.damage == SimMember::Damage::kDiverged) member.damage = SimMember::Damage::kNone;
  }
  check_role(member);
  check_log(member);
  const auto& node = member.replica()->node();
  const bool joins = node.membership().joint() && !member.seen_membership.joint();
  member.seen_membership = node.membership();
  if (joins && node.role() == raft::Role::kLeader) world_.entered_joint(member);
}

void Invariants::check_role(SimMember& member) {
  const auto& node = member.replica()->node();
  if (node.role() != raft::Role::kLeader || member.led_term == node.term()) return;
  member.led_term = node.term();
  member.led_from = node.commit();
  ++world_.counters()[Count::kLeaderChanges];
  world_.note(member.name(), "leads term " + str(node.term()));
  auto [it, first] = leaders_.emplace(node.term(), member.id());
  if (!first && it->second != member.id()) {
    violation(member, "election safety",
              "leads term " + str(node.term()) + " as " + str(it->second) + " did");
  }
  // What was committed before its term.
  std::size_t looked = 0;
  for (std::size_t i = committed_.size(); i > 0 && looked < kLookBack; --i, ++looked) {
    if (committed_[i - 1].known_in >= node.term()) continue;
    const Index index(i);
    if (index < node.first_index()) break;
    if (node.last_index() < index || node.term_at(index) != committed_[i - 1].term) {
      violation(member, "leader completeness",
                "leads term " + str(node.term()) + " without the committed entry " + str(index));
    }
    break;
  }
}

// Looks at the log's end, and whether a leader counted what it may not count.
void Invariants::check_terms(SimMember& member) {
  const auto& node = member.replica()->node();
  if (node.role() == raft::Role::kLeader && node.commit() > member.seen_commit) {
    const Term term = node.term_at(node.commit());
    if (term != node.term() && member.led_term == node.term() && node.commit() > member.led_from) {
      violation(member, "own term first",
                "leads term " + str(node.term()) + " and commits " + str(term) + ":" + str(node.commit()));
    }
  }
  const Index last = node.last_index();
  Term above = node.term_at(last);
  for (std::uint64_t i = 1; i < kLookBackTerms && last.value() > i; ++i) {
    const Term term = node.term_at(Index(last.value() - i));
    if (term > above) {
      violation(member, "rising terms",
                "has " + str(term) + " before " + str(above) + " at " + std::to_string(last.value() - i + 1));
      return;
    }
    if (term.value() == 0) return;
    above = term;
  }
}

void Invariants::check_log(SimMember& member) {
  check_terms(member);
  auto& replica = *member.replica();
  const auto& node = replica.node();
  auto& p = member.promises();
  const bool durable = !replica.failed() && !member.disk().power_cut();
  const bool here = node.last_index() >= p.last && node.term_at(p.last) == p.last_term;
  if (p.last.value() != 0 && !here && !member.repairing) {
    // Replaced by a newer leader's entries, or compacted. What its disk has of that is open when it failed.
    const Index kept = std::min(p.last, durable ? node.last_index() : member.seen_commit);
    const Term term = node.term_at(kept);
    if (durable || term.value() != 0) {
      if (term.value() != 0) p.last_term = term;
      p.last = kept;
    }
  }
  for (Index i = std::max(member.seen_commit, Index(node.first_index().value() - 1)); i < node.commit();) {
    i = i.next();
    commit_known(member, i, node.term_at(i));
  }
  member.seen_commit = std::max(member.seen_commit, node.commit());
  if (replica.applied() == member.seen_applied || member.damage == SimMember::Damage::kDiverged) return;
  member.seen_applied = replica.applied();
  const std::uint64_t hash = replica.agreement_hash();
  auto [it, first] = hashes_.emplace(replica.applied().value(), hash);
  if (!first && it->second != hash) {
    violation(member, "agreement", "its state at index " + str(replica.applied()) + " has another hash");
  }
  // One state at a time is falsified at most: a quorum always knows who is right.
  if (std::ranges::any_of(replica.published().cluster()->alarms,
                          [](const auto& a) { return a.type == kvstore::AlarmType::kCorrupt; })) {
    violation(member, "agreement",
              "says at index " + str(replica.applied()) + " that the cluster is corrupt");
  }
}

void Invariants::commit_known(SimMember& member, Index index, Term term) {
  if (term.value() == 0) return;
  const std::size_t at = index.value() - 1;
  if (at < committed_.size()) {
    if (committed_[at].term != term) {
      violation(
          member, "state machine safety",
          "has " + str(term) + ":" + str(index) + " as committed, where it was " + str(committed_[at].term));
    }
    return;
  }
  if (at > committed_.size())
    return violation(member, "state machine safety", "commits behind a gap at " + str(index));
  const auto& node = member.replica()->node();
  committed_.push_back({term, node.term()});
  if (node.role() != raft::Role::kLeader || index <= member.opened_at) return;
  const auto& before = member.seen_membership;
  const auto& now = node.membership();
  if (is_durable(member, before, index, false) || is_durable(member, now, index, false)) return;
  if (!is_durable(member, before, index, true) && !is_durable(member, now, index, true)) {
    violation(member, "committed is durable", "commits " + str(index) + " without a quorum that has it");
  }
  // It counted itself: now it must not forget either.
  if (member.promises().last < index) {
    member.promises().last = index;
    member.promises().last_term = term;
  }
}

bool Invariants::is_durable(SimMember& leader, const Membership& m, Index index, bool with_leader) {
  std::set<NodeId> have;
  for (const auto& member : world_.members()) {
    if (member.get() == &leader ? with_leader : member->promises().last >= index) have.insert(member->id());
  }
  return quorum(m, have);
}

// Whether a newer leader's entries took the place of what `member` had acknowledged: they reached its disk,
// though it did not live to say so. What was committed must still be there.
bool Invariants::replaced(SimMember& member) const {
  const auto& node = member.replica()->node();
  const auto& p = member.promises();
  if (node.term_at(node.last_index()) <= p.last_term) return false;
  const Index last(std::min<std::uint64_t>(p.last.value(), committed_.size()));
  if (last == Index()) return true;
  const Term t = node.term_at(last);
  return node.last_index() >= last && (t.value() == 0 || t == committed_[last.value() - 1].term);
}

bool Invariants::after_restart(SimMember& member) {
  const auto status = member.replica()->node().status();
  const auto& node = member.replica()->node();
  const auto& p = member.promises();
  std::string forgot;
  if (status.hard_state.term < p.term) {
    forgot = "its term " + str(p.term) + " (it has " + str(status.hard_state.term) + ")";
  } else if (status.hard_state.term == p.vote_term && status.hard_state.vote != p.vote) {
    forgot = "its vote for " + str(p.vote) + " in term " + str(p.vote_term);
  } else if (member.replica()->repairing()) {
    // It has not got its log yet, and promises nothing.
  } else if (replaced(member)) {
    auto& promises = member.promises();
    promises.last = std::min(p.last, node.last_index());
    promises.last_term = node.term_at(promises.last);
  } else if (node.last_index() < p.last) {
    forgot = "its log up to " + str(p.last) + " (it ends at " + str(node.last_index()) + ")";
  } else if (const Term t = node.term_at(p.last); t.value() != 0 && t != p.last_term) {
    forgot = "entry " + str(p.last_term) + ":" + str(p.last);
  }
  if (forgot.empty()) return true;
  const bool unprovable =
      member.damage == SimMember::Damage::kCut && node.last_index() >= member.durable_at_cut;
  if (member.damage == SimMember::Damage::kInvisible || unprovable) {
    world_.note(member.name(), "has forgotten " + forgot + ", and cannot know it");
    return false;
  }
  violation(member, "committed is durable",
            "has forgotten " + forgot + " after " +
                (member.damage == SimMember::Damage::kNone ? "a crash" : member.damage_text));
  return false;
}

void Invariants::after_repair(SimMember& member) {
  const auto& node = member.replica()->node();
  auto& p = member.promises();
  const std::size_t last = p.last.value();
  const bool committed = last > 0 && last <= committed_.size() && committed_[last - 1].term == p.last_term;
  const Term term = node.term_at(p.last);
  if (committed && (node.last_index() < p.last || (term.value() != 0 && term != p.last_term))) {
    violation(member, "committed is durable",
              "has its log repaired without the entry " + str(p.last_term) + ":" + str(p.last));
  }
  if (node.last_index() >= p.last) return;
  p.last = node.last_index();  // the rest gave way to newer entries
  p.last_term = node.term_at(p.last);
}

void Invariants::on_events(SimMember& member, const std::vector<kvstore::Event>& events) {
  if (member.damage == SimMember::Damage::kDiverged) return;
  std::vector<kvstore::Event> one;
  for (std::size_t i = 0; i < events.size(); ++i) {
    one.push_back(events[i]);
    one.back().prev_kv.reset();
    if (i + 1 < events.size() && events[i + 1].kv.mod_revision == one[0].kv.mod_revision) continue;
    check_revision(member, one);
    one.clear();
  }
}

void Invariants::check_revision(SimMember& member, const std::vector<kvstore::Event>& events) {
  const auto r = events.front().kv.mod_revision;
  const auto newest = log_.empty() ? 1 : log_.back().revision;
  if (r > newest) {
    if (r != newest + 1)
      violation(member, "one history",
                "tells revision " + std::to_string(r) + " after " + std::to_string(newest));
    // By the member's time: its step has waited for its disk that long already.
    log_.push_back({r, (world_.now() + member.ahead()).time_since_epoch().count(), events});
    return;
  }
  const auto& known = log_[static_cast<std::size_t>(r - log_.front().revision)].events;
  const bool same = std::equal(known.begin(), known.end(), events.begin(), events.end(),
                               [](const kvstore::Event& a, const kvstore::Event& b) {
                                 return a.type == b.type && a.kv.key == b.kv.key &&
                                        a.kv.value == b.kv.value &&
                                        a.kv.create_revision == b.kv.create_revision &&
                                        a.kv.version == b.kv.version && a.kv.lease == b.kv.lease;
                               });
  if (same) return;
  std::string text = "tells another revision " + std::to_string(r) + ":";
  for (const auto& e : events) text += " " + jepsen::describe(e);
  text += "; known is:";
  for (const auto& e : known) text += " " + jepsen::describe(e);
  violation(member, "one history", text);
}

void Invariants::backfill(SimMember& member) {
  auto& state = member.replica()->state();
  const auto newest = log_.empty() ? 1 : log_.back().revision;
  if (state.revision() <= newest) return;
  const auto snapshot = state.snapshot();
  const std::string all("\0", 1);
  std::vector<kvstore::Event> one;
  for (const auto& change : kvstore::past_changes(snapshot->view(), {all, all}, newest + 1)) {
    auto event = kvstore::past_event(snapshot->view(), state.read_context(), change, false);
    if (!event) return;
    if (!one.empty() && one.front().kv.mod_revision != event->kv.mod_revision) {
      check_revision(member, std::exchange(one, {}));
    }
    one.push_back(std::move(*event));
  }
  if (!one.empty()) check_revision(member, one);
}

}  // namespace keelson::sim
