// What both halves of ServiceAllocator (addresses, node ports) read of a Service's spec. Internal to them.
#pragma once

#include <string_view>
#include <vector>

#include "api/gen/core_v1.h"

namespace keelson::apiserver {

inline bool headless(api::core_v1::ServiceSpec s) { return s.cluster_ip() == "None"; }

// Its node ports, the health check's included.
inline std::vector<int> ports_of(api::core_v1::ServiceSpec s) {
  std::vector<int> out;
  for (api::core_v1::ServicePort p : s.ports())
    if (p.node_port() != 0) out.push_back(p.node_port());
  if (s.health_check_node_port() != 0) out.push_back(s.health_check_node_port());
  return out;
}

}  // namespace keelson::apiserver
