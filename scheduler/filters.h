// Filters: which nodes can take a pod, and if not, why, in kube-scheduler's words. Pure functions over a node; they run in the
// order of kube-scheduler's default plugins and the first that refuses a node gives its reasons.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "scheduler/snapshot.h"

namespace keelson::scheduler {

struct Refusal {
  std::string_view plugin;
  std::vector<std::string> reasons;
  // False: no eviction on this node could help ("Preemption is not helpful for scheduling").
  bool resolvable = false;
};

struct Filter {
  std::string_view plugin;
  std::optional<Refusal> (*check)(const PodInfo& pod, const NodeInfo& node);
};

std::span<const Filter> default_filters();

// Whether a node's labels and name meet the pod's nodeSelector and required node affinity.
bool matches_node_affinity(api::core_v1::PodSpec spec, const NodeInfo& node);
// Whether some toleration tolerates the taint (core/v1 semantics).
bool tolerates(api::List<api::StructElem<api::core_v1::Toleration, api::core_v1::TolerationMut>> tolerations,
               api::core_v1::Taint taint);

}  // namespace keelson::scheduler
