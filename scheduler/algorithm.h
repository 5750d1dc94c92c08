// One scheduling decision: filter, then score. Pure; ties are broken by the injected Rng.
#pragma once

#include <string>
#include <set>

#include "base/rng.h"
#include "scheduler/snapshot.h"

namespace keelson::scheduler {

struct Decision {
  std::string node;     // empty: the pod fits nowhere
  std::string message;  // then: why, in kube-scheduler's words ("0/1 nodes are available: 1 Insufficient cpu. …")
  std::set<std::string_view> plugins;  // then: which filters refused some node
};

Decision decide(const PodInfo& pod, const Snapshot& snapshot, Rng& rng);

}  // namespace keelson::scheduler
