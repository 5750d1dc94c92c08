#include "controllers/deployment_plan.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/rng.h"

namespace keelson::controllers {
namespace {

TEST(DeploymentPlan, ResolvesBounds) {
  EXPECT_EQ(resolve_bounds({25, true}, {25, true}, 10).max_surge, 3);
  EXPECT_EQ(resolve_bounds({25, true}, {25, true}, 10).max_unavailable, 2);
  EXPECT_EQ(resolve_bounds({0, false}, {0, false}, 10).max_unavailable, 1);
  EXPECT_EQ(resolve_bounds({25, true}, {25, true}, 3).max_surge, 1);
  EXPECT_EQ(resolve_bounds({25, true}, {25, true}, 3).max_unavailable, 0);
  EXPECT_FALSE(parse_int_or_percent("x%"));
  EXPECT_TRUE(parse_int_or_percent("25%")->percent);
}

// deploy-midroll-scale: 8 old + 5 new of 10 (+3) become 11 + 7 for 15 (+3).
TEST(DeploymentPlan, ScalesInProportion) {
  DeploymentNumbers d{15, {3, 2}, 13};
  auto plan = plan_proportional_scale(d, {{"old", 1, 8, 8, 13}, {"new", 2, 5, 0, 13}});
  ASSERT_EQ(plan.size(), 2u);
  EXPECT_EQ(plan[0].replicas, 11);
  EXPECT_EQ(plan[1].replicas, 7);
}

// Random walks: pods become available at random, steps are planned from what is visible. Neither bound is
// crossed by a step of ours, and every rollout ends.
TEST(DeploymentPlan, RollingWalkKeepsBounds) {
  Rng rng(7);
  for (int run = 0; run < 3000; ++run) {
    DeploymentNumbers d;
    d.desired = rng.between(0, 12);
    d.bounds = resolve_bounds({rng.between(0, 5), false}, {rng.between(0, 5), false}, d.desired);
    const auto max_unavailable = effective_max_unavailable(d);
    std::vector<ReplicaSetState> sets{
        {"old-a", 1, d.desired, 0, 0}, {"old-b", 2, 0, 0, 0}, {"new", 3, 0, 0, 0}};
    sets[0].replicas = rng.between(0, d.desired);
    sets[1].replicas = d.desired - sets[0].replicas;
    for (auto& s : sets) s.available = s.replicas;
    bool done = false;
    for (int step = 0; step < 2000 && !done; ++step) {
      std::int64_t available_before = 0;
      for (auto& s : sets) available_before += s.available;
      for (auto [i, n] : plan_rolling_step(d, sets, 2)) {
        sets[i].replicas = n;
        sets[i].available = std::min(sets[i].available, n);
      }
      std::int64_t total = 0, available = 0;
      for (auto& s : sets) {
        ASSERT_GE(s.replicas, 0);
        total += s.replicas;
        available += s.available;
      }
      ASSERT_LE(total, d.desired + d.bounds.max_surge) << "run " << run;
      if (available < available_before) {
        ASSERT_GE(available, d.desired - max_unavailable) << "run " << run;
      }
      for (auto& s : sets) {
        if (s.available < s.replicas && rng.below(2) == 0) ++s.available;
      }
      done = sets[0].replicas == 0 && sets[1].replicas == 0 && sets[2].available == d.desired;
    }
    ASSERT_TRUE(done) << "run " << run;
  }
}

}  // namespace
}  // namespace keelson::controllers
