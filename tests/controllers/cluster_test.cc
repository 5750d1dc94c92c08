// Services, nodes and evictions: the scenarios svc-* and node-* of data/controller-facts.
#include "tests/controllers/cluster.h"

#include <gmock/gmock.h>

#include "api/gen/coordination_v1.h"
#include "controllers/pod_util.h"

namespace keelson::controllers {
namespace {

using namespace std::chrono_literals;
using ::testing::Contains;
using ::testing::HasSubstr;

struct ClusterTest : Cluster {
  void SetUp() override { api.seed(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"a"}})"); }
  void seed_pod(std::string name, std::string labels = R"({"app":"web"})", std::string spec = "") {
    api.seed(R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":")" + name +
             R"(","namespace":"a","labels":)" + labels +
             R"(},"spec":{"containers":[{"name":"c","ports":[{"name":"http","containerPort":8080}]}])" +
             spec + "}}");
  }
  void seed_service(std::string name, std::string spec) {
    api.seed(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")" + name +
             R"(","namespace":"a"},"spec":)" + spec + "}");
  }
  // "name ready/serving/terminating zone; …" of the Service's slices.
  std::string slices(std::string_view service) {
    std::string out;
    for (const auto& object : api.read_all(discovery::EndpointSlice::kind_info(), "a")) {
      if (object->meta().labels().get("kubernetes.io/service-name") != service) continue;
      const auto slice = discovery::EndpointSlice::of(*object);
      out += "[";
      for (auto p : slice.ports()) out += std::to_string(p.port()) + " ";
      for (auto e : slice.endpoints()) {
        out += std::string(e.target_ref().name()) + (e.conditions().ready() ? " r" : " -") +
               (e.conditions().serving() ? "s" : "-") + (e.conditions().terminating() ? "t" : "-") + " " +
               std::string(e.zone()) + ";";
      }
      out += "]";
    }
    return out;
  }
  std::string endpoints(std::string_view service) {
    auto object = api.read(core::Endpoints::kind_info(), "a", service);
    if (!object) return "none";
    std::string out;
    for (auto s : core::Endpoints::of(*object).subsets()) {
      out += "[";
      for (auto a : s.addresses()) out += std::string(a.target_ref().name()) + " ";
      for (auto a : s.not_ready_addresses()) out += "!" + std::string(a.target_ref().name()) + " ";
      for (auto p : s.ports()) out += std::to_string(p.port()) + "/" + std::string(p.protocol());
      out += "]";
    }
    return out;
  }
  // A node whose kubelet reports every `beat` steps.
  void seed_node(std::string name) {
    api.seed(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":")" + name +
             R"(","labels":{"topology.kubernetes.io/zone":"z1"}},"status":{"conditions":[)"
             R"({"type":"MemoryPressure","status":"False"},{"type":"Ready","status":"True"}]}})");
    beat(name);
  }
  void beat(const std::string& name) {
    const auto& kind = api::coordination_v1::Lease::kind_info();
    auto lease = api.read(kind, "kube-node-lease", name);
    if (!lease) {
      lease = api.seed(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":")" +
                       name + R"(","namespace":"kube-node-lease"},"spec":{}})");
    }
    auto copy = lease->clone();
    api::coordination_v1::LeaseMut::of(*copy).mutable_spec().set_renew_time(api::Time::from(clock.wall()));
    api.overwrite(std::move(copy));
  }
  void run_beating(Duration d, std::vector<std::string> names) {
    for (const MonoTime end = clock.now() + d; clock.now() < end;) {
      for (const auto& n : names) beat(n);
      run_for(1s);
    }
  }
  std::string taints(std::string_view name) {
    std::string out;
    auto object = api.read(core::Node::kind_info(), "", name);
    for (auto t : core::Node::of(*object).spec().taints()) {
      out += std::string(t.key()) + ":" + std::string(t.effect()) + " ";
    }
    return out;
  }
  void set_ready(std::string_view name, std::string status) {
    auto copy = api.read(core::Node::kind_info(), "", name)->clone();
    auto conditions = core::NodeMut::of(*copy).mutable_status().mutable_conditions();
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      if (conditions[i].type() == "Ready") {
        conditions.at(i).set_status(status);
        conditions.at(i).set_last_heartbeat_time(api::Time::from(clock.wall()));
      }
    }
    api.overwrite(std::move(copy));
  }
};

TEST_F(ClusterTest, EndpointsFollowPods) {
  seed_node("n1");
  start();
  seed_service("web",
               R"({"selector":{"app":"web"},"ports":[{"port":80,"targetPort":"http","protocol":"TCP"}]})");
  run_for(1s);
  EXPECT_EQ(slices("web"), "[]");
  EXPECT_EQ(endpoints("web"), "");
  seed_pod("p1");
  seed_pod("p2");
  ASSERT_TRUE(run_until([&] { return slices("web") == "[8080 p1 rs- z1;p2 rs- z1;]"; })) << slices("web");
  EXPECT_EQ(endpoints("web"), "[p1 p2 8080/TCP]");
  // Terminating: in the slice, not in Endpoints.
  end_pods = false;
  boost::asio::co_spawn(io, api.remove(core::Pod::kind_info(), "a", "p1", {}), [](auto...) {});
  ASSERT_TRUE(run_until([&] { return slices("web") == "[8080 p1 -st z1;p2 rs- z1;]"; })) << slices("web");
  EXPECT_EQ(endpoints("web"), "[p2 8080/TCP]");
  end_pods = true;
  ASSERT_TRUE(run_until([&] { return slices("web") == "[8080 p2 rs- z1;]"; })) << slices("web");
  // A label leaves; the slice stays, without ports.
  auto copy = api.read(core::Pod::kind_info(), "a", "p2")->clone();
  copy->mutable_meta().mutable_labels().set("app", "x");
  api.overwrite(std::move(copy));
  ASSERT_TRUE(run_until([&] { return slices("web") == "[]"; })) << slices("web");
  EXPECT_EQ(endpoints("web"), "");
  const auto revision = api.revision();
  run_for(3s);
  EXPECT_EQ(api.revision(), revision);
  api.erase(core::Service::kind_info(), "a", "web");
  EXPECT_TRUE(run_until([&] { return slices("web").empty() && endpoints("web") == "none"; }));
}

TEST_F(ClusterTest, PublishNotReadyAndManyEndpoints) {
  seed_node("n1");
  start();
  seed_service(
      "all",
      R"({"clusterIP":"None","publishNotReadyAddresses":true,"selector":{"app":"web"},"ports":[{"port":80}]})");
  seed_service("web", R"({"selector":{"app":"web"},"ports":[{"port":80}]})");
  for (int i = 0; i < 120; ++i) seed_pod("p" + std::to_string(100 + i));
  ASSERT_TRUE(
      run_until([&] { return api.read_all(discovery::EndpointSlice::kind_info(), "a").size() == 4; }));
  run_for(3s);
  std::multiset<std::size_t> sizes;
  for (const auto& s : api.read_all(discovery::EndpointSlice::kind_info(), "a")) {
    sizes.insert(discovery::EndpointSlice::of(*s).endpoints().size());
  }
  EXPECT_EQ(sizes, (std::multiset<std::size_t>{20, 20, 100, 100}));
  auto copy = api.read(core::Pod::kind_info(), "a", "p100")->clone();
  core::PodMut::of(*copy).mutable_status().mutable_conditions().at(0).set_status("False");
  api.overwrite(std::move(copy));
  run_for(1s);
  EXPECT_THAT(slices("all"), HasSubstr("p100 r-- z1;"));
  EXPECT_THAT(slices("web"), HasSubstr("p100 --- z1;"));
}

TEST_F(ClusterTest, SilentNode) {
  seed_node("n1");
  seed_node("n2");
  start();
  seed_pod(
      "quick", R"({"app":"x"})",
      R"(,"tolerations":[{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":5}])");
  seed_pod("forever", R"({"app":"x"})", R"(,"tolerations":[{"operator":"Exists"}])");
  run_beating(60s, {"n1", "n2"});
  EXPECT_EQ(taints("n1"), "");
  silent.insert("n1");
  run_beating(39s, {"n2"});
  EXPECT_EQ(taints("n1"), "");
  run_beating(8s, {"n2"});
  EXPECT_THAT(taints("n1"), HasSubstr("node.kubernetes.io/unreachable:NoSchedule"));
  auto node = api.read(core::Node::kind_info(), "", "n1");
  for (auto type : {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}) {
    EXPECT_EQ(node_condition(core::Node::of(*node), type).status(), "Unknown") << type;
  }
  EXPECT_THAT(events("default"), Contains("Normal NodeNotReady Node n1 status is now: NodeNotReady"));
  auto pod = api.read(core::Pod::kind_info(), "a", "forever");
  EXPECT_FALSE(is_ready(core::Pod::of(*pod)));
  run_beating(15s, {"n2"});
  EXPECT_THAT(taints("n1"), HasSubstr("node.kubernetes.io/unreachable:NoExecute"));
  pod = api.read(core::Pod::kind_info(), "a", "quick");
  EXPECT_TRUE(pod->meta().has_deletion_timestamp());
  EXPECT_EQ(pod_condition(core::Pod::of(*pod), "DisruptionTarget").reason(), "DeletionByTaintManager");
  EXPECT_FALSE(api.read(core::Pod::kind_info(), "a", "forever")->meta().has_deletion_timestamp());
  EXPECT_THAT(events("a"), Contains("Normal TaintManagerEviction Marking for deletion Pod a/quick"));
  // It comes back.
  silent.clear();
  set_ready("n1", "True");
  run_beating(12s, {"n1", "n2"});
  EXPECT_EQ(taints("n1"), "");
}

TEST_F(ClusterTest, AllSilentMeansNoEviction) {
  seed_node("n1");
  start();
  seed_pod("p", R"({"app":"x"})");
  run_beating(5s, {"n1"});
  silent.insert("n1");
  run_for(120s);
  EXPECT_EQ(taints("n1"), "node.kubernetes.io/unreachable:NoSchedule ");
  EXPECT_FALSE(api.read(core::Pod::kind_info(), "a", "p")->meta().has_deletion_timestamp());
}

TEST_F(ClusterTest, CordonAndPressureTaint) {
  seed_node("n1");
  start();
  run_for(1s);
  auto copy = api.read(core::Node::kind_info(), "", "n1")->clone();
  core::NodeMut::of(*copy).mutable_spec().set_unschedulable(true);
  core::NodeMut::of(*copy).mutable_status().mutable_conditions().at(0).set_status("True");
  api.overwrite(std::move(copy));
  run_for(1s);
  EXPECT_EQ(taints("n1"),
            "node.kubernetes.io/memory-pressure:NoSchedule node.kubernetes.io/unschedulable:NoSchedule ");
}

TEST_F(ClusterTest, PodsOfDeletedNodesGo) {
  seed_node("n1");
  start();
  seed_pod("lonely");
  run_beating(5s, {"n1"});
  silent.insert("n1");
  api.erase(core::Node::kind_info(), "", "n1");
  run_for(35s);
  EXPECT_TRUE(api.read(core::Pod::kind_info(), "a", "lonely"));
  EXPECT_TRUE(run_until([&] { return !api.read(core::Pod::kind_info(), "a", "lonely"); }));
}

}  // namespace
}  // namespace keelson::controllers
