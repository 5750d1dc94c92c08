// RandomGroup: members of one group with disks and a network that lose, repeat, reorder and crash, driven by
// one seed; Raft's safety properties (paper figure 3) are checked as it goes.
#pragma once

#include <algorithm>
#include <cstdio>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/rng.h"
#include "raft/core/node.h"

namespace keelson::raft {

struct GroupOptions {
  std::size_t members = 3;
  int steps = 4000;
  bool membership_changes = true;
  ReadMode read_mode = ReadMode::kQuorum;
  CoreFaults faults;
  bool trace = false;  // prints leaders and changes of membership
};

class RandomGroup {
 public:
  RandomGroup(std::uint64_t seed, GroupOptions options) : rng_(seed), options_(options) {
    Membership m;
    for (std::uint64_t i = 1; i <= options.members; ++i) m.voters.push_back(NodeId(i));
    for (const NodeId id : m.voters) {
      members_[id].disk.membership = m;
      start(id);
    }
  }

  // Empty: all went well, and the group came to agreement once the faults had ended.
  std::string run() {
    for (int i = 0; i < options_.steps && failure_.empty(); ++i) {
      step();
      check_logs_now_and_then();
    }
    if (failure_.empty()) heal();
    return failure_;
  }

  std::uint64_t committed() const { return chosen_.empty() ? 0 : chosen_.rbegin()->first; }
  std::uint64_t leaders() const { return leader_of_.size(); }
  int reads() const { return reads_; }
  int snapshots() const { return snapshots_; }
  int changes() const { return changes_; }
  int returned() const { return returned_; }

 private:
  struct Chosen {
    Term term;
    std::string data;
    bool operator==(const Chosen&) const = default;
  };
  struct Disk {
    HardState hard_state;
    Index snapshot_index;
    Term snapshot_term;
    std::vector<Entry> entries;
    Index applied;
    Membership membership;  // as of `applied`
  };
  struct Member {
    Disk disk;
    std::unique_ptr<Rng> rng;
    std::unique_ptr<Node> node;
    std::deque<Ready> writing;
    Index applied;
    Membership membership;
    std::map<std::uint64_t, std::uint64_t> reads;  // context -> what it must at least see
  };

  void fail(std::string why) {
    if (failure_.empty()) failure_ = std::move(why);
  }
  bool chance(int percent) { return rng_.below(100) < static_cast<std::uint64_t>(percent); }
  Member& any() {
    auto it = members_.begin();
    std::advance(it, static_cast<std::ptrdiff_t>(rng_.below(members_.size())));
    return it->second;
  }

  void start(NodeId id) {
    Member& m = members_[id];
    m.rng = std::make_unique<Rng>(rng_.next());
    NodeConfig c{.id = id, .read_mode = options_.read_mode, .max_append_bytes = 64, .max_inflight = 8};
    c.max_apply_bytes = 100;
    c.faults = options_.faults;
    Restored r{m.disk.hard_state,    m.disk.membership, m.disk.snapshot_index,
               m.disk.snapshot_term, m.disk.entries,    m.disk.applied};
    m.applied = m.disk.applied;
    m.membership = m.disk.membership;
    m.writing.clear();
    m.reads.clear();
    m.node = std::make_unique<Node>(c, std::move(r), *m.rng);
  }

  void step() {
    const auto dice = rng_.below(1000);
    Member& m = any();
    if (dice < 200) {
      m.node->tick();
    } else if (dice < 560) {
      deliver();
    } else if (dice < 760) {
      write(m);
    } else if (dice < 900) {
      propose(m);
    } else if (dice < 950) {
      read(m);
    } else if (dice < 960) {
      if (m.applied > m.node->first_index()) m.node->compact(Index(m.applied.value() - rng_.below(3)));
    } else if (dice < 965) {
      start(m.node->id());
      trace_membership(*m.node, "restarted");
    } else if (dice < 970) {
      m.node->campaign();
    } else if (dice < 975) {
      (void)m.node->transfer_leadership(any().node->id());
    } else if (dice < 978) {
      blocked_.clear();
      if (chance(60)) {
        const NodeId cut = any().node->id();
        for (auto& [id, other] : members_) {
          if (chance(90)) blocked_.insert({cut, id});
          if (chance(90)) blocked_.insert({id, cut});
        }
      }
    } else if (dice < 984 && options_.membership_changes) {
      change(m);
    } else if (dice < 990) {
      m.node->report_unreachable(any().node->id());
    } else {
      flush(m);
    }
    drain(m);
  }

  void change(Member& m) {
    ConfChange c;
    if (chance(25)) {  // replaces all voters but perhaps one
      const NodeId keep(rng_.below(options_.members) + 1);
      for (const NodeId id : m.node->membership().voters) {
        if (id != keep) c.steps.push_back({ConfChange::Op::kRemove, id});
        const NodeId other((id.value() + options_.members - 1) % (2 * options_.members) + 1);
        c.steps.push_back({ConfChange::Op::kAddVoter, other});
      }
    }
    const auto n = rng_.below(3) + 1;
    for (std::uint64_t i = 0; i < n; ++i) {
      static constexpr ConfChange::Op kOps[] = {ConfChange::Op::kAddVoter, ConfChange::Op::kRemove,
                                                ConfChange::Op::kAddLearner, ConfChange::Op::kPromote};
      const NodeId id(rng_.below(options_.members + 2) + 1);
      c.steps.push_back({kOps[rng_.below(4)], id});
    }
    if (m.node->propose_conf_change(c)) {
      for (const auto& s : c.steps) {
        if (!members_.contains(s.node)) start(s.node);
      }
    }
  }

  void propose(Member& m) { (void)m.node->propose(Bytes(std::to_string(++proposals_))); }

  void read(Member& m) {
    const std::uint64_t context = ++contexts_;
    if (m.node->read_index(context)) m.reads[context] = committed();
  }

  void deliver() {
    if (network_.empty()) return;
    const std::size_t window = std::min<std::size_t>(network_.size(), chance(80) ? 1 : 10);
    const auto at = static_cast<std::ptrdiff_t>(rng_.below(window));
    Message msg = network_[static_cast<std::size_t>(at)];
    if (!chance(5)) network_.erase(network_.begin() + at);
    if (network_.size() > 2000) network_.resize(1000);
    if (chance(8) || blocked_.contains({msg.from, msg.to})) {
      lost(msg);
      return;
    }
    const auto it = members_.find(msg.to);
    if (it == members_.end()) return;
    if (msg.type == MessageType::kSnapshot && !take_snapshot(msg)) return;
    it->second.node->step(std::move(msg));
    drain(it->second);
  }

  // The sender's state machine travels with the message: here, the global history up to the index.
  bool take_snapshot(const Message& msg) {
    Member& from = members_[msg.from];
    const bool delivered = chance(80);
    from.node->report_snapshot(msg.to, delivered);
    return delivered;
  }

  void lost(const Message& msg) {
    if (msg.type == MessageType::kSnapshot) members_[msg.from].node->report_snapshot(msg.to, false);
  }

  void drain(Member& m) {
    while (m.node->has_ready() && failure_.empty()) {
      Ready r = m.node->take_ready();
      note_leader(*m.node);
      for (auto& msg : r.messages) network_.push_back(std::move(msg));
      r.messages.clear();
      apply(m, r);
      for (const auto& s : r.reads) check_read(m, s);
      for (auto& given : r.returned) {
        ++returned_;
        (void)m.node->propose(std::move(given.data));
      }
      const bool waits = r.must_sync || r.hard_state || !r.messages_after_persist.empty();
      if (waits) m.writing.push_back(std::move(r));
      if (chance(70)) write(m);
    }
  }

  void write(Member& m) {
    if (m.writing.empty()) return;
    Ready r = std::move(m.writing.front());
    m.writing.pop_front();
    Disk& d = m.disk;
    if (r.snapshot) {
      ++snapshots_;
      d.snapshot_index = r.snapshot->index;
      d.snapshot_term = r.snapshot->term;
      d.entries.clear();
      d.applied = r.snapshot->index;
      d.membership = r.snapshot->membership;
      if (m.applied < d.applied) {
        m.applied = d.applied;
        m.membership = d.membership;
      }
    }
    for (auto& e : r.entries) {
      const auto at = e.index.value() - d.snapshot_index.value() - 1;
      if (at > d.entries.size()) return fail("a gap in what is written");
      d.entries.resize(at);
      d.entries.push_back(e);
    }
    if (r.hard_state) d.hard_state = *r.hard_state;
    m.node->persisted(r.number);
    for (auto& msg : r.messages_after_persist) network_.push_back(std::move(msg));
  }

  void apply(Member& m, const Ready& r) {
    for (const auto& e : r.committed) {
      const Chosen c{e.term, std::string(e.data.view())};
      const auto [it, fresh] = chosen_.emplace(e.index.value(), c);
      if (!fresh && !(it->second == c)) return fail("state machine safety: two entries at one index");
      if (e.type == EntryType::kNormal && !c.data.empty()) {
        if (index_of_.emplace(c.data, e.index.value()).first->second != e.index.value()) {
          return fail("a proposal was appended twice");
        }
      }
      if (e.index != m.applied.next()) return fail("applied out of order");
      m.applied = e.index;
      if (e.type == EntryType::kConfChange) {
        ++changes_;
        m.membership = m.node->apply_conf_change(e);
        trace_membership(*m.node, "applied");
        if (m.membership.joint() && m.node->role() == Role::kLeader && chance(30)) cut_at_the_seam(*m.node);
      }
      m.node->applied(e.index);
    }
  }

  // Between a leader that has just entered a joint membership, with those who come, and all others of the old
  // one: each side has a majority of one of the two memberships.
  void cut_at_the_seam(const Node& leader) {
    const auto& old = leader.membership().voters_old;
    const auto of_old = [&](NodeId id) {
      return id != leader.id() && std::find(old.begin(), old.end(), id) != old.end();
    };
    blocked_.clear();
    for (const auto& [a, one] : members_) {
      for (const auto& [b, other] : members_) {
        if (of_old(a) != of_old(b)) blocked_.insert({a, b});
      }
    }
  }

  // The state machine reaches its disk.
  void flush(Member& m) {
    Disk& d = m.disk;
    const Index end(d.snapshot_index.value() + d.entries.size());
    if (m.applied <= d.applied || m.applied > end) return;
    d.applied = m.applied;
    d.membership = m.membership;
    // The log on disk loses what the node has compacted.
    const Index upto(std::min(d.applied.value(), m.node->first_index().value() - 1));
    if (upto > d.snapshot_index) {
      const auto n = upto.value() - d.snapshot_index.value();
      d.snapshot_term = d.entries[n - 1].term;
      d.entries.erase(d.entries.begin(), d.entries.begin() + static_cast<std::ptrdiff_t>(n));
      d.snapshot_index = upto;
    }
  }

  void note_leader(const Node& n) {
    if (n.role() != Role::kLeader) return;
    const auto [it, fresh] = leader_of_.emplace(n.term().value(), n.id());
    if (it->second != n.id()) return fail("election safety: two leaders in one term");
    if (!fresh) return;
    trace_membership(n, "leads");
    for (const auto& [index, chosen] : chosen_) {
      if (Index(index) < n.first_index()) continue;
      if (n.term_at(Index(index)) != chosen.term) return fail("leader completeness");
    }
  }

  void trace_membership(const Node& n, const char* what) const {
    if (!options_.trace) return;
    const auto& m = n.membership();
    std::printf("member %lu %s: term %lu, commit %lu, last %lu; voters", n.id().value(), what,
                n.term().value(), n.commit().value(), n.last_index().value());
    for (const NodeId id : m.voters) std::printf(" %lu", id.value());
    std::printf(", old");
    for (const NodeId id : m.voters_old) std::printf(" %lu", id.value());
    std::printf(", learners");
    for (const NodeId id : m.learners) std::printf(" %lu", id.value());
    std::printf("\n");
  }

  void check_read(Member& m, const ReadState& s) {
    const auto it = m.reads.find(s.context);
    if (it == m.reads.end()) return fail("an answer to no read");
    if (!s.aborted) {
      ++reads_;
      if (s.index.value() < it->second) fail("a stale read");
    }
    m.reads.erase(it);
  }

  void check_logs_now_and_then() {
    if (!chance(2)) return;
    const Node& a = *any().node;
    const Node& b = *any().node;
    const std::uint64_t low = std::max(a.first_index(), b.first_index()).value();
    bool same = false;
    for (std::uint64_t i = std::min(a.last_index(), b.last_index()).value(); i >= low; --i) {
      const bool now = a.term_at(Index(i)) == b.term_at(Index(i));
      if (same && !now) return fail("log matching");
      same = same || now;
    }
  }

  // No faults any more: whatever was proposed last is applied by every voter.
  void heal() {
    blocked_.clear();
    for (int round = 0; round < 600 && failure_.empty(); ++round) {
      for (auto& [id, m] : members_) {
        m.node->tick();
        drain(m);
        while (!m.writing.empty()) write(m);
        drain(m);
      }
      for (std::size_t n = network_.size(); n > 0 && failure_.empty(); --n) {
        Message msg = std::move(network_.front());
        network_.pop_front();
        Member& to = members_[msg.to];
        if (msg.type == MessageType::kSnapshot) members_[msg.from].node->report_snapshot(msg.to, true);
        to.node->step(std::move(msg));
        drain(to);
        while (!to.writing.empty()) write(to);
      }
      if (round == 300) {
        for (auto& [id, m] : members_) {
          if (m.node->role() == Role::kLeader) (void)m.node->propose(Bytes::literal("last"));
        }
      }
    }
    if (!failure_.empty()) return;
    const bool done = std::ranges::any_of(chosen_, [](const auto& c) { return c.second.data == "last"; });
    if (!done && options_.trace) {
      for (auto& [id, m] : members_) trace_membership(*m.node, "at the end");
    }
    if (!done) return fail("no progress after the faults ended");
    for (auto& [id, m] : members_) {
      if (m.node->role() != Role::kLeader) continue;
      for (const NodeId voter : m.node->membership().voters) {
        if (members_[voter].applied.value() != committed()) return fail("a voter lags for good");
      }
    }
  }

  Rng rng_;
  const GroupOptions options_;
  std::map<NodeId, Member> members_;
  std::deque<Message> network_;
  std::set<std::pair<NodeId, NodeId>> blocked_;
  std::map<std::uint64_t, Chosen> chosen_;
  std::map<std::uint64_t, NodeId> leader_of_;
  std::uint64_t proposals_ = 0;
  std::uint64_t contexts_ = 0;
  int reads_ = 0;
  int snapshots_ = 0;
  int changes_ = 0;
  int returned_ = 0;
  std::map<std::string, std::uint64_t> index_of_;  // of each proposal
  std::string failure_;
};

}  // namespace keelson::raft
