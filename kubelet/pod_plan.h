// plan_pod: what has to be done next to bring a pod's containers to what its spec says. Pure: upstream's
// computePodActions.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "api/gen/core_v1.h"
#include "kubelet/pod_observation.h"

namespace keelson::kubelet {

struct Kill {
  std::string container_id, name, message;
  bool liveness_or_startup = false;  // the probe may bring its own grace period
};

struct PodPlan {
  // The sandbox is gone or broken: end every container and the sandbox first. With `create_sandbox` a new one
  // follows.
  bool kill_pod = false;
  bool create_sandbox = false;
  std::uint32_t attempt = 0;
  std::vector<Kill> kill;
  // Names to start now, init containers first. Back-off is the caller's.
  std::vector<std::string> start;
  // All containers have ended for good (or an init container failed for good): the pod is over.
  bool finished = false;
};

struct PlanInput {
  api::core_v1::Pod pod;
  const PodObservation* seen = nullptr;
  // Hash of a container's spec, compared with the running container's annotation.
  std::function<std::string(api::core_v1::Container)> hash;
  // Probe verdicts on running containers, by id.
  std::function<bool(const std::string& id)> started;
  std::function<bool(const std::string& id)> liveness_failed;
  std::function<bool(const std::string& id)> startup_failed;
};

PodPlan plan_pod(const PlanInput& in);

}  // namespace keelson::kubelet
