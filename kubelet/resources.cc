#include "kubelet/resources.h"

#include <algorithm>

namespace keelson::kubelet {
namespace {

using api::core_v1::Container;
using api::core_v1::PodSpec;

struct Amounts {
  std::int64_t cpu_request = 0, cpu_limit = 0, memory_request = 0, memory_limit = 0;
};

Amounts amounts(Container c) {
  const auto limits = c.resources().limits();
  const auto requests = c.resources().requests();
  Amounts a;
  a.cpu_limit = limits.get("cpu").milli_value();
  a.memory_limit = limits.get("memory").value();
  a.cpu_request = requests.contains("cpu") ? requests.get("cpu").milli_value() : a.cpu_limit;
  a.memory_request = requests.contains("memory") ? requests.get("memory").value() : a.memory_limit;
  return a;
}

}  // namespace

std::string_view qos_class(PodSpec spec) {
  bool any = false, guaranteed = true;
  const auto look = [&](Container c) {
    const Amounts a = amounts(c);
    any |= a.cpu_request > 0 || a.cpu_limit > 0 || a.memory_request > 0 || a.memory_limit > 0;
    guaranteed &= a.cpu_limit > 0 && a.memory_limit > 0 && a.cpu_request == a.cpu_limit &&
                  a.memory_request == a.memory_limit;
  };
  for (Container c : spec.init_containers()) look(c);
  for (Container c : spec.containers()) look(c);
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

std::int64_t cpu_shares(std::int64_t milli) {
  return milli <= 0 ? 2 : std::clamp<std::int64_t>(milli * 1024 / 1000, 2, 262144);
}

std::int64_t cpu_quota(std::int64_t milli) {
  return milli <= 0 ? 0 : std::max<std::int64_t>(milli * kCpuPeriodUs / 1000, 1000);
}

cri::LinuxContainerResources container_resources(Container container, std::string_view qos,
                                                 std::int64_t node_memory) {
  const Amounts a = amounts(container);
  cri::LinuxContainerResources r;
  r.cpu_shares = cpu_shares(a.cpu_request);
  r.cpu_quota = cpu_quota(a.cpu_limit);
  if (r.cpu_quota > 0) r.cpu_period = kCpuPeriodUs;
  r.memory_limit_in_bytes = a.memory_limit;
  if (qos == "Guaranteed") {
    r.oom_score_adj = -997;
  } else if (qos == "BestEffort") {
    r.oom_score_adj = 1000;
  } else {
    const std::int64_t share = node_memory > 0 ? 1000 * a.memory_request / node_memory : 0;
    r.oom_score_adj = std::clamp<std::int64_t>(1000 - share, 3, 999);
  }
  return r;
}

cri::LinuxContainerResources pod_resources(PodSpec spec) {
  Amounts sum, init;
  bool all_cpu = true, all_memory = true;
  for (Container c : spec.containers()) {
    const Amounts a = amounts(c);
    sum.cpu_request += a.cpu_request;
    sum.cpu_limit += a.cpu_limit;
    sum.memory_limit += a.memory_limit;
    all_cpu &= a.cpu_limit > 0;
    all_memory &= a.memory_limit > 0;
  }
  for (Container c : spec.init_containers()) {
    const Amounts a = amounts(c);
    init.cpu_request = std::max(init.cpu_request, a.cpu_request);
    init.cpu_limit = std::max(init.cpu_limit, a.cpu_limit);
    init.memory_limit = std::max(init.memory_limit, a.memory_limit);
    all_cpu &= a.cpu_limit > 0;
    all_memory &= a.memory_limit > 0;
  }
  cri::LinuxContainerResources r;
  r.cpu_shares = cpu_shares(std::max(sum.cpu_request, init.cpu_request));
  if (all_cpu) {
    r.cpu_quota = cpu_quota(std::max(sum.cpu_limit, init.cpu_limit));
    r.cpu_period = kCpuPeriodUs;
  }
  if (all_memory) r.memory_limit_in_bytes = std::max(sum.memory_limit, init.memory_limit);
  return r;
}

}  // namespace keelson::kubelet
