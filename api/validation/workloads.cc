#include <charconv>

#include "api/gen/apps_v1.h"
#include "api/gen/core_v1.h"
#include "api/validation/kinds.h"

namespace keelson::api::validation {
namespace {

namespace core = core_v1;
namespace apps = apps_v1;

const Path kSpec("spec");

// The template rules that all long-running workloads share; `kind` stands in one message.
void workload_template(ErrorList& errors, core::PodTemplateSpec t, const Path& path, std::string_view kind) {
  pod_template_spec(errors, t, path);
  const auto spec = t.spec();
  if (!spec.restart_policy().empty() && spec.restart_policy() != "Always") {
    one_of(errors, path.child("spec").child("restartPolicy"), spec.restart_policy(), {"Always"});
  }
  if (spec.has_active_deadline_seconds()) {
    errors.push_back(field::forbidden(path.child("spec").child("activeDeadlineSeconds"),
                                      "activeDeadlineSeconds in " + std::string(kind) + " is not Supported"));
  }
}

void selector_and_template(ErrorList& errors, meta_v1::LabelSelector selector, core::PodTemplateSpec t) {
  if (!selector) {
    errors.push_back(field::required(kSpec.child("selector"), ""));
  } else {
    label_selector(errors, selector, kSpec.child("selector"));
    if (selector.match_labels().empty() && selector.match_expressions().empty()) {
      errors.push_back(field::invalid(kSpec.child("selector"), json_value(selector), "empty selector is invalid for deployment"));
    }
  }
  (void)t;
}

void template_matches(ErrorList& errors, meta_v1::LabelSelector selector, core::PodTemplateSpec t) {
  if (selector && !selector_is_valid(selector)) {
    errors.push_back(field::invalid(kSpec.child("selector"), json_value(selector), "invalid label selector"));
    return;
  }
  const bool selects = selector && !(selector.match_labels().empty() && selector.match_expressions().empty());
  if (selector && !selects) return;
  if (selects && selector_matches(selector, t.metadata().labels())) return;
  errors.push_back(field::invalid(kSpec.child("template").child("metadata").child("labels"), json_value(t.metadata().labels()),
                                  "`selector` does not match template `labels`"));
}

std::optional<int> percent_of(IntOrString v) {
  if (v.is_int || !percent(v.text).empty()) return std::nullopt;
  int n = 0;
  std::from_chars(v.text.data(), v.text.data() + v.text.size() - 1, n);
  return n;
}

int int_or_percent(IntOrString v) { return v.is_int ? v.number : percent_of(v).value_or(0); }

void int_or_percent_rules(ErrorList& errors, const Path& path, IntOrString v) {
  if (v.is_int) {
    non_negative(errors, path, v.number);
  } else {
    add_invalid(errors, path, v.text, percent(v.text));
  }
}

void at_most_100_percent(ErrorList& errors, const Path& path, IntOrString v) {
  const auto n = percent_of(v);
  if (n && *n > 100) errors.push_back(field::invalid(path, v.text, "must not be greater than 100%"));
}

void strategy(ErrorList& errors, apps::DeploymentStrategy s) {
  const auto path = kSpec.child("strategy");
  if (s.type() == "Recreate") {
    if (s.has_rolling_update()) {
      errors.push_back(field::forbidden(path.child("rollingUpdate"), "may not be specified when strategy `type` is 'Recreate'"));
    }
    return;
  }
  if (s.type() != "RollingUpdate") {
    std::string shown = "{\"Type\":" + field::go_quote(s.type()) + ",\"RollingUpdate\":";
    shown += s.has_rolling_update() ? json_value(s.rolling_update()).text() : "null";
    static constexpr std::string_view kTypes[] = {"Recreate", "RollingUpdate"};
    errors.push_back(field::not_supported(path, field::BadValue::raw(shown + "}"), kTypes));
    return;
  }
  const auto at = path.child("rollingUpdate");
  if (!s.has_rolling_update()) {
    errors.push_back(field::required(at, "this should be defaulted and never be nil"));
    return;
  }
  const auto surge = s.rolling_update().max_surge(), unavailable = s.rolling_update().max_unavailable();
  int_or_percent_rules(errors, at.child("maxUnavailable"), unavailable);
  int_or_percent_rules(errors, at.child("maxSurge"), surge);
  if (int_or_percent(unavailable) == 0 && int_or_percent(surge) == 0) {
    const auto value = unavailable.is_int ? field::BadValue(std::int64_t{unavailable.number}) : field::BadValue(unavailable.text);
    errors.push_back(field::invalid(at.child("maxUnavailable"), value, "may not be 0 when `maxSurge` is 0"));
  }
  at_most_100_percent(errors, at.child("maxUnavailable"), unavailable);
}

}  // namespace

void pod_template(ErrorList& errors, const Object& o) {
  pod_template_spec(errors, core::PodTemplate::of(o).template_(), Path("template"));
}

void replication_controller(ErrorList& errors, const Object& o) {
  const auto spec = core::ReplicationController::of(o).spec();
  non_negative(errors, kSpec.child("minReadySeconds"), spec.min_ready_seconds());
  if (spec.selector().empty()) errors.push_back(field::required(kSpec.child("selector"), ""));
  if (!spec.has_replicas()) {
    errors.push_back(field::required(kSpec.child("replicas"), ""));
  } else {
    non_negative(errors, kSpec.child("replicas"), spec.replicas());
  }
  const auto path = kSpec.child("template");
  if (!spec.has_template()) {
    errors.push_back(field::required(path, ""));
    return;
  }
  for (const auto& [key, value] : spec.selector()) {
    if (spec.template_().metadata().labels().find(key) != value) {
      errors.push_back(field::invalid(path.child("metadata").child("labels"), json_value(spec.template_().metadata().labels()),
                                      "`selector` does not match template `labels`"));
      break;
    }
  }
  workload_template(errors, spec.template_(), path, "ReplicationController");
}

void replica_set(ErrorList& errors, const Object& o) {
  const auto spec = apps::ReplicaSet::of(o).spec();
  non_negative(errors, kSpec.child("replicas"), spec.replicas());
  non_negative(errors, kSpec.child("minReadySeconds"), spec.min_ready_seconds());
  selector_and_template(errors, spec.selector(), spec.template_());
  template_matches(errors, spec.selector(), spec.template_());
  workload_template(errors, spec.template_(), kSpec.child("template"), "ReplicaSet");
}

void replica_set_update(ErrorList& errors, const Object& now, const Object& old) {
  replica_set(errors, now);
  immutable(errors, apps::ReplicaSet::of(now).spec().selector(), apps::ReplicaSet::of(old).spec().selector(), kSpec.child("selector"));
}

namespace {

// `name` counts replicas of which there cannot be more than `limit`.
void at_most(ErrorList& errors, const char* name, std::int32_t n, std::int32_t limit, const char* of_what) {
  if (n > limit) errors.push_back(field::invalid(Path("status").child(name), n, std::string("cannot be greater than ") + of_what));
}

}  // namespace

void replica_set_status_update(ErrorList& errors, const Object& now, const Object&) {
  const Path path("status");
  const auto s = apps::ReplicaSet::of(now).status();
  non_negative(errors, path.child("replicas"), s.replicas());
  non_negative(errors, path.child("fullyLabeledReplicas"), s.fully_labeled_replicas());
  non_negative(errors, path.child("readyReplicas"), s.ready_replicas());
  non_negative(errors, path.child("availableReplicas"), s.available_replicas());
  non_negative(errors, path.child("observedGeneration"), s.observed_generation());
  at_most(errors, "fullyLabeledReplicas", s.fully_labeled_replicas(), s.replicas(), "status.replicas");
  at_most(errors, "readyReplicas", s.ready_replicas(), s.replicas(), "status.replicas");
  at_most(errors, "availableReplicas", s.available_replicas(), s.replicas(), "status.replicas");
  at_most(errors, "availableReplicas", s.available_replicas(), s.ready_replicas(), "readyReplicas");
}

void deployment_status_update(ErrorList& errors, const Object& now, const Object& old) {
  const Path path("status");
  const auto s = apps::Deployment::of(now).status();
  non_negative(errors, path.child("observedGeneration"), s.observed_generation());
  non_negative(errors, path.child("replicas"), s.replicas());
  non_negative(errors, path.child("updatedReplicas"), s.updated_replicas());
  non_negative(errors, path.child("readyReplicas"), s.ready_replicas());
  non_negative(errors, path.child("availableReplicas"), s.available_replicas());
  non_negative(errors, path.child("unavailableReplicas"), s.unavailable_replicas());
  at_most(errors, "updatedReplicas", s.updated_replicas(), s.replicas(), "status.replicas");
  at_most(errors, "readyReplicas", s.ready_replicas(), s.replicas(), "status.replicas");
  at_most(errors, "availableReplicas", s.available_replicas(), s.replicas(), "status.replicas");
  at_most(errors, "availableReplicas", s.available_replicas(), s.ready_replicas(), "readyReplicas");
  const auto before = apps::Deployment::of(old).status();
  if (before.has_collision_count() && s.collision_count() < before.collision_count()) {
    errors.push_back(field::invalid(path.child("collisionCount"), s.collision_count(), "cannot be decremented"));
  }
}

void deployment(ErrorList& errors, const Object& o) {
  const auto spec = apps::Deployment::of(o).spec();
  non_negative(errors, kSpec.child("replicas"), spec.replicas());
  selector_and_template(errors, spec.selector(), spec.template_());
  template_matches(errors, spec.selector(), spec.template_());
  workload_template(errors, spec.template_(), kSpec.child("template"), "ReplicaSet");
  strategy(errors, spec.strategy());
  non_negative(errors, kSpec.child("minReadySeconds"), spec.min_ready_seconds());
  if (spec.has_revision_history_limit()) non_negative(errors, kSpec.child("revisionHistoryLimit"), spec.revision_history_limit());
  if (spec.has_progress_deadline_seconds()) {
    const auto path = kSpec.child("progressDeadlineSeconds");
    non_negative(errors, path, spec.progress_deadline_seconds());
    if (spec.progress_deadline_seconds() <= spec.min_ready_seconds()) {
      errors.push_back(field::invalid(path, spec.progress_deadline_seconds(), "must be greater than minReadySeconds"));
    }
  }
}

void deployment_update(ErrorList& errors, const Object& now, const Object& old) {
  deployment(errors, now);
  immutable(errors, apps::Deployment::of(now).spec().selector(), apps::Deployment::of(old).spec().selector(), kSpec.child("selector"));
}

}  // namespace keelson::api::validation
