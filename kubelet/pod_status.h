// The status of a pod as the API shows it, computed from the spec, what the runtime shows, and what the
// worker knows. Pure: the same input gives the same status. Rules, reasons and messages are upstream's.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/gen/core_v1.h"
#include "base/clock.h"
#include "kubelet/pod_observation.h"

namespace keelson::kubelet {

struct Reason {
  std::string reason, message;
};

struct StatusInput {
  api::core_v1::Pod pod;
  const PodObservation* seen = nullptr;
  // Why a container is not started or not restarted yet (ErrImagePull, CrashLoopBackOff …), by container
  // name.
  std::map<std::string, Reason> waiting;
  // Container ids whose readiness / startup probe stands at success (or that have none), among the running
  // ones.
  std::set<std::string> ready, started;
  // Termination messages by container id.
  std::map<std::string, std::string> messages;
  std::string host_ip;
  WallTime start_time{}, now{};
  // The pod is being ended for good: deleted, evicted, past its deadline. Its phase becomes final once all
  // has stopped.
  bool terminal = false;
  // Set when the kubelet gave up on the pod (DeadlineExceeded, OutOfcpu …): phase Failed with this.
  std::optional<Reason> failed;
};

// Writes the whole status. Conditions the kubelet does not own, and lastTransitionTime of unchanged ones, are
// taken over from the pod's present status.
void compute_status(const StatusInput& in, api::core_v1::PodStatusMut out);

// The JSON merge patch that turns the present status into `wanted`, bound to the pod's uid.
std::string status_patch(api::core_v1::Pod present, api::core_v1::PodStatus wanted);

bool is_sidecar(api::core_v1::Container init_container);
// Whether a container that ended with `exit_code` is started again.
bool restarts(api::core_v1::PodSpec spec, api::core_v1::Container container, bool init, int exit_code);

}  // namespace keelson::kubelet
