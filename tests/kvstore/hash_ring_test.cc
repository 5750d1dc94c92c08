// HashRing: who is told to be wrong, and what is past.
#include "kvstore/server/hash_ring.h"

#include <gtest/gtest.h>

namespace keelson::kvstore {
namespace {

using raft::Index;
using raft::NodeId;
using Verdict = HashRing::Verdict;

raft::Membership voters(std::initializer_list<std::uint64_t> ids) {
  raft::Membership m;
  for (const auto id : ids) m.voters.push_back(NodeId(id));
  return m;
}

TEST(HashRing, TheOneThatDiffersFromAQuorumIsWrong) {
  HashRing ring(NodeId(1));
  ring.note(Index(8), 100);
  ring.report(NodeId(2), {Index(8), 7});
  EXPECT_EQ(ring.verdict(voters({1, 2, 3})).verdict, Verdict::kAgreed);  // 3 decides
  ring.report(NodeId(3), {Index(8), 100});
  const auto f = ring.verdict(voters({1, 2, 3}));
  EXPECT_EQ(f.verdict, Verdict::kTheyDiffer);
  EXPECT_EQ(f.differing, std::vector{NodeId(2)});
  HashRing other(NodeId(2));
  other.note(Index(8), 7);
  other.report(NodeId(1), {Index(8), 100});
  other.report(NodeId(3), {Index(8), 100});
  EXPECT_EQ(other.verdict(voters({1, 2, 3})).verdict, Verdict::kWeDiffer);
}

TEST(HashRing, WithoutAQuorumNobodyKnows) {
  HashRing ring(NodeId(1));
  ring.note(Index(8), 100);
  ring.report(NodeId(2), {Index(8), 7});
  EXPECT_EQ(ring.verdict(voters({1, 2})).verdict, Verdict::kNoQuorum);
}

// 2 differed, got a snapshot, and then 3, which had decided that, left: nothing is wrong any more.
TEST(HashRing, WhatAQuorumHasSettledIsPast) {
  HashRing ring(NodeId(1));
  ring.note(Index(8), 100);
  ring.report(NodeId(2), {Index(8), 7});
  ring.note(Index(16), 101);
  ring.report(NodeId(3), {Index(16), 101});
  EXPECT_EQ(ring.verdict(voters({1, 2, 3})).verdict, Verdict::kAgreed);
  EXPECT_EQ(ring.verdict(voters({1, 2})).verdict, Verdict::kAgreed);
  ring.note(Index(24), 102);
  ring.report(NodeId(2), {Index(24), 7});
  EXPECT_EQ(ring.verdict(voters({1, 2})).verdict, Verdict::kNoQuorum);  // that is new
}

}  // namespace
}  // namespace keelson::kvstore
