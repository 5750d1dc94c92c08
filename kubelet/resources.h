// From a pod's requests and limits: QoS class, CPU shares and quota, OOM score. Pure. Rules are upstream's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/gen/core_v1.h"
#include "kubelet/cri/types.h"

namespace keelson::kubelet {

inline constexpr std::int64_t kCpuPeriodUs = 100'000;

// "Guaranteed", "Burstable" or "BestEffort".
std::string_view qos_class(api::core_v1::PodSpec spec);

// milliCPU → cgroup v1 cpu.shares, in [2, 262144]; 2 for none.
std::int64_t cpu_shares(std::int64_t milli);
// milliCPU → CFS quota per period, at least 1000; 0 for no limit.
std::int64_t cpu_quota(std::int64_t milli);

// A container's cgroup values and OOM score. `node_memory` in bytes.
cri::LinuxContainerResources container_resources(api::core_v1::Container container, std::string_view qos,
                                                 std::int64_t node_memory);
// The pod's cgroup: sums over containers (init containers: the larger of both). A limit is set only when
// every container has one.
cri::LinuxContainerResources pod_resources(api::core_v1::PodSpec spec);

}  // namespace keelson::kubelet
