// Operator: whoever looks after the simulated cluster: replaces members that are lost, grows and shrinks it,
// moves leadership. Works by requests to members, as any operator; only what it sees is the truth.
// Thread rule: one thread.
#pragma once

#include "base/rng.h"
#include "chaos/sim/member.h"
#include "kvstore/server/pending.h"

namespace keelson::sim {

class Operator {
 public:
  Operator(World& world, Rng rng, std::size_t size);
  void start();
  // From now on it only mends.
  void settle() { settling_ = true; }
  // Nothing is left to mend.
  bool content();
  // A change of members was asked for, and may yet happen or not.
  bool in_doubt() const { return in_doubt_; }

 private:
  void work();
  bool mend(const raft::Membership& m);
  void remove_one(const raft::Membership& m);
  void replace_many(const raft::Membership& m);
  void churn(const raft::Membership& m);
  void look_for_divergence();
  void look_for_change();
  void bury();
  void request(kvstore::PendingPtr p, Count count);
  void change(kvstore::MemberChange::Op op, raft::NodeId id);

  World& world_;
  Rng rng_;
  const bool restless_;
  bool settling_ = false;
  std::size_t target_;
  MonoTime next_churn_{};
  bool waiting_ = false;
  bool in_doubt_ = false;
  MonoTime asked_at_{};  // for the newest change
  std::uint64_t requests_ = 0;
  std::uint64_t names_ = 0;
};

}  // namespace keelson::sim
