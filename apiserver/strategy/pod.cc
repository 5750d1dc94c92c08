#include <algorithm>
#include <map>

#include "api/gen/core_v1.h"
#include "apiserver/object_meta.h"
#include "apiserver/strategy.h"

namespace keelson::apiserver {
namespace {

using namespace api::core_v1;

// Guaranteed, Burstable or BestEffort, from the cpu and memory of all containers (upstream's qos.GetPodQOS).
std::string_view qos_class(PodSpec spec) {
  std::map<std::string, api::Quantity> requests, limits;
  bool guaranteed = true;
  const std::string_view counted[] = {"cpu", "memory"};
  auto add = [](std::map<std::string, api::Quantity>& sum, std::string_view key, const api::Quantity& q) {
    auto [it, fresh] = sum.emplace(std::string(key), q);
    if (!fresh) it->second = it->second + q;
  };
  auto look = [&](Container c) {
    std::size_t found = 0;
    for (auto key : counted) {
      auto request = c.resources().requests().find(key);
      if (request && !request->is_zero()) add(requests, key, *request);
      auto limit = c.resources().limits().find(key);
      if (limit && !limit->is_zero()) {
        add(limits, key, *limit);
        ++found;
      }
    }
    if (found != std::size(counted)) guaranteed = false;
  };
  if (spec.has_resources()) {
    auto take = [&](auto list, std::map<std::string, api::Quantity>& sum) {
      for (auto key : counted)
        if (auto q = list.find(key); q && !q->is_zero()) add(sum, key, *q);
    };
    take(spec.resources().requests(), requests);
    take(spec.resources().limits(), limits);
    guaranteed = limits.size() == std::size(counted);
  } else {
    for (Container c : spec.containers()) look(c);
    for (Container c : spec.init_containers()) look(c);
  }
  if (requests.empty() && limits.empty()) return "BestEffort";
  if (guaranteed && requests.size() == limits.size())
    guaranteed = std::all_of(requests.begin(), requests.end(), [&](auto& r) {
      auto it = limits.find(r.first);
      return it != limits.end() && it->second == r.second;
    });
  else
    guaranteed = false;
  return guaranteed ? "Guaranteed" : "Burstable";
}

void prepare_create(api::Object& object) {
  PodMut pod = PodMut::of(object);
  PodStatusMut status = pod.mutable_status();
  status.set_phase("Pending");
  status.set_qos_class(qos_class(pod.view().spec()));
  if (!pod.view().spec().scheduling_gates().empty()) {
    PodConditionMut condition = status.add_conditions();
    condition.set_type("PodScheduled");
    condition.set_status("False");
    condition.set_last_transition_time(pod.view().metadata().creation_timestamp());
    condition.set_reason("SchedulingGated");
    condition.set_message("Scheduling is blocked due to non-empty scheduling gates");
  }
}

void prepare_status_update(api::Object& updated, const api::Object& old) {
  PodMut pod = PodMut::of(updated);
  Pod before = Pod::of(old);
  auto meta = pod.mutable_metadata();
  meta.clear_deletion_timestamp();
  if (before.metadata().has_owner_references()) meta.set_owner_references(before.metadata().owner_references());
  else meta.clear_owner_references();
  if (pod.view().status().qos_class().empty()) pod.mutable_status().set_qos_class(before.status().qos_class());
}

std::int64_t grace_period(const api::Object& object, std::optional<std::int64_t> asked) {
  Pod pod = Pod::of(object);
  std::int64_t period = asked ? *asked : pod.spec().termination_grace_period_seconds();
  if (pod.spec().node_name().empty()) period = 0;
  auto phase = pod.status().phase();
  if (phase == "Failed" || phase == "Succeeded") period = 0;
  return period < 0 ? 1 : period;
}

}  // namespace

std::string_view pod_node_name(const api::Object& pod) { return Pod::of(pod).spec().node_name(); }

constinit const Strategy kPodStrategy{.has_status = true,
                                      .generation = Strategy::Generation::kSpec,
                                      .returns_deleted = true,
                                      .graceful = true,
                                      .prepare_create = &prepare_create,
                                      .prepare_status_update = &prepare_status_update,
                                      .grace_period = &grace_period};

}  // namespace keelson::apiserver
