// Quorum arithmetic over a majority, or over two at once in a joint state (dissertation §4.3). An empty set
// of voters decides nothing: it agrees with everything, so that the second half of a state that is not joint
// does not count.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "raft/core/membership.h"
#include "raft/core/types.h"

namespace keelson::raft {

enum class VoteResult : std::uint8_t { kPending, kWon, kLost };
enum class Vote : std::uint8_t { kNone, kYes, kNo };

inline constexpr std::uint64_t kAllAgree = std::numeric_limits<std::uint64_t>::max();

// The largest number that a majority has reached, by what `reached` says of each; kAllAgree without voters.
template <class F>
std::uint64_t majority_reached(std::span<const NodeId> voters, F&& reached);
// The same over both halves.
template <class F>
std::uint64_t joint_reached(std::span<const NodeId> voters, std::span<const NodeId> voters_old, F&& reached) {
  return std::min(majority_reached(voters, reached), majority_reached(voters_old, reached));
}

template <class F>
VoteResult majority_vote(std::span<const NodeId> voters, F&& vote_of) {
  if (voters.empty()) return VoteResult::kWon;
  std::size_t yes = 0;
  std::size_t none = 0;
  for (const NodeId id : voters) {
    const Vote v = vote_of(id);
    yes += v == Vote::kYes;
    none += v == Vote::kNone;
  }
  const std::size_t quorum = voters.size() / 2 + 1;
  if (yes >= quorum) return VoteResult::kWon;
  return yes + none >= quorum ? VoteResult::kPending : VoteResult::kLost;
}

template <class F>
VoteResult joint_vote(std::span<const NodeId> voters, std::span<const NodeId> voters_old, F&& vote_of) {
  const VoteResult a = majority_vote(voters, vote_of);
  const VoteResult b = majority_vote(voters_old, vote_of);
  if (a == VoteResult::kLost || b == VoteResult::kLost) return VoteResult::kLost;
  return a == VoteResult::kWon && b == VoteResult::kWon ? VoteResult::kWon : VoteResult::kPending;
}

namespace detail {
// The (n/2+1)-th largest of `values`, which it reorders.
std::uint64_t majority_of(std::span<std::uint64_t> values);
}  // namespace detail

template <class F>
std::uint64_t majority_reached(std::span<const NodeId> voters, F&& reached) {
  if (voters.empty()) return kAllAgree;
  constexpr std::size_t kFew = 16;
  if (voters.size() <= kFew) {
    std::uint64_t values[kFew];
    for (std::size_t i = 0; i < voters.size(); ++i) values[i] = reached(voters[i]);
    return detail::majority_of({values, voters.size()});
  }
  std::vector<std::uint64_t> values;
  for (const NodeId id : voters) values.push_back(reached(id));
  return detail::majority_of(values);
}

}  // namespace keelson::raft
