// Membership: who takes part in consensus, and how that changes: single steps and joint consensus (Raft
// dissertation §4.3; learners §4.2.1). Pure values.
//
// A change takes effect on a member when that member applies its entry. At most one change is in flight: a
// second proposed before the first is applied is refused, or dropped when it was forwarded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "raft/core/types.h"

namespace keelson::raft {

struct Membership {
  std::vector<NodeId> voters;         // sorted, as all four
  std::vector<NodeId> voters_old;     // not empty: joint; every decision needs a majority of both
  std::vector<NodeId> learners;       // get the log, are counted nowhere
  std::vector<NodeId> learners_next;  // voters of voters_old that become learners when the joint state ends
  bool auto_leave = false;            // the leader proposes the end of the joint state by itself

  bool joint() const { return !voters_old.empty(); }
  bool is_voter(NodeId id) const;    // of either set
  bool is_learner(NodeId id) const;  // of `learners`
  bool contains(NodeId id) const;
  bool operator==(const Membership&) const = default;
};

struct ConfChange {
  enum class Op : std::uint8_t { kAddVoter = 0, kRemove = 1, kAddLearner = 3, kPromote = 4 };
  struct Step {
    Op op = Op::kAddVoter;
    NodeId node;
    bool operator==(const Step&) const = default;
  };
  // No steps: leave the joint state. More than one: through a joint state, left by itself.
  std::vector<Step> steps;
  // For the state machine: carried along, not looked at.
  Bytes context;
  // Filled in by the leader: the membership after the change. A member that joined with an empty log does not
  // know what the group began with, and takes it from here.
  std::optional<Membership> result;
};

std::string encode(const Membership& m);
Result<Membership> decode_membership(std::string_view bytes);
std::string encode(const ConfChange& c);
Result<ConfChange> decode_conf_change(const Bytes& bytes);

// The membership after `change`. kFailedPrecondition where it makes no sense: already joint, not joint on
// leaving, no voter left, promotion of what is no learner.
Result<Membership> apply(const Membership& m, const ConfChange& change);

}  // namespace keelson::raft
