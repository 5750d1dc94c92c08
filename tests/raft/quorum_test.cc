// Quorum arithmetic against a dumb implementation, for majorities and joint states.
#include "raft/core/quorum.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <map>
#include <set>

namespace keelson::raft {
namespace {

using Voters = std::vector<NodeId>;

Voters voters_of(const std::vector<std::uint8_t>& ids) {
  std::set<NodeId> set;
  for (const auto id : ids) set.insert(NodeId(id % 9 + 1U));
  return {set.begin(), set.end()};
}

// The largest n such that more than half of the voters are at n or above, by trying all.
std::uint64_t dumb_reached(const Voters& voters, const std::map<NodeId, std::uint64_t>& at) {
  if (voters.empty()) return kAllAgree;
  for (std::uint64_t n = 300;; --n) {
    std::size_t there = 0;
    for (const NodeId id : voters) there += at.at(id) >= n;
    if (2 * there > voters.size() || n == 0) return n;
  }
}

VoteResult dumb_vote(const Voters& voters, const std::map<NodeId, Vote>& votes) {
  if (voters.empty()) return VoteResult::kWon;
  // Lost when it is not won even if all who are silent say yes.
  const auto wins = [&](bool silent_say_yes) {
    std::size_t yes = 0;
    for (const NodeId id : voters) {
      yes += votes.at(id) == Vote::kYes || (silent_say_yes && votes.at(id) == Vote::kNone);
    }
    return 2 * yes > voters.size();
  };
  if (wins(false)) return VoteResult::kWon;
  return wins(true) ? VoteResult::kPending : VoteResult::kLost;
}

RC_GTEST_PROP(Quorum, ReachedAsTheDumbOne,
              (const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b,
               const std::vector<std::uint8_t>& numbers)) {
  std::map<NodeId, std::uint64_t> at;
  for (std::uint64_t i = 1; i <= 9; ++i) at[NodeId(i)] = i <= numbers.size() ? numbers[i - 1] : 0;
  const Voters x = voters_of(a);
  const Voters y = voters_of(b);
  const auto reached = [&](NodeId id) { return at.at(id); };
  RC_ASSERT(majority_reached(x, reached) == dumb_reached(x, at));
  RC_ASSERT(joint_reached(x, y, reached) == std::min(dumb_reached(x, at), dumb_reached(y, at)));
}

RC_GTEST_PROP(Quorum, VotesAsTheDumbOne,
              (const std::vector<std::uint8_t>& a, const std::vector<std::uint8_t>& b,
               const std::vector<std::uint8_t>& says)) {
  std::map<NodeId, Vote> votes;
  for (std::uint64_t i = 1; i <= 9; ++i) {
    votes[NodeId(i)] = i <= says.size() ? static_cast<Vote>(says[i - 1] % 3) : Vote::kNone;
  }
  const Voters x = voters_of(a);
  const Voters y = voters_of(b);
  const auto vote = [&](NodeId id) { return votes.at(id); };
  const auto p = dumb_vote(x, votes);
  const auto q = dumb_vote(y, votes);
  RC_ASSERT(majority_vote(x, vote) == p);
  const auto both = p == VoteResult::kLost || q == VoteResult::kLost ? VoteResult::kLost
                    : p == VoteResult::kWon && q == VoteResult::kWon ? VoteResult::kWon
                                                                     : VoteResult::kPending;
  RC_ASSERT(joint_vote(x, y, vote) == both);
}

TEST(Quorum, OfManyVoters) {
  Voters voters;
  for (std::uint64_t i = 1; i <= 41; ++i) voters.push_back(NodeId(i));
  EXPECT_EQ(majority_reached(voters, [](NodeId id) { return id.value(); }), 21u);
}

}  // namespace
}  // namespace keelson::raft
