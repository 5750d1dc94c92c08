// Resources: amounts that pods ask for and nodes offer. Value type.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "api/gen/core_v1.h"

namespace keelson::scheduler {

struct Resources {
  std::int64_t milli_cpu = 0;
  std::int64_t memory = 0;             // bytes
  std::int64_t ephemeral_storage = 0;  // bytes
  std::int64_t pods = 0;               // of nodes only
  std::map<std::string, std::int64_t> scalars;  // extended resources, hugepages

  void add(const Resources& other);
  void subtract(const Resources& other);
};

// Of a ResourceList (quantities rounded up).
Resources resources_of(api::Map<api::QuantityElem> list);

// What a pod needs at its peak: the larger of (sum of containers and sidecars) and (each init container with the sidecars
// started before it), plus overhead (KEP-753).
Resources pod_requests(api::core_v1::PodSpec spec);

// As pod_requests, but containers that ask for no cpu or memory count as 100 m and 200 MiB: for scoring only.
Resources pod_requests_for_scoring(api::core_v1::PodSpec spec);

}  // namespace keelson::scheduler
