// Scores: which of the nodes that can take a pod is best. Each in [0, 100], weighted as kube-scheduler's defaults.
#pragma once

#include <cstdint>
#include <vector>

#include "scheduler/snapshot.h"

namespace keelson::scheduler {

// One total per node of `nodes`, higher is better.
std::vector<std::int64_t> score(const PodInfo& pod, const std::vector<const NodeInfo*>& nodes);

// NodeResourcesFit, LeastAllocated: the mean over cpu and memory of the share left free.
std::int64_t least_allocated(const PodInfo& pod, const NodeInfo& node);
// NodeResourcesBalancedAllocation: how close cpu's and memory's shares are.
std::int64_t balanced_allocation(const PodInfo& pod, const NodeInfo& node);

}  // namespace keelson::scheduler
