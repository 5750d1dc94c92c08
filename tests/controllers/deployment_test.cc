#include <gmock/gmock.h>

#include "api/status.h"
#include "controllers/pod_util.h"
#include "tests/controllers/cluster.h"

namespace keelson::controllers {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;

constexpr const char* kRolling =
    R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}})";

struct DeploymentTest : Cluster {
  void SetUp() override {
    api.seed(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}})");
    start();
  }
  std::vector<api::ObjectPtr> sets() { return api.read_all(apps::ReplicaSet::kind_info(), "a"); }
  bool rolled(int n, std::string_view image) {
    const auto status = deployment("a", "web").status();
    if (status.updated_replicas() != n || status.replicas() != n || status.available_replicas() != n)
      return false;
    auto all = pods("a");
    return all.size() == static_cast<std::size_t>(n) &&
           std::ranges::all_of(all, [&](const api::ObjectPtr& p) {
             return core::Pod::of(*p).spec().containers()[0].image() == image;
           });
  }
  // How many pods are available and how many count at all, now.
  std::pair<int, int> counts() {
    int available = 0, total = 0;
    for (const auto& p : pods("a")) {
      const auto pod = core::Pod::of(*p);
      if (!is_active(pod)) continue;
      ++total;
      if (is_ready(pod)) ++available;
    }
    return {available, total};
  }
};

// deploy-create: the ReplicaSet has its size and annotations from the start; conditions, events and the way
// down.
TEST_F(DeploymentTest, CreateAndDelete) {
  seed_deployment(3, kRolling);
  ASSERT_TRUE(run_until([&] { return rolled(3, "app:1"); }));
  ASSERT_EQ(sets().size(), 1u);
  const auto rs = apps::ReplicaSet::of(*sets()[0]);
  EXPECT_EQ(rs.metadata().annotations().get("deployment.kubernetes.io/desired-replicas"), "3");
  EXPECT_EQ(rs.metadata().annotations().get("deployment.kubernetes.io/max-replicas"), "4");
  EXPECT_EQ(rs.metadata().annotations().get("deployment.kubernetes.io/revision"), "1");
  EXPECT_EQ(rs.metadata().generation(), 1);
  EXPECT_TRUE(rs.status().has_terminating_replicas());
  const std::string hash(rs.metadata().labels().get("pod-template-hash"));
  EXPECT_EQ(rs.metadata().name(), "web-" + hash);
  run_for(1s);
  EXPECT_EQ(deployment("a", "web").metadata().annotations().get("deployment.kubernetes.io/revision"), "1");
  EXPECT_EQ(condition("a", "web", "Available"), "True/MinimumReplicasAvailable");
  EXPECT_EQ(condition("a", "web", "Progressing"), "True/NewReplicaSetAvailable");
  EXPECT_THAT(events("a"),
              Contains("Normal ScalingReplicaSet Scaled up replica set web-" + hash + " from 0 to 3"));
  EXPECT_THAT(events("a"), Contains(HasSubstr("Normal SuccessfulCreate Created pod: web-" + hash + "-")));
  // Nothing is written once all is well.
  const auto revision = api.revision();
  run_for(30s);
  EXPECT_EQ(api.revision(), revision);

  api.erase(apps::Deployment::kind_info(), "a", "web");
  EXPECT_TRUE(run_until([&] { return sets().empty() && pods("a").empty(); }));
}

// Never below desired - maxUnavailable available, never above desired + maxSurge, at every write.
TEST_F(DeploymentTest, RollingUpdateKeepsBounds) {
  struct Case {
    const char* strategy;
    int replicas, min_available, max_total;
  };
  for (const Case& c :
       {Case{R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":1,"maxUnavailable":0}})", 4, 4, 5},
        Case{R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":0,"maxUnavailable":1}})", 4, 3, 4},
        Case{kRolling, 8, 6, 10}}) {
    SCOPED_TRACE(c.strategy);
    seed_deployment(c.replicas, c.strategy);
    ASSERT_TRUE(run_until([&] { return rolled(c.replicas, "app:1"); }));
    int checks = 0;
    api.set_fault([&](const client::FakeTransport::Action& a) -> std::optional<Error> {
      if (a.verb == "get" || a.verb == "list" || a.verb == "watch") return std::nullopt;
      const auto [available, total] = counts();
      EXPECT_GE(available, c.min_available);
      EXPECT_LE(total, c.max_total);
      ++checks;
      return std::nullopt;
    });
    set_image("app:2");
    ASSERT_TRUE(run_until([&] { return rolled(c.replicas, "app:2"); }, 120s));
    EXPECT_GT(checks, 10);
    api.set_fault(nullptr);
    EXPECT_EQ(sets().size(), 2u);
    api.erase(apps::Deployment::kind_info(), "a", "web");
    ASSERT_TRUE(run_until([&] { return sets().empty() && pods("a").empty(); }));
  }
}

// deploy-undo: an old template takes up its ReplicaSet again, with the next revision and a history of its
// own.
TEST_F(DeploymentTest, GoingBackReusesTheReplicaSet) {
  seed_deployment(2, kRolling);
  ASSERT_TRUE(run_until([&] { return rolled(2, "app:1"); }));
  set_image("app:2");
  ASSERT_TRUE(run_until([&] { return rolled(2, "app:2"); }));
  set_image("app:1");
  ASSERT_TRUE(run_until([&] { return rolled(2, "app:1"); }));
  run_for(1s);
  EXPECT_EQ(sets().size(), 2u);
  EXPECT_EQ(deployment("a", "web").metadata().annotations().get("deployment.kubernetes.io/revision"), "3");
  int reused = 0;
  for (const auto& set : sets()) {
    if (set->meta().annotations().get("deployment.kubernetes.io/revision-history") == "1") ++reused;
  }
  EXPECT_EQ(reused, 1);
}

// deploy-recreate: the new ReplicaSet does not exist until no old pod is left.
TEST_F(DeploymentTest, RecreateWaitsForOldPods) {
  seed_deployment(2, R"({"type":"Recreate"})");
  ASSERT_TRUE(run_until([&] { return rolled(2, "app:1"); }));
  end_pods = false;
  set_image("app:2");
  run_for(10s);
  EXPECT_EQ(sets().size(), 1u);
  EXPECT_EQ(pods("a").size(), 2u);
  end_pods = true;
  ASSERT_TRUE(run_until([&] { return rolled(2, "app:2"); }));
}

// deploy-pause: scaling works, no ReplicaSet for the new template, conditions.
TEST_F(DeploymentTest, PauseAndResume) {
  seed_deployment(2, kRolling);
  ASSERT_TRUE(run_until([&] { return rolled(2, "app:1"); }));
  edit("a", "web", [](apps::DeploymentSpecMut s) { s.set_paused(true); });
  set_image("app:2");
  edit("a", "web", [](apps::DeploymentSpecMut s) { s.set_replicas(3); });
  ASSERT_TRUE(run_until([&] { return pods("a").size() == 3; }));
  run_for(2s);
  EXPECT_EQ(sets().size(), 1u);
  EXPECT_EQ(condition("a", "web", "Progressing"), "Unknown/DeploymentPaused");
  edit("a", "web", [](apps::DeploymentSpecMut s) { s.set_paused(false); });
  ASSERT_TRUE(run_until([&] { return rolled(3, "app:2"); }));
  run_for(1s);
  EXPECT_EQ(condition("a", "web", "Progressing"), "True/NewReplicaSetAvailable");
}

// deploy-stuck: the deadline makes a condition, nothing else; deploy-midroll-scale: scaling goes by
// proportion.
TEST_F(DeploymentTest, StuckRolloutTimesOutAndScalesInProportion) {
  seed_deployment(10, R"({"type":"RollingUpdate","rollingUpdate":{"maxSurge":3,"maxUnavailable":2}})");
  ASSERT_TRUE(run_until([&] { return rolled(10, "app:1"); }));
  edit("a", "web", [](apps::DeploymentSpecMut s) { s.set_progress_deadline_seconds(10); });
  hold_back = [](const api::Object& pod) {
    return core::Pod::of(pod).spec().containers()[0].image() == "app:2";
  };
  set_image("app:2");
  ASSERT_TRUE(
      run_until([&] { return condition("a", "web", "Progressing") == "False/ProgressDeadlineExceeded"; }));
  auto sizes = [&] {
    std::multiset<int> out;
    for (const auto& set : sets()) out.insert(apps::ReplicaSet::of(*set).spec().replicas());
    return out;
  };
  EXPECT_EQ(sizes(), (std::multiset<int>{5, 8}));
  edit("a", "web", [](apps::DeploymentSpecMut s) { s.set_replicas(15); });
  ASSERT_TRUE(run_until([&] { return sizes() == std::multiset<int>{7, 11}; }));
  hold_back = nullptr;
  ASSERT_TRUE(run_until([&] { return rolled(15, "app:2"); }));
}

// deploy-hash-collision: a foreign ReplicaSet holds the name.
TEST_F(DeploymentTest, HashCollisionTakesAnotherHash) {
  seed_deployment(1, kRolling);
  ASSERT_TRUE(run_until([&] { return rolled(1, "app:1"); }));
  const std::string taken(sets()[0]->name());
  api.erase(apps::Deployment::kind_info(), "a", "web");
  ASSERT_TRUE(run_until([&] { return sets().empty(); }));
  api.seed(R"({"apiVersion":"apps/v1","kind":"ReplicaSet","metadata":{"name":")" + taken +
           R"(","namespace":"a"},"spec":{"replicas":0,"selector":{"matchLabels":{"x":"y"}},"template":{}}})");
  seed_deployment(1, kRolling);
  ASSERT_TRUE(run_until([&] { return rolled(1, "app:1"); }));
  EXPECT_EQ(deployment("a", "web").status().collision_count(), 1);
}

TEST_F(DeploymentTest, HistoryLimit) {
  seed_deployment(1, kRolling);
  edit("a", "web", [](apps::DeploymentSpecMut s) { s.set_revision_history_limit(2); });
  for (int i = 2; i <= 6; ++i) {
    set_image("app:" + std::to_string(i));
    ASSERT_TRUE(run_until([&] { return rolled(1, "app:" + std::to_string(i)); })) << i;
    run_for(2s);
  }
  EXPECT_EQ(sets().size(), 3u);
}

// deploy-quota: refused pods make ReplicaFailure on both; from the tenth event on they are combined.
TEST_F(DeploymentTest, RefusedPodsAreTold) {
  api.set_fault([](const client::FakeTransport::Action& a) -> std::optional<Error> {
    if (a.verb == "create" && a.kind == "Pod") return api::forbidden({"", "pods"}, "web-x", "exceeded quota");
    return std::nullopt;
  });
  seed_deployment(3, kRolling);
  ASSERT_TRUE(run_until([&] { return condition("a", "web", "ReplicaFailure") == "True/FailedCreate"; }));
  EXPECT_THAT(events("a"),
              Contains(HasSubstr("Warning FailedCreate Error creating: pods \"web-x\" is forbidden")));
  api.set_fault(nullptr);
  ASSERT_TRUE(run_until([&] { return rolled(3, "app:1"); }, 300s));
  run_for(1s);
  EXPECT_EQ(condition("a", "web", "ReplicaFailure"), "");
}

// A controller that dies in mid-rollout: another one takes up where it was.
TEST_F(DeploymentTest, RestartInMidRollout) {
  seed_deployment(6, kRolling);
  ASSERT_TRUE(run_until([&] { return rolled(6, "app:1"); }));
  set_image("app:2");
  for (int i = 0; i < 5; ++i) {
    run_for(200ms);
    stop();
    start();
  }
  ASSERT_TRUE(run_until([&] { return rolled(6, "app:2"); }));
  EXPECT_EQ(sets().size(), 2u);
}

}  // namespace
}  // namespace keelson::controllers
