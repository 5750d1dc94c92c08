// From a pod's spec to what CRI wants: the sandbox's and the containers' configurations. Pure, but for
// looking up subPaths.
#pragma once

#include <string>
#include <vector>

#include "api/gen/core_v1.h"
#include "kubelet/cri/types.h"
#include "kubelet/pod_status.h"
#include "kubelet/volumes/volume_manager.h"

namespace keelson::kubelet {

struct SandboxInput {
  api::core_v1::Pod pod;
  std::uint32_t attempt = 0;
  std::string log_directory, cgroup_parent;
  cri::DnsConfig dns;
};
cri::PodSandboxConfig sandbox_config(const SandboxInput& in);

// The pod's host name: spec.hostname or its name, at most 63 characters.
std::string pod_host_name(api::core_v1::Pod pod);
// The directory of a pod's log files.
std::string pod_log_directory(const std::string& logs_dir, api::core_v1::Pod pod);
// What decides whether a running container still is what the spec says: name and image, as upstream
// since 1.31.
std::string container_hash(api::core_v1::Container container);

struct ContainerInput {
  api::core_v1::Pod pod;
  api::core_v1::Container container;
  std::int64_t restart_count = 0;
  cri::Image image;
  std::vector<cri::KeyValue> environment;
  VolumePaths volumes;
  std::string hosts_file;        // on the node; mounted unless the container mounts /etc/hosts itself
  std::string termination_file;  // on the node
  std::int64_t node_memory = 0;
};
// The error is what the container waits with: CreateContainerConfigError with upstream's message.
std::expected<cri::ContainerConfig, Reason> container_config(const ContainerInput& in);

}  // namespace keelson::kubelet
