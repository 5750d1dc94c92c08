// Canaries: planted bugs that the simulator must find. Each names the switch that plants it; canaries.txt
// beside this file names, for each, two seeds known to catch it (./x sim --canaries --find rewrites it).
#pragma once

#include <string_view>
#include <vector>

#include "kvstore/server/replica.h"

namespace keelson::sim {

struct Canary {
  std::string_view name;
  std::string_view bug;
  void (*plant)(kvstore::ReplicaFaults& faults);
};
const std::vector<Canary>& canaries();
// Null: no such canary.
const Canary* find_canary(std::string_view name);

}  // namespace keelson::sim
