// Decisions over hand-made nodes: the messages are those recorded from the real scheduler (controller-facts sched-*).
#include <gtest/gtest.h>

#include "api/gen/core_v1.h"
#include "scheduler/algorithm.h"
#include "scheduler/queue.h"

namespace keelson::scheduler {
namespace {

namespace core = api::core_v1;
using namespace std::chrono_literals;

class SchedulerTest : public ::testing::Test {
 protected:
  void node(const std::string& name, auto edit) {
    auto o = api::Object::make(core::Node::kind_info());
    auto n = core::NodeMut::of(*o);
    n.mutable_metadata().set_name(name);
    auto list = n.mutable_status().mutable_allocatable();
    list.set("cpu", api::Quantity(4));
    list.set("memory", *api::Quantity::parse("8Gi"));
    list.set("pods", api::Quantity(110));
    edit(n);
    snapshot_.nodes[name].set_object(api::freeze(std::move(o)));
  }
  void node(const std::string& name) {
    node(name, [](core::NodeMut) {});
  }
  PodInfoPtr pod(const std::string& name, const std::string& cpu, auto edit) {
    auto o = api::Object::make(core::Pod::kind_info());
    auto p = core::PodMut::of(*o);
    p.mutable_metadata().set_name(name);
    p.mutable_metadata().set_namespace("ns");
    p.mutable_metadata().set_uid(name);
    auto c = p.mutable_spec().add_containers();
    c.set_name("c");
    if (!cpu.empty()) c.mutable_resources().mutable_requests().set("cpu", *api::Quantity::parse(cpu));
    edit(p);
    return std::make_shared<const PodInfo>(api::freeze(std::move(o)));
  }
  PodInfoPtr pod(const std::string& name, const std::string& cpu) {
    return pod(name, cpu, [](core::PodMut) {});
  }
  Decision run(const PodInfoPtr& p) { return decide(*p, snapshot_, rng_); }

  Snapshot snapshot_;
  Rng rng_{7};
};

TEST_F(SchedulerTest, TooLargeForEveryNode) {
  for (const char* n : {"n1", "n2", "n3"}) node(n);
  EXPECT_EQ(run(pod("cpu", "5")).message,
            "0/3 nodes are available: 3 Insufficient cpu. no new claims to deallocate, preemption: 0/3 nodes are "
            "available: 3 Preemption is not helpful for scheduling.");
}

TEST_F(SchedulerTest, TaintedAndCordoned) {
  node("n1", [](core::NodeMut n) {
    auto t = n.mutable_spec().add_taints();
    t.set_key("a");
    t.set_effect("NoSchedule");
  });
  node("n2", [](core::NodeMut n) {
    auto t = n.mutable_spec().add_taints();
    t.set_key("b");
    t.set_effect("NoExecute");
  });
  node("n3", [](core::NodeMut n) { n.mutable_spec().set_unschedulable(true); });
  EXPECT_EQ(run(pod("plain", "1")).message,
            "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) had untolerated taint(s). no new claims to "
            "deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.");
  const auto tolerant = pod("tolerant", "1", [](core::PodMut p) {
    auto t = p.mutable_spec().add_tolerations();
    t.set_key("a");
    t.set_operator("Exists");
  });
  EXPECT_EQ(run(tolerant).node, "n1");
}

TEST_F(SchedulerTest, HostPortsConflict) {
  node("n1");
  const auto with_port = [](core::PodMut p) {
    p.mutable_spec().mutable_containers().at(0).add_ports().set_host_port(8080);
  };
  snapshot_.nodes["n1"].add(pod("p1", "", with_port));
  EXPECT_EQ(run(pod("p2", "", with_port)).message,
            "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports. no new claims to "
            "deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.");
}

TEST_F(SchedulerTest, EmptierNodeWinsAndSelectorBinds) {
  node("n1");
  node("n2", [](core::NodeMut n) { n.mutable_metadata().mutable_labels().set("disk", "ssd"); });
  snapshot_.nodes["n1"].add(pod("big", "3"));
  EXPECT_EQ(run(pod("next", "500m")).node, "n2");
  snapshot_.nodes["n2"].add(pod("bigger", "3500m"));
  EXPECT_EQ(run(pod("next", "500m")).node, "n1");
  const auto wants_ssd = pod("ssd", "100m", [](core::PodMut p) { p.mutable_spec().mutable_node_selector().set("disk", "ssd"); });
  EXPECT_EQ(run(wants_ssd).node, "n2");
  snapshot_.nodes["n1"].remove("big");
  EXPECT_EQ(snapshot_.nodes["n1"].requested.milli_cpu, 0);
}

TEST_F(SchedulerTest, QueueOrdersByPriorityAndBacksOff) {
  SchedulingQueue q;
  const MonoTime t0(1h);
  const auto low = pod("low", "1");
  const auto high = pod("high", "1", [](core::PodMut p) { p.mutable_spec().set_priority(10); });
  q.add(low, t0);
  q.add(high, t0);
  auto first = q.pop(t0);
  ASSERT_TRUE(first);
  EXPECT_EQ((*first)->object->name(), "high");
  q.unschedulable(*first, q.cycle(), t0);
  ASSERT_TRUE(q.pop(t0));
  EXPECT_FALSE(q.pop(t0 + 4min));
  q.move_all(t0 + 100ms);
  EXPECT_FALSE(q.pop(t0 + 900ms));
  EXPECT_TRUE(q.pop(t0 + 1s));
}

}  // namespace
}  // namespace keelson::scheduler
