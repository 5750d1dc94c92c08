#include "controllers/pod_gc.h"

#include <algorithm>
#include <set>

#include "api/status.h"
#include "controllers/disruption.h"

namespace keelson::controllers {

PodGarbageCollector::PodGarbageCollector(const Context& context, PodGcOptions options)
    : Controller(context, "pod-garbage-collector", 1),
      options_(options),
      nodes_(informer("v1", "Node")),
      pods_(informer("v1", "Pod")) {}

void PodGarbageCollector::start() {
  spawn(run());
}

// Nothing is queued: it looks at everything, now and then.
Task<Result<void>> PodGarbageCollector::sync(std::string) {
  co_return Result<void>{};
}

Task<> PodGarbageCollector::run() {
  co_await wait_for_informers();
  for (;;) {
    co_await collect();
    co_await clock_.sleep_for(options_.period);
  }
}

Task<> PodGarbageCollector::collect() {
  const auto pods = pods_.store().list();
  co_await collect_terminated(pods);
  co_await collect_out_of_service(pods);
  co_await collect_orphaned(pods);
  co_await collect_unscheduled(pods);
}

Task<> PodGarbageCollector::force_delete(api::ObjectPtr pod) {
  client::DeleteOptions options;
  options.grace_period_s = 0;
  options.precondition_uid = pod->uid();
  auto done = co_await transport_.remove(core::Pod::kind_info(), std::string(pod->namespace_()),
                                         std::string(pod->name()), options);
  if (!done && !api::is_not_found(done.error())) {
    logger_.warn("cannot delete a pod", {{"pod", client::object_key(*pod)}, {"error", done.error()}});
  }
}

Task<> PodGarbageCollector::collect_terminated(std::vector<api::ObjectPtr> pods) {
  std::erase_if(pods, [](const api::ObjectPtr& p) { return !is_terminal(core::Pod::of(*p)); });
  if (options_.terminated_pods_max == 0 || pods.size() <= options_.terminated_pods_max) co_return;
  std::sort(pods.begin(), pods.end(), [](const api::ObjectPtr& a, const api::ObjectPtr& b) {
    const auto ta = a->meta().creation_timestamp(), tb = b->meta().creation_timestamp();
    return ta != tb ? ta < tb : a->name() < b->name();
  });
  pods.resize(pods.size() - options_.terminated_pods_max);
  for (const auto& pod : pods) co_await force_delete(pod);
}

Task<bool> PodGarbageCollector::is_node_gone(std::string node) {
  auto [it, first] = missing_since_.try_emplace(node, clock_.now());
  if (clock_.now() - it->second < options_.quarantine) co_return false;
  auto fresh = co_await transport_.get(core::Node::kind_info(), "", node, {});
  co_return !fresh && api::is_not_found(fresh.error());
}

Task<> PodGarbageCollector::collect_orphaned(std::vector<api::ObjectPtr> pods) {
  std::map<std::string, std::vector<api::ObjectPtr>> by_missing_node;
  for (const auto& pod : pods) {
    const std::string node(core::Pod::of(*pod).spec().node_name());
    if (!node.empty() && !nodes_.store().get("", node)) by_missing_node[node].push_back(pod);
  }
  std::erase_if(missing_since_, [&](const auto& e) { return !by_missing_node.contains(e.first); });
  for (const auto& [node, orphans] : by_missing_node) {
    if (!co_await is_node_gone(node)) continue;
    for (const auto& pod : orphans) {
      logger_.info("deleting an orphaned pod", {{"pod", client::object_key(*pod)}, {"node", node}});
      if (is_terminal(core::Pod::of(*pod))) {
        co_await force_delete(pod);
        continue;
      }
      auto done = co_await disrupt_and_delete(transport_, pod, "DeletionByPodGC",
                                              "PodGC: node no longer exists", true, 0, api_now(clock_));
      if (!done) logger_.warn("cannot delete an orphaned pod", {{"error", done.error()}});
    }
  }
}

Task<> PodGarbageCollector::collect_unscheduled(std::vector<api::ObjectPtr> pods) {
  for (const auto& pod : pods) {
    const auto view = core::Pod::of(*pod);
    if (is_terminating(view) && view.spec().node_name().empty()) co_await force_delete(pod);
  }
}

Task<> PodGarbageCollector::collect_out_of_service(std::vector<api::ObjectPtr> pods) {
  for (const auto& pod : pods) {
    const auto view = core::Pod::of(*pod);
    if (!is_terminating(view)) continue;
    auto object = nodes_.store().get("", view.spec().node_name());
    if (!object) continue;
    const auto node = core::Node::of(*object);
    if (node_condition(node, "Ready").status() == "True") continue;
    for (core::Taint t : node.spec().taints()) {
      if (t.key() != "node.kubernetes.io/out-of-service") continue;
      auto done = co_await disrupt_and_delete(transport_, pod, "DeletionByPodGC",
                                              "PodGC: node has been tainted with out-of-service", true, 0,
                                              api_now(clock_));
      if (!done) logger_.warn("cannot delete a pod of a node out of service", {{"error", done.error()}});
      break;
    }
  }
}

}  // namespace keelson::controllers
