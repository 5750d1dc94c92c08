#include "controllers/taint_eviction.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/status.h"
#include "controllers/disruption.h"

namespace keelson::controllers {

namespace {

std::vector<core::Taint> no_execute_taints(core::Node node) {
  std::vector<core::Taint> out;
  for (core::Taint t : node.spec().taints()) {
    if (t.effect() == "NoExecute") out.push_back(t);
  }
  return out;
}

bool tolerates(core::Toleration t, core::Taint taint) {
  if (!t.effect().empty() && t.effect() != taint.effect()) return false;
  if (!t.key().empty() && t.key() != taint.key()) return false;
  if (t.operator_() == "Exists") return true;
  return !t.key().empty() && t.value() == taint.value();
}

}  // namespace

std::optional<Duration> tolerated_for(core::Pod pod, const std::vector<core::Taint>& taints) {
  std::optional<Duration> shortest;
  for (core::Taint taint : taints) {
    bool tolerated = false;
    for (core::Toleration t : pod.spec().tolerations()) {
      if (!tolerates(t, taint)) continue;
      tolerated = true;
      if (!t.has_toleration_seconds()) continue;
      const Duration d = std::chrono::seconds(std::max<std::int64_t>(0, t.toleration_seconds()));
      if (!shortest || d < *shortest) shortest = d;
    }
    if (!tolerated) return Duration::zero();
  }
  return shortest;
}

TaintEvictionController::TaintEvictionController(const Context& context)
    : Controller(context, "taint-eviction-controller", 4),
      recorder_(context.events, "taint-eviction-controller"),
      nodes_(informer("v1", "Node")),
      pods_(informer("v1", "Pod")) {
  pods_.add_index(std::string(kByNode), index_by_node);
  auto by_pod = [this](const api::ObjectPtr& pod) {
    if (!core::Pod::of(*pod).spec().node_name().empty()) queue_.add(client::object_key(*pod));
  };
  pods_.add_handler({.on_add = by_pod,
                     .on_update = [by_pod](const api::ObjectPtr&, const api::ObjectPtr& now) { by_pod(now); },
                     .on_delete = by_pod});
  auto by_node = [this](const api::ObjectPtr& node) {
    for (const auto& pod : pods_.store().by_index(kByNode, node->name()))
      queue_.add(client::object_key(*pod));
  };
  nodes_.add_handler(
      {.on_add = by_node, .on_update = [by_node](const api::ObjectPtr& old, const api::ObjectPtr& now) {
         if (!api::equal(core::Node::of(*old).spec(), core::Node::of(*now).spec())) by_node(now);
       }});
}

Task<Result<void>> TaintEvictionController::sync(std::string key) {
  auto object = pods_.store().get_by_key(key);
  auto waiting = waiting_.find(key);
  if (waiting != waiting_.end() && (!object || object->uid() != waiting->second.first)) {
    waiting_.erase(waiting);
    waiting = waiting_.end();
  }
  if (!object) co_return Result<void>{};
  const auto pod = core::Pod::of(*object);
  auto node = nodes_.store().get("", pod.spec().node_name());
  std::vector<core::Taint> taints;
  if (node) taints = no_execute_taints(core::Node::of(*node));
  std::optional<Duration> stay;
  if (!taints.empty() && !is_terminating(pod)) stay = tolerated_for(pod, taints);
  if (taints.empty() || is_terminating(pod) || !stay) {
    if (waiting != waiting_.end()) {
      waiting_.erase(waiting);
      if (!is_terminating(pod)) {
        recorder_.event(*object, "Normal", "TaintManagerEviction",
                        fmt::format("Cancelling deletion of Pod {}", key));
      }
    }
    co_return Result<void>{};
  }
  const MonoTime now = clock_.now();
  if (waiting == waiting_.end())
    waiting = waiting_.emplace(key, std::pair(std::string(object->uid()), now)).first;
  const MonoTime due = waiting->second.second + *stay;
  if (now < due) {
    queue_.add_after(key, due - now);
    co_return Result<void>{};
  }
  CO_TRY(co_await evict(object));
  waiting_.erase(key);
  co_return Result<void>{};
}

Task<Result<void>> TaintEvictionController::evict(api::ObjectPtr pod) {
  recorder_.event(*pod, "Normal", "TaintManagerEviction",
                  fmt::format("Marking for deletion Pod {}", client::object_key(*pod)));
  co_return co_await disrupt_and_delete(transport_, pod, "DeletionByTaintManager",
                                        "Taint manager: deleting due to NoExecute taint", false, std::nullopt,
                                        api_now(clock_));
}

}  // namespace keelson::controllers
