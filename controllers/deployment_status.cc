#include "controllers/deployment_status.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

namespace keelson::controllers {

namespace {

constexpr std::int32_t kNoLimit = std::numeric_limits<std::int32_t>::max();

IntOrPercent int_or_percent(api::IntOrString v) {
  if (v.is_int) return {v.number, false};
  return parse_int_or_percent(v.text).value_or(IntOrPercent{});
}

}  // namespace

bool is_rolling_update(apps::Deployment deployment) {
  return deployment.spec().strategy().type() == "RollingUpdate";
}

DeploymentNumbers deployment_numbers(apps::Deployment deployment) {
  DeploymentNumbers out;
  out.desired = deployment.spec().replicas_or(1);
  out.status_replicas = deployment.status().replicas();
  if (is_rolling_update(deployment)) {
    const auto rolling = deployment.spec().strategy().rolling_update();
    out.bounds = resolve_bounds(int_or_percent(rolling.max_surge()),
                                int_or_percent(rolling.max_unavailable()), out.desired);
  }
  return out;
}

bool has_progress_deadline(apps::Deployment deployment) {
  return deployment.spec().has_progress_deadline_seconds() &&
         deployment.spec().progress_deadline_seconds() != kNoLimit;
}

bool has_history_limit(apps::Deployment deployment) {
  return deployment.spec().has_revision_history_limit() &&
         deployment.spec().revision_history_limit() != kNoLimit;
}

apps::DeploymentCondition deployment_condition(apps::DeploymentStatus status, std::string_view type) {
  for (apps::DeploymentCondition c : status.conditions()) {
    if (c.type() == type) return c;
  }
  return {};
}

void remove_condition(apps::DeploymentStatusMut status, std::string_view type) {
  if (!deployment_condition(status, type)) return;
  auto conditions = status.mutable_conditions();
  for (std::size_t i = conditions.size(); i-- > 0;) {
    if (conditions[i].type() == type) conditions.erase(i);
  }
}

void set_condition(apps::DeploymentStatusMut status, std::string_view type, std::string_view value,
                   std::string_view reason, std::string_view message, api::Time now) {
  const auto current = deployment_condition(status, type);
  if (current && current.status() == value && current.reason() == reason) return;
  const api::Time since = current && current.status() == value ? current.last_transition_time() : now;
  remove_condition(status, type);
  auto c = status.add_conditions();
  c.set_type(type);
  c.set_status(value);
  c.set_last_update_time(now);
  c.set_last_transition_time(since);
  c.set_reason(reason);
  c.set_message(message);
}

void put_counts(apps::Deployment deployment, const std::vector<api::ObjectPtr>& sets,
                const api::Object* new_set, apps::DeploymentStatusMut status, api::Time now) {
  std::int32_t wanted = 0, replicas = 0, ready = 0, available = 0, terminating = 0;
  for (const auto& object : sets) {
    const auto rs = apps::ReplicaSet::of(*object);
    wanted += rs.spec().replicas_or(1);
    replicas += rs.status().replicas();
    ready += rs.status().ready_replicas();
    available += rs.status().available_replicas();
    terminating += rs.status().terminating_replicas();
  }
  status.set_observed_generation(deployment.metadata().generation());
  status.set_replicas(replicas);
  status.set_updated_replicas(new_set != nullptr ? apps::ReplicaSet::of(*new_set).status().replicas() : 0);
  status.set_ready_replicas(ready);
  status.set_available_replicas(available);
  status.set_unavailable_replicas(std::max(0, wanted - available));
  status.set_terminating_replicas(terminating);
  const auto numbers = deployment_numbers(deployment);
  if (available >= numbers.desired - effective_max_unavailable(numbers)) {
    set_condition(status, "Available", "True", "MinimumReplicasAvailable",
                  "Deployment has minimum availability.", now);
  } else {
    set_condition(status, "Available", "False", "MinimumReplicasUnavailable",
                  "Deployment does not have minimum availability.", now);
  }
}

bool is_complete(apps::Deployment deployment, apps::DeploymentStatus status) {
  const std::int32_t desired = deployment.spec().replicas_or(1);
  return status.updated_replicas() == desired && status.replicas() == desired &&
         status.available_replicas() == desired &&
         status.observed_generation() >= deployment.metadata().generation();
}

namespace {

bool is_progressing(apps::DeploymentStatus old, apps::DeploymentStatus now) {
  return now.updated_replicas() > old.updated_replicas() ||
         now.replicas() - now.updated_replicas() < old.replicas() - old.updated_replicas() ||
         now.ready_replicas() > old.ready_replicas() || now.available_replicas() > old.available_replicas();
}

apps::ReplicaSetCondition failure_of(const api::Object& set) {
  for (apps::ReplicaSetCondition c : apps::ReplicaSet::of(set).status().conditions()) {
    if (c.type() == "ReplicaFailure") return c;
  }
  return {};
}

void put_failure(const std::vector<api::ObjectPtr>& sets, const api::Object* new_set,
                 apps::DeploymentStatusMut status, api::Time now) {
  apps::ReplicaSetCondition failure;
  if (new_set != nullptr) failure = failure_of(*new_set);
  for (const auto& set : sets) {
    if (!failure) failure = failure_of(*set);
  }
  if (!failure) {
    remove_condition(status, "ReplicaFailure");
    return;
  }
  set_condition(status, "ReplicaFailure", failure.status(), failure.reason(), failure.message(),
                failure.last_transition_time());
}

}  // namespace

bool has_timed_out(apps::Deployment deployment, apps::DeploymentStatus status, api::Time now) {
  if (!has_progress_deadline(deployment)) return false;
  const auto c = deployment_condition(status, "Progressing");
  if (!c || c.reason() == "NewReplicaSetAvailable") return false;
  if (c.reason() == "ProgressDeadlineExceeded") return true;
  return c.last_update_time().seconds + deployment.spec().progress_deadline_seconds() < now.seconds;
}

void put_progress(apps::Deployment deployment, const std::vector<api::ObjectPtr>& sets,
                  const api::Object* new_set, apps::DeploymentStatusMut status, api::Time now) {
  if (!has_progress_deadline(deployment)) remove_condition(status, "Progressing");
  const auto current = deployment_condition(deployment.status(), "Progressing");
  const bool was_complete = status.view().replicas() == status.view().updated_replicas() && current &&
                            current.reason() == "NewReplicaSetAvailable";
  if (has_progress_deadline(deployment) && !was_complete) {
    const std::string who = new_set != nullptr
                                ? fmt::format("ReplicaSet \"{}\"", new_set->name())
                                : fmt::format("Deployment \"{}\"", deployment.metadata().name());
    if (is_complete(deployment, status)) {
      set_condition(status, "Progressing", "True", "NewReplicaSetAvailable",
                    who + " has successfully progressed.", now);
    } else if (is_progressing(deployment.status(), status)) {
      // Its update time moves with every step: the deadline counts from there.
      const api::Time since = current && current.status() == "True" ? current.last_transition_time() : now;
      remove_condition(status, "Progressing");
      set_condition(status, "Progressing", "True", "ReplicaSetUpdated", who + " is progressing.", now);
      auto conditions = status.mutable_conditions();
      conditions.at(conditions.size() - 1).set_last_transition_time(since);
    } else if (has_timed_out(deployment, status, now)) {
      set_condition(status, "Progressing", "False", "ProgressDeadlineExceeded",
                    who + " has timed out progressing.", now);
    }
  }
  put_failure(sets, new_set, status, now);
}

}  // namespace keelson::controllers
