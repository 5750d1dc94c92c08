// What the container runtime shows of one pod: the input of every decision about it. Plain data, newest
// first.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kubelet/cri/types.h"

namespace keelson::kubelet {

// Annotations on our containers and sandboxes.
inline constexpr const char* kAnnotationHash = "io.kubernetes.container.hash";
inline constexpr const char* kAnnotationRestarts = "io.kubernetes.container.restartCount";
inline constexpr const char* kAnnotationMessagePath = "io.kubernetes.container.terminationMessagePath";
inline constexpr const char* kAnnotationMessagePolicy = "io.kubernetes.container.terminationMessagePolicy";
inline constexpr const char* kAnnotationMessageFile = "dev.keelson.container.terminationMessageFile";
inline constexpr const char* kAnnotationGrace = "io.kubernetes.pod.terminationGracePeriod";
inline constexpr const char* kAnnotationPreStop = "dev.keelson.container.preStop";

struct ObservedContainer {
  cri::ContainerStatus status;
  std::string sandbox_id;
  std::string name;
  std::string hash;
  std::int64_t restart_count = 0;

  bool running() const { return status.state == cri::ContainerState::kRunning; }
  bool exited() const { return status.state == cri::ContainerState::kExited; }
  // Created but never started, or lost by the runtime.
  bool created() const { return status.state == cri::ContainerState::kCreated; }
};

struct ObservedSandbox {
  std::string id;
  std::uint32_t attempt = 0;
  bool ready = false;
  std::int64_t created_at = 0;
  std::vector<std::string> ips;
};

struct PodObservation {
  std::string uid, namespace_, name;
  std::vector<ObservedSandbox> sandboxes;
  std::vector<ObservedContainer> containers;

  // The newest sandbox when it is ready; else null.
  const ObservedSandbox* ready_sandbox() const {
    return !sandboxes.empty() && sandboxes.front().ready ? &sandboxes.front() : nullptr;
  }
  // The newest instance of a container, or null.
  const ObservedContainer* newest(std::string_view container) const {
    for (const auto& c : containers) {
      if (c.name == container) return &c;
    }
    return nullptr;
  }
  // The one before the newest, or null.
  const ObservedContainer* previous(std::string_view container) const {
    bool seen = false;
    for (const auto& c : containers) {
      if (c.name != container) continue;
      if (seen) return &c;
      seen = true;
    }
    return nullptr;
  }
  bool any_running() const {
    for (const auto& c : containers) {
      if (c.running()) return true;
    }
    return false;
  }
};

}  // namespace keelson::kubelet
