// RuntimeCache: looks at the runtime once a second, notices which pods changed, and keeps each pod's last
// observation. The CRI of containerd 1.6 has no event stream, so this is upstream's relisting PLEG.
//
// Thread rule: run(), refresh() and forget() on the kubelet's strand; snapshot() and container_running() from
// any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "kubelet/cri/runtime.h"
#include "kubelet/pod_observation.h"

namespace keelson::kubelet {

using ObservationPtr = std::shared_ptr<const PodObservation>;

class RuntimeCache {
 public:
  // Called on the strand when a pod's sandboxes or containers changed.
  using OnChange = std::function<void(const std::string& pod_uid)>;

  RuntimeCache(cri::Runtime& runtime, Clock& clock, Logger logger, OnChange on_change);

  // Relists until cancelled.
  Task<> run();
  // One relist; kUnavailable when the runtime does not answer. Also the first look before pods are handled.
  Task<Result<void>> relist();
  // A fresh and full look at one pod. Statuses of ended containers are remembered, not asked for again.
  Task<Result<ObservationPtr>> refresh(std::string pod_uid);
  // All pods the runtime has anything of, by the last relist.
  std::set<std::string> pod_uids() const;
  // The last observation, or null.
  ObservationPtr snapshot(const std::string& pod_uid) const;
  bool container_running(const std::string& container_id) const;
  void forget(const std::string& pod_uid);
  // When the last relist succeeded; the epoch before the first.
  MonoTime last_success() const;

 private:
  cri::Runtime& runtime_;
  Clock& clock_;
  Logger log_;
  OnChange on_change_;
  std::map<std::string, std::string> fingerprints_;  // uid → ids and states

  mutable std::mutex mu_;
  std::map<std::string, ObservationPtr> pods_;
  std::set<std::string> uids_, running_;
  MonoTime last_success_{};
};

}  // namespace keelson::kubelet
