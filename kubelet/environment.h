// A container's environment: envFrom, env with valueFrom, service variables, $(VAR) expansion. Upstream's
// precedence: service variables < envFrom < env; within env a variable sees those before it and all of the
// others.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "api/gen/core_v1.h"
#include "api/object.h"
#include "base/error.h"
#include "base/task.h"
#include "kubelet/cri/types.h"
#include "kubelet/expansion.h"

namespace keelson::kubelet {

// Where a container's configuration comes from: ConfigMaps and Secrets of the pod's namespace. Null object:
// not found.
class ConfigSource {
 public:
  virtual ~ConfigSource() = default;
  virtual Task<Result<api::ObjectPtr>> config_map(std::string ns, std::string name) = 0;
  virtual Task<Result<api::ObjectPtr>> secret(std::string ns, std::string name) = 0;
};

// What the node knows of itself and of the pod at the moment a container starts.
struct PodFacts {
  std::string node_name, host_ip;
  std::vector<std::string> pod_ips;
  std::int64_t node_cpu_milli = 0, node_memory = 0, node_ephemeral_storage = 0;
};

// Variables of services: {NAME}_SERVICE_HOST … for those in the pod's namespace when the pod wants service
// links, and for default/kubernetes always.
Variables service_variables(const std::vector<api::ObjectPtr>& services, std::string_view ns,
                            bool service_links);

// fieldRef of env and downwardAPI. kInvalidArgument for a path that is not supported.
Result<std::string> field_value(api::core_v1::Pod pod, const PodFacts& facts, std::string_view path);
// resourceFieldRef: the amount divided by the divisor, rounded up. A limit that is not set is the node's
// allocatable.
Result<std::string> resource_value(api::core_v1::Pod pod, std::string_view default_container,
                                   const PodFacts& facts, api::core_v1::ResourceFieldSelector selector);

// kNotFound with upstream's message (`configmap "x" not found`, `couldn't find key k in Secret ns/x`): the
// container waits with CreateContainerConfigError.
Task<Result<std::vector<cri::KeyValue>>> container_environment(api::core_v1::Pod pod,
                                                               api::core_v1::Container container,
                                                               PodFacts facts, Variables services,
                                                               ConfigSource* config);

}  // namespace keelson::kubelet
