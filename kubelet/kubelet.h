// Kubelet: the node agent. Watches the pods bound to its node and keeps one PodWorker for each; registers and
// reports the node; ends what the runtime still has of pods that the API no longer knows; collects garbage.
//
//   informer(spec.nodeName=me) ─► dispatch ─► PodWorker … ─► RuntimeCache, VolumeManager, Prober … ─► CRI
//
// stop() leaves the containers running: the next kubelet adopts them.
// Thread rule: start() and stop() by one owner; runtime_access() from any thread. All the rest is on one
// strand.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "client/informer.h"
#include "client/transport.h"
#include "kubelet/cri/runtime.h"
#include "kubelet/options.h"
#include "kubelet/runtime_access.h"

namespace keelson::kubelet {

class Kubelet {
 public:
  // Everything referenced outlives the kubelet. `transport` carries the identity system:node:<node_name>.
  Kubelet(KubeletOptions options, client::Transport& transport, cri::Runtime& runtime, Clock& clock, Rng rng,
          Logger logger);
  ~Kubelet();  // REQUIRES: stop() has returned, or start() was never called.

  // Looks at the runtime once and starts everything else in the background. kUnavailable when the runtime
  // does not answer.
  Task<Result<void>> start();
  // Ends all coroutines; containers go on.
  Task<> stop();
  RuntimeAccess& runtime_access();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// Stops and removes every pod sandbox the runtime has, with `grace_s` for their containers; then volumes
// below `data_dir`/pods and the cgroups: what `down` does. Errors are logged, not returned.
Task<> remove_all_pods(cri::Runtime& runtime, std::string data_dir, std::int64_t grace_s, Executor pool,
                       Logger logger);

// The name of the cgroup below which this data directory's pods live.
std::string cgroup_root(const std::string& data_dir);

}  // namespace keelson::kubelet
