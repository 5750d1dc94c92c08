#include "scheduler/resources.h"

#include <algorithm>

namespace keelson::scheduler {
namespace {

namespace core = api::core_v1;

constexpr std::int64_t kDefaultMilliCpu = 100;
constexpr std::int64_t kDefaultMemory = 200 * 1024 * 1024;

void raise(Resources& a, const Resources& b) {
  a.milli_cpu = std::max(a.milli_cpu, b.milli_cpu);
  a.memory = std::max(a.memory, b.memory);
  a.ephemeral_storage = std::max(a.ephemeral_storage, b.ephemeral_storage);
  for (const auto& [name, v] : b.scalars) a.scalars[name] = std::max(a.scalars[name], v);
}

Resources container_requests(core::Container c, bool for_scoring) {
  const auto requests = c.resources().requests();
  Resources r = resources_of(requests);
  if (for_scoring) {
    if (!requests.contains("cpu")) r.milli_cpu = kDefaultMilliCpu;
    if (!requests.contains("memory")) r.memory = kDefaultMemory;
  }
  return r;
}

Resources sum(core::PodSpec spec, bool for_scoring) {
  Resources total, sidecars, init_peak;
  for (core::Container c : spec.containers()) total.add(container_requests(c, for_scoring));
  for (core::Container c : spec.init_containers()) {
    Resources r = container_requests(c, for_scoring);
    if (c.restart_policy() == "Always") {
      sidecars.add(r);
      raise(init_peak, sidecars);
    } else {
      r.add(sidecars);
      raise(init_peak, r);
    }
  }
  total.add(sidecars);
  raise(total, init_peak);
  total.add(resources_of(spec.overhead()));
  return total;
}

}  // namespace

void Resources::add(const Resources& o) {
  milli_cpu += o.milli_cpu;
  memory += o.memory;
  ephemeral_storage += o.ephemeral_storage;
  for (const auto& [name, v] : o.scalars) scalars[name] += v;
}

void Resources::subtract(const Resources& o) {
  milli_cpu -= o.milli_cpu;
  memory -= o.memory;
  ephemeral_storage -= o.ephemeral_storage;
  for (const auto& [name, v] : o.scalars) scalars[name] -= v;
}

Resources resources_of(api::Map<api::QuantityElem> list) {
  Resources r;
  for (const auto& [name, q] : list) {
    if (name == "cpu") r.milli_cpu = q.milli_value();
    else if (name == "memory") r.memory = q.value();
    else if (name == "ephemeral-storage") r.ephemeral_storage = q.value();
    else if (name == "pods") r.pods = q.value();
    else r.scalars[std::string(name)] = q.value();
  }
  return r;
}

Resources pod_requests(core::PodSpec spec) { return sum(spec, false); }
Resources pod_requests_for_scoring(core::PodSpec spec) { return sum(spec, true); }

}  // namespace keelson::scheduler
