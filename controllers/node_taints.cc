// Taints that follow from a node's conditions: see controllers/node_lifecycle.h.
#include <algorithm>
#include <array>

#include "controllers/node_lifecycle.h"

namespace keelson::controllers {

namespace {

constexpr std::string_view kNotReady = "node.kubernetes.io/not-ready";
constexpr std::string_view kUnreachable = "node.kubernetes.io/unreachable";
constexpr std::string_view kUnschedulable = "node.kubernetes.io/unschedulable";

struct ConditionTaint {
  std::string_view condition, status, taint;
};
constexpr std::array kConditionTaints = {
    ConditionTaint{"Ready", "False", kNotReady},
    ConditionTaint{"Ready", "Unknown", kUnreachable},
    ConditionTaint{"MemoryPressure", "True", "node.kubernetes.io/memory-pressure"},
    ConditionTaint{"DiskPressure", "True", "node.kubernetes.io/disk-pressure"},
    ConditionTaint{"NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"},
    ConditionTaint{"PIDPressure", "True", "node.kubernetes.io/pid-pressure"},
};

bool is_managed(std::string_view key) {
  if (key == kUnschedulable) return true;
  return std::any_of(kConditionTaints.begin(), kConditionTaints.end(),
                     [&](const ConditionTaint& c) { return c.taint == key; });
}

}  // namespace

std::set<WantedTaint> no_schedule_taints(core::Node node) {
  std::set<WantedTaint> out;
  for (const ConditionTaint& c : kConditionTaints) {
    const auto condition = node_condition(node, c.condition);
    if (condition && condition.status() == c.status) out.insert({std::string(c.taint), "NoSchedule"});
  }
  if (node.spec().unschedulable()) out.insert({std::string(kUnschedulable), "NoSchedule"});
  // Before its kubelet has said anything, the taint of its registration stays.
  if (!node_condition(node, "Ready")) {
    for (core::Taint t : node.spec().taints()) {
      if (t.key() == kNotReady && t.effect() == "NoSchedule")
        out.insert({std::string(kNotReady), "NoSchedule"});
    }
  }
  return out;
}

std::optional<WantedTaint> no_execute_taint(core::Node node) {
  const auto ready = node_condition(node, "Ready");
  if (!ready || ready.status() == "True") return std::nullopt;
  return WantedTaint{std::string(ready.status() == "False" ? kNotReady : kUnreachable), "NoExecute"};
}

std::unique_ptr<api::Object> with_taints(const api::Object& node, std::string_view effect,
                                         const std::set<WantedTaint>& wanted, api::Time now) {
  const auto view = core::Node::of(node);
  std::set<WantedTaint> missing = wanted;
  bool surplus = false;
  for (core::Taint t : view.spec().taints()) {
    if (t.effect() != effect || !is_managed(t.key())) continue;
    if (missing.erase({std::string(t.key()), std::string(effect)}) == 0) surplus = true;
  }
  if (missing.empty() && !surplus) return nullptr;
  auto copy = node.clone();
  auto spec = core::NodeMut::of(*copy).mutable_spec();
  auto taints = spec.mutable_taints();
  for (std::size_t i = taints.size(); i-- > 0;) {
    const auto t = taints[i];
    if (t.effect() != effect || !is_managed(t.key())) continue;
    if (!wanted.contains({std::string(t.key()), std::string(effect)})) taints.erase(i);
  }
  for (const auto& w : missing) {
    auto t = taints.add();
    t.set_key(w.key);
    t.set_effect(w.effect);
    t.set_time_added(now);
  }
  if (taints.size() == 0) spec.clear_taints();
  return copy;
}

}  // namespace keelson::controllers
