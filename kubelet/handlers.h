// Running the actions of probes and lifecycle hooks: exec in the container, HTTP GET, TCP connect, sleep;
// from the node.
#pragma once

#include <string>

#include "api/gen/core_v1.h"
#include "base/clock.h"
#include "base/log.h"
#include "kubelet/cri/runtime.h"

namespace keelson::kubelet {

struct ActionTarget {
  api::core_v1::Container container;  // for named ports; alive while the action runs
  std::string container_id;
  std::string pod_ip;
  Duration timeout{};
};

struct ActionOutcome {
  bool success = false;
  std::string output;  // upstream's words where it failed
};

// Thread rule: any executor; the runtime and clock outlive it.
class ActionRunner {
 public:
  ActionRunner(cri::Runtime& runtime, Clock& clock, Logger logger)
      : runtime_(runtime), clock_(clock), log_(logger.named("probe")) {}

  Task<ActionOutcome> exec(ActionTarget target, api::core_v1::ExecAction action);
  Task<ActionOutcome> http_get(ActionTarget target, api::core_v1::HTTPGetAction action);
  Task<ActionOutcome> tcp(ActionTarget target, api::core_v1::TCPSocketAction action);

  Task<ActionOutcome> probe(ActionTarget target, api::core_v1::Probe probe);
  Task<ActionOutcome> hook(ActionTarget target, api::core_v1::LifecycleHandler handler);

 private:
  cri::Runtime& runtime_;
  Clock& clock_;
  Logger log_;
};

// The number of a port given by number or by the name of a container port; 0 when there is none.
int resolve_port(api::core_v1::Container container, api::IntOrString port);

}  // namespace keelson::kubelet
