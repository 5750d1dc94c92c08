// Random faults against Raft's safety properties; planted bugs must be found by the same test.
#include "tests/raft/random_group.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace keelson::raft {
namespace {

struct Totals {
  std::uint64_t committed = 0;
  std::uint64_t leaders = 0;
  int reads = 0;
  int snapshots = 0;
  int changes = 0;
  int returned = 0;
};

// RAFT_SEEDS: how many times as many seeds.
int count(int n) {
  const char* times = std::getenv("RAFT_SEEDS");
  return times == nullptr ? n : n * std::atoi(times);
}

Totals run_seeds(std::uint64_t first, int count, const GroupOptions& options) {
  Totals t;
  for (int i = 0; i < count; ++i) {
    const auto seed = first + static_cast<std::uint64_t>(i);
    RandomGroup g(seed, options);
    EXPECT_EQ(g.run(), "") << "seed " << seed;
    t.committed += g.committed();
    t.leaders += g.leaders();
    t.reads += g.reads();
    t.snapshots += g.snapshots();
    t.changes += g.changes();
    t.returned += g.returned();
  }
  std::printf("%d seeds: %lu entries, %lu leaders, %d reads, %d snapshots, %d changes, %d given back\n",
              count, t.committed, t.leaders, t.reads, t.snapshots, t.changes, t.returned);
  return t;
}

TEST(RandomGroup, IsSafeAndLive) {
  const Totals t = run_seeds(1, count(150), {});
  EXPECT_GT(t.committed, 5000u);
  EXPECT_GT(t.leaders, 300u);
  EXPECT_GT(t.reads, 1000);
  EXPECT_GT(t.snapshots, 20);
  EXPECT_GT(t.changes, 300);
  EXPECT_GT(t.returned, 100);
}

TEST(RandomGroup, OfFiveIsSafeAndLive) {
  run_seeds(1000, count(100), {.members = 5, .steps = 6000});
}

TEST(RandomGroup, WithoutChangesOfMembership) {
  run_seeds(2000, count(100), {.members = 3, .membership_changes = false});
}

// Replays one seed with a trace: RAFT_SEED=34 raft_random_test --gtest_filter=*Replay
TEST(RandomGroup, Replay) {
  const char* seed = std::getenv("RAFT_SEED");
  if (seed == nullptr) GTEST_SKIP();
  RandomGroup g(std::strtoull(seed, nullptr, 10), {.trace = true});
  EXPECT_EQ(g.run(), "");
}

// Whether one of the seeds fails with this bug planted.
bool caught(CoreFaults faults, std::size_t members = 3) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    RandomGroup g(seed, {.members = members, .steps = 8000, .faults = faults});
    if (const auto why = g.run(); !why.empty()) {
      std::printf("seed %lu: %s\n", seed, why.c_str());
      return true;
    }
  }
  return false;
}

TEST(RandomGroup, CatchesPlantedBugs) {
  EXPECT_TRUE(caught({.read_index_without_quorum = true}));
  EXPECT_TRUE(caught({.joint_counts_one_quorum = true}));
  EXPECT_TRUE(caught({.keep_conflicting_suffix = true}));
  EXPECT_TRUE(caught({.learner_counts = true}));
  EXPECT_TRUE(caught({.reply_before_persist = true}));
}

}  // namespace
}  // namespace keelson::raft
