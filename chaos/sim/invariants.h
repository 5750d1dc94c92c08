// Invariants: what must hold after every step of every member (Raft paper, figure 3; TLA+ spec of etcd raft).
// Each check costs a few look-ups: what is new is compared with what is known for good.
//
//   Election safety        one leader per term
//   Log matching           (index, term) names one entry and one entry before it
//   Leader completeness    a new leader has every entry known to be committed
//   Own term first         a leader's commit index moves to an entry of its own term, never by counting an
//                          earlier term's (figure 8)
//   Rising terms           along a log, terms never fall
//   State machine safety   every member applies the same entry at an index
//   Committed is durable   an entry known to be committed is acknowledged by a quorum; nobody forgets over a
//                          restart what it has acknowledged, voted, or its term
//   Agreement              the same state hash at the same applied index
//   No needless term       nobody grants a pre-vote while it hears its leader; nobody campaigns without a
//                          quorum of them
//   One history            every member tells the same events of a revision
//
// Thread rule: one thread.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <vector>

#include "chaos/sim/member.h"
#include "jepsen/history.h"

namespace keelson::sim {

class Invariants {
 public:
  explicit Invariants(World& world) : world_(world) {}

  void on_send(SimMember& from, const raft::Message& message);
  void on_receive(SimMember& to, const raft::Message& message);
  void after_step(SimMember& member);
  // It has opened its disk again: what it promised must be there. False, and no violation, where its disk is
  // known to have forgotten.
  bool after_restart(SimMember& member);
  // Its log was mended from the others: nothing committed may be missing of what it promised.
  void after_repair(SimMember& member);
  // `events` were applied by `member`, whole revisions.
  void on_events(SimMember& member, const std::vector<kvstore::Event>& events);
  // What a member applied while it recovered, before anybody could look on.
  void backfill(SimMember& member);

  const jepsen::EventLog& log() const { return log_; }
  raft::Index committed() const { return raft::Index(committed_.size()); }

 private:
  void violation(const SimMember& member, const char* property, const std::string& text);
  void check_entries(SimMember& from, const raft::Message& m);
  void check_role(SimMember& member);
  void check_log(SimMember& member);
  void check_terms(SimMember& member);
  void commit_known(SimMember& member, raft::Index index, raft::Term term);
  bool is_durable(SimMember& leader, const raft::Membership& m, raft::Index index, bool with_leader);
  void check_revision(SimMember& member, const std::vector<kvstore::Event>& events);
  bool replaced(SimMember& member) const;

  struct EntryFact {
    raft::Term term;
    raft::Term prev_term;
    Bytes data;
    raft::EntryType type{};
  };
  World& world_;
  std::unordered_map<raft::Term, raft::NodeId> leaders_;
  std::unordered_map<std::uint64_t, std::vector<EntryFact>> entries_;  // by index
  struct Committed {
    raft::Term term;
    raft::Term known_in;  // the term of who first knew
  };
  std::vector<Committed> committed_;                                                 // of index i + 1
  std::unordered_map<std::uint64_t, std::uint64_t> hashes_;                          // by applied index
  std::map<std::pair<raft::NodeId, raft::Term>, std::set<raft::NodeId>> pre_votes_;  // for a campaign
  jepsen::EventLog log_;
};

}  // namespace keelson::sim
