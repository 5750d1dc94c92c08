#include "scheduler/scores.h"

#include <algorithm>
#include <cmath>

#include "scheduler/filters.h"

namespace keelson::scheduler {
namespace {

namespace core = api::core_v1;

constexpr std::int64_t kMax = 100;
constexpr std::int64_t kTaintWeight = 3;

// Share of `capacity` that is taken with the pod on it, at most 1.
double used_share(std::int64_t wanted, std::int64_t used, std::int64_t capacity) {
  if (capacity <= 0) return 1;
  return std::min(1.0, static_cast<double>(wanted + used) / static_cast<double>(capacity));
}

// PreferNoSchedule taints that the pod does not tolerate.
std::int64_t unwanted_taints(const PodInfo& pod, const NodeInfo& node) {
  std::int64_t n = 0;
  for (core::Taint t : node.node().spec().taints()) {
    if (t.effect() == "PreferNoSchedule" && !tolerates(pod.pod().spec().tolerations(), t)) ++n;
  }
  return n;
}

}  // namespace

std::int64_t least_allocated(const PodInfo& pod, const NodeInfo& node) {
  const auto free_share = [](std::int64_t wanted, std::int64_t used, std::int64_t capacity) -> std::int64_t {
    if (capacity == 0 || wanted + used > capacity) return 0;
    return (capacity - wanted - used) * kMax / capacity;
  };
  return (free_share(pod.scoring_requests.milli_cpu, node.scoring_requested.milli_cpu, node.allocatable.milli_cpu) +
          free_share(pod.scoring_requests.memory, node.scoring_requested.memory, node.allocatable.memory)) /
         2;
}

std::int64_t balanced_allocation(const PodInfo& pod, const NodeInfo& node) {
  const double cpu = used_share(pod.requests.milli_cpu, node.requested.milli_cpu, node.allocatable.milli_cpu);
  const double memory = used_share(pod.requests.memory, node.requested.memory, node.allocatable.memory);
  return static_cast<std::int64_t>((1 - std::abs(cpu - memory) / 2) * kMax);
}

std::vector<std::int64_t> score(const PodInfo& pod, const std::vector<const NodeInfo*>& nodes) {
  std::vector<std::int64_t> taints;
  for (const auto* n : nodes) taints.push_back(unwanted_taints(pod, *n));
  const std::int64_t most = taints.empty() ? 0 : *std::ranges::max_element(taints);
  std::vector<std::int64_t> total;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const std::int64_t taint_score = most == 0 ? kMax : kMax - kMax * taints[i] / most;
    total.push_back(least_allocated(pod, *nodes[i]) + balanced_allocation(pod, *nodes[i]) + kTaintWeight * taint_score);
  }
  return total;
}

}  // namespace keelson::scheduler
