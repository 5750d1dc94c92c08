#include "controllers/node_lifecycle.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "api/gen/coordination_v1.h"
#include "api/status.h"

namespace keelson::controllers {

namespace coordination = api::coordination_v1;

namespace {

constexpr std::string_view kLeaseNamespace = "kube-node-lease";
constexpr std::array<std::string_view, 4> kWatchedConditions = {"Ready", "MemoryPressure", "DiskPressure",
                                                                "PIDPressure"};

// beta.kubernetes.io/os and /arch follow their successors. Null when they do.
std::unique_ptr<api::Object> with_labels(const api::Object& node) {
  static constexpr std::array<std::pair<std::string_view, std::string_view>, 2> kPairs = {
      {{"kubernetes.io/os", "beta.kubernetes.io/os"}, {"kubernetes.io/arch", "beta.kubernetes.io/arch"}}};
  std::unique_ptr<api::Object> copy;
  for (const auto& [from, to] : kPairs) {
    const auto value = node.meta().labels().find(from);
    if (!value || node.meta().labels().get(to) == *value) continue;
    if (!copy) copy = node.clone();
    copy->mutable_meta().mutable_labels().set(to, *value);
  }
  return copy;
}

client::ObjectReference node_reference(const api::Object& node) {
  // Events of nodes are found by name: their uid is looked for under it as well.
  client::ObjectReference ref = client::reference_to(node);
  ref.resource_version.clear();
  return ref;
}

}  // namespace

NodeLifecycleController::NodeLifecycleController(const Context& context, NodeLifecycleOptions options)
    : Controller(context, "node_lifecycle_controller", 4),
      options_(options),
      recorder_(context.events, "node-controller"),
      nodes_(informer("v1", "Node")),
      leases_(informer("coordination.k8s.io/v1", "Lease")),
      pods_(informer("v1", "Pod")) {
  pods_.add_index(std::string(kByNode), index_by_node);
  auto enqueue = [this](const api::ObjectPtr& node) { queue_.add(std::string(node->name())); };
  nodes_.add_handler(
      {.on_add = enqueue,
       .on_update = [enqueue](const api::ObjectPtr&, const api::ObjectPtr& node) { enqueue(node); }});
}

void NodeLifecycleController::start() {
  Controller::start();
  spawn(run_monitor());
}

Task<Result<void>> NodeLifecycleController::sync(std::string key) {
  auto node = nodes_.store().get_by_key(key);
  if (!node) co_return Result<void>{};
  const auto& kind = core::Node::kind_info();
  if (auto copy =
          with_taints(*node, "NoSchedule", no_schedule_taints(core::Node::of(*node)), api_now(clock_))) {
    auto done = co_await transport_.update(kind, "", api::freeze(std::move(copy)), {});
    if (!done) {
      if (api::is_not_found(done.error())) co_return Result<void>{};
      co_return fail(done.error());
    }
    node = *done;
  }
  if (auto copy = with_labels(*node)) {
    auto done = co_await transport_.update(kind, "", api::freeze(std::move(copy)), {});
    if (!done && !api::is_not_found(done.error())) co_return fail(done.error());
  }
  co_return Result<void>{};
}

Task<> NodeLifecycleController::run_monitor() {
  co_await wait_for_informers();
  for (;;) {
    co_await monitor_once();
    co_await clock_.sleep_for(options_.monitor_period);
  }
}

void NodeLifecycleController::note_arrivals(const std::vector<api::ObjectPtr>& nodes) {
  std::map<std::string, std::string> now;
  for (const auto& node : nodes) {
    now.emplace(node->name(), node->uid());
    if (known_.contains(std::string(node->name()))) continue;
    recorder_.event(node_reference(*node), "Normal", "RegisteredNode",
                    fmt::format("Node {0} event: Registered Node {0} in Controller", node->name()));
  }
  for (const auto& [name, uid] : known_) {
    if (now.contains(name)) continue;
    client::ObjectReference ref;
    ref.api_version = "v1";
    ref.kind = "Node";
    ref.name = name;
    ref.uid = uid;
    recorder_.event(ref, "Normal", "RemovingNode",
                    fmt::format("Node {0} event: Removing Node {0} from Controller", name));
    health_.erase(name);
  }
  known_ = std::move(now);
}

Task<> NodeLifecycleController::monitor_once() {
  auto nodes = nodes_.store().list();
  note_arrivals(nodes);
  bool any_ready = false;
  for (auto& node : nodes) {
    const std::string before = health_[std::string(node->name())].ready;
    node = co_await check_health(node);
    const std::string ready(node_condition(core::Node::of(*node), "Ready").status());
    health_[std::string(node->name())].ready = ready;
    any_ready = any_ready || ready == "True";
    // A controller that has just started marks the pods of a node it finds not ready, too.
    if (!ready.empty() && ready != "True" && (before == "True" || before.empty())) {
      recorder_.event(node_reference(*node), "Normal", "NodeNotReady",
                      fmt::format("Node {} status is now: NodeNotReady", node->name()));
      co_await mark_pods_not_ready(std::string(node->name()));
    }
  }
  for (const auto& node : nodes) co_await keep_no_execute(node, !any_ready);
}

Task<api::ObjectPtr> NodeLifecycleController::check_health(api::ObjectPtr node) {
  const std::string name(node->name());
  const auto ready = node_condition(core::Node::of(*node), "Ready");
  Health& health = health_[name];
  const MonoTime now = clock_.now();
  api::Time lease_renewed;
  if (auto lease = leases_.store().get(kLeaseNamespace, name)) {
    lease_renewed = coordination::Lease::of(*lease).spec().renew_time();
  }
  if (health.probed == MonoTime{}) health.probed = now;
  if (ready && (ready.last_heartbeat_time() != health.heartbeat)) {
    // Our own writing of Unknown keeps the heartbeat's time: only the kubelet moves it.
    health.heartbeat = ready.last_heartbeat_time();
    health.probed = now;
  }
  if (lease_renewed != health.lease_renewed) {
    health.lease_renewed = lease_renewed;
    health.probed = now;
  }
  const Duration grace = ready ? options_.grace_period : options_.startup_grace_period;
  if (now - health.probed <= grace || ready.status() == "Unknown") co_return node;
  auto written = co_await write_unknown(node);
  if (!written) {
    logger_.warn("cannot write the status of a silent node", {{"node", name}, {"error", written.error()}});
    co_return node;
  }
  co_return *written;
}

Task<Result<api::ObjectPtr>> NodeLifecycleController::write_unknown(api::ObjectPtr node) {
  auto copy = node->clone();
  auto status = core::NodeMut::of(*copy).mutable_status();
  const api::Time now = api_now(clock_);
  for (std::string_view type : kWatchedConditions) {
    auto conditions = status.mutable_conditions();
    bool found = false;
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      if (conditions[i].type() != type) continue;
      found = true;
      if (conditions[i].status() == "Unknown") continue;
      auto c = conditions.at(i);
      c.set_status("Unknown");
      c.set_reason("NodeStatusUnknown");
      c.set_message("Kubelet stopped posting node status.");
      c.set_last_transition_time(now);
    }
    if (found) continue;
    auto c = conditions.add();
    c.set_type(type);
    c.set_status("Unknown");
    c.set_reason("NodeStatusNeverUpdated");
    c.set_message("Kubelet never posted node status.");
    c.set_last_heartbeat_time(node->meta().creation_timestamp());
    c.set_last_transition_time(now);
  }
  co_return co_await transport_.update(core::Node::kind_info(), "", api::freeze(std::move(copy)),
                                       {.subresource = "status"});
}

Task<> NodeLifecycleController::mark_pods_not_ready(std::string node) {
  for (const auto& object : pods_.store().by_index(kByNode, node)) {
    const auto pod = core::Pod::of(*object);
    if (pod_condition(pod, "Ready").status() != "True") continue;
    auto copy = object->clone();
    auto conditions = core::PodMut::of(*copy).mutable_status().mutable_conditions();
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      if (conditions[i].type() != "Ready") continue;
      conditions.at(i).set_status("False");
      conditions.at(i).set_last_transition_time(api_now(clock_));
    }
    auto done = co_await transport_.update(core::Pod::kind_info(), std::string(object->namespace_()),
                                           api::freeze(std::move(copy)), {.subresource = "status"});
    if (!done) {
      logger_.debug("cannot mark a pod not ready", {{"pod", object->name()}, {"error", done.error()}});
      continue;
    }
    recorder_.event(*object, "Warning", "NodeNotReady", "Node is not ready");
  }
}

Task<> NodeLifecycleController::keep_no_execute(api::ObjectPtr node, bool all_down) {
  // The cache may be a step ahead of what this pass read.
  if (auto newer = nodes_.store().get("", node->name())) node = newer;
  std::set<WantedTaint> wanted;
  if (auto taint = no_execute_taint(core::Node::of(*node)); taint && !all_down) wanted.insert(*taint);
  auto copy = with_taints(*node, "NoExecute", wanted, api_now(clock_));
  if (!copy) co_return;
  auto done = co_await transport_.update(core::Node::kind_info(), "", api::freeze(std::move(copy)), {});
  if (!done) logger_.debug("cannot set taints", {{"node", node->name()}, {"error", done.error()}});
}

}  // namespace keelson::controllers
