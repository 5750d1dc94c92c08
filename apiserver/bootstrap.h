// The cluster's own furniture, made on every start where it is missing: the system namespaces, the ServiceCIDR and the Service
// `kubernetes` with its endpoints, the system priority classes.
#pragma once

#include <string>

#include "apiserver/registry.h"
#include "apiserver/service_allocator.h"
#include "base/log.h"

namespace keelson::apiserver {

struct Furniture {
  std::string advertise_address;
  int port = 6443;
};

// Idempotent; several servers may run it at once. The furniture's owner is "kube-apiserver".
Task<Result<void>> make_furniture(Registry& registry, ServiceAllocator& services, Furniture furniture, Clock& clock);

}  // namespace keelson::apiserver
