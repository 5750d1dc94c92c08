// Status of ReplicaSets and ReplicationControllers: counting pods, and writing what changed.
#include "api/gen/apps_v1.h"
#include "controllers/replica_controller.h"

namespace keelson::controllers {

namespace apps = api::apps_v1;

ReplicaStatus count_pods(const ReplicaSpec& spec, const std::vector<api::ObjectPtr>& pods, WallTime now) {
  ReplicaStatus out;
  for (const auto& object : pods) {
    const auto pod = core::Pod::of(*object);
    if (is_terminal(pod)) continue;
    if (is_terminating(pod)) {
      ++out.terminating;
      continue;
    }
    ++out.replicas;
    bool labeled = true;
    for (auto [key, value] : spec.pod_template.metadata().labels()) {
      const auto have = pod.metadata().labels().find(key);
      labeled = labeled && have && *have == value;
    }
    if (labeled) ++out.fully_labeled;
    if (!is_ready(pod)) continue;
    ++out.ready;
    if (is_available(pod, spec.min_ready_seconds, now)) ++out.available;
  }
  return out;
}

namespace {

template <class Status>
bool has_failure(Status status) {
  for (auto c : status.conditions()) {
    if (c.type() == "ReplicaFailure") return true;
  }
  return false;
}

// The failure condition is set once and stays as it was set until it is over.
template <class Status>
bool same(Status have, const ReplicaStatus& want, std::int64_t generation) {
  return have.replicas() == want.replicas && have.fully_labeled_replicas() == want.fully_labeled &&
         have.ready_replicas() == want.ready && have.available_replicas() == want.available &&
         have.observed_generation() == generation && has_failure(have) == !want.failure_reason.empty();
}

template <class StatusMut>
void put(StatusMut status, const ReplicaStatus& want, std::int64_t generation, api::Time now) {
  status.set_replicas(static_cast<std::int32_t>(want.replicas));
  status.set_fully_labeled_replicas(static_cast<std::int32_t>(want.fully_labeled));
  status.set_ready_replicas(static_cast<std::int32_t>(want.ready));
  status.set_available_replicas(static_cast<std::int32_t>(want.available));
  status.set_observed_generation(generation);
  const bool had = has_failure(status.view());
  if (want.failure_reason.empty() && had) {
    auto conditions = status.mutable_conditions();
    for (std::size_t i = conditions.size(); i-- > 0;) {
      if (conditions[i].type() == "ReplicaFailure") conditions.erase(i);
    }
    if (conditions.size() == 0) status.clear_conditions();
  } else if (!want.failure_reason.empty() && !had) {
    auto c = status.add_conditions();
    c.set_type("ReplicaFailure");
    c.set_status("True");
    c.set_last_transition_time(now);
    c.set_reason(want.failure_reason);
    c.set_message(want.failure_message);
  }
}

}  // namespace

api::ObjectPtr with_status(const api::Object& object, const ReplicaStatus& status, api::Time now) {
  const std::int64_t generation = object.meta().generation();
  if (&object.type() == &apps::ReplicaSet::type_info()) {
    const auto have = apps::ReplicaSet::of(object).status();
    if (same(have, status, generation) && have.has_terminating_replicas() &&
        have.terminating_replicas() == status.terminating) {
      return nullptr;
    }
    auto copy = object.clone();
    auto rs = apps::ReplicaSetMut::of(*copy);
    put(rs.mutable_status(), status, generation, now);
    rs.mutable_status().set_terminating_replicas(static_cast<std::int32_t>(status.terminating));
    return api::freeze(std::move(copy));
  }
  if (same(core::ReplicationController::of(object).status(), status, generation)) return nullptr;
  auto copy = object.clone();
  put(core::ReplicationControllerMut::of(*copy).mutable_status(), status, generation, now);
  return api::freeze(std::move(copy));
}

ReplicaSpec replica_spec(api::ObjectPtr object) {
  ReplicaSpec out;
  if (&object->type() == &apps::ReplicaSet::type_info()) {
    const auto rs = apps::ReplicaSet::of(*object);
    out.replicas = rs.spec().replicas_or(1);
    out.min_ready_seconds = rs.spec().min_ready_seconds();
    out.ready_replicas = rs.status().ready_replicas();
    out.selector = Selector::from(rs.spec().selector());
    out.pod_template = rs.spec().template_();
  } else {
    const auto rc = core::ReplicationController::of(*object);
    out.replicas = rc.spec().replicas_or(1);
    out.min_ready_seconds = rc.spec().min_ready_seconds();
    out.ready_replicas = rc.status().ready_replicas();
    out.selector = Selector::from(rc.spec().selector());
    out.pod_template = rc.spec().template_();
  }
  out.object = std::move(object);
  return out;
}

}  // namespace keelson::controllers
