// What a Node tells about itself: its role, and as a leader where its followers stand. Pure values.
#pragma once

#include <cstdint>
#include <vector>

#include "raft/core/membership.h"
#include "raft/core/types.h"

namespace keelson::raft {

enum class Role : std::uint8_t { kFollower, kPreCandidate, kCandidate, kLeader };

// Where a follower stands, as its leader sees it.
struct Progress {
  // kProbe: one message at a time, until it is known where the logs meet. kReplicate: a pipeline. kSnapshot:
  // it gets a snapshot, nothing else.
  enum class State : std::uint8_t { kProbe, kReplicate, kSnapshot };
  NodeId id;
  State state = State::kProbe;
  Index match;                 // its log is known to equal ours up to here
  Index next;                  // to be sent
  Index pending_snapshot;      // kSnapshot: of the one it gets
  bool recent_active = false;  // has answered within this election timeout
  bool learner = false;
};

struct NodeStatus {
  NodeId id;
  Role role = Role::kFollower;
  NodeId leader;  // 0: none known
  NodeId transferee;
  HardState hard_state;
  Index applied;
  Index last_index;
  Membership membership;
  std::vector<Progress> progress;  // of a leader
};

}  // namespace keelson::raft
