// Cgroups: the cgroup of each pod, on cgroup v1 and v2 behind one interface. Containers' own cgroups are
// runc's.
//   <root>/<qos>/pod<uid>     Guaranteed pods stand directly below <root>, as upstream's do below kubepods.
// Blocking (a few small writes). Thread rule: thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "kubelet/cri/types.h"

namespace keelson::kubelet {

class Cgroups {
 public:
  virtual ~Cgroups() = default;
  // Makes the pod's cgroup with its limits, and its parents. Returns the cgroup parent for CRI
  // ("/keelson-1a2b3c4d/…").
  virtual Result<std::string> create_pod(std::string_view qos, std::string_view uid,
                                         const cri::LinuxContainerResources& resources) = 0;
  // Removes the pod's cgroup and all below it, in any class. Processes still inside are the caller's fault:
  // it stays then.
  virtual Result<void> remove_pod(std::string_view uid) = 0;
  // Removes everything below the root: for teardown.
  virtual void remove_all() = 0;

  // The one this host has: v2 where /sys/fs/cgroup is a cgroup2 mount. `root` is one path component.
  static std::unique_ptr<Cgroups> of_host(std::string root);
  // Does nothing: for tests.
  static std::unique_ptr<Cgroups> none();
};

}  // namespace keelson::kubelet
