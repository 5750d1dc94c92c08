// Of a pod that exists only a few fields of its spec may change.
#include <algorithm>

#include "api/gen/core_v1.h"
#include "api/json.h"
#include "api/validation/kinds.h"
#include "api/validation/pod_diff.h"

namespace keelson::api::validation {
namespace {

namespace core = core_v1;

constexpr std::string_view kAllowed =
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

void only_added_tolerations(ErrorList& errors, core::PodSpec now, core::PodSpec old) {
  for (core::Toleration was : old.tolerations()) {
    bool kept = false;
    for (core::Toleration is : now.tolerations()) {
      kept |= is.key() == was.key() && is.operator_() == was.operator_() && is.value() == was.value() && is.effect() == was.effect();
    }
    if (!kept) {
      errors.push_back(field::forbidden(Path("spec").child("tolerations"), "existing toleration can not be modified except its tolerationSeconds"));
      return;
    }
  }
}

void active_deadline(ErrorList& errors, core::PodSpec now, core::PodSpec old) {
  const auto path = Path("spec").child("activeDeadlineSeconds");
  if (now.has_active_deadline_seconds()) {
    const auto v = now.active_deadline_seconds();
    if (v < 0 || v > 2147483647) {
      errors.push_back(field::invalid(path, v, "must be between 0 and 2147483647, inclusive"));
    } else if (old.has_active_deadline_seconds() && old.active_deadline_seconds() < v) {
      errors.push_back(field::invalid(path, v, "must be less than or equal to previous value"));
    }
  } else if (old.has_active_deadline_seconds()) {
    errors.push_back(field::invalid(path, field::BadValue::raw("null"), "must not update from a positive integer to nil value"));
  }
}

void images_only(ErrorList& errors, core::PodSpec now, const char* list) {
  std::size_t i = 0;
  const auto containers = std::string_view(list) == "containers" ? now.containers() : now.init_containers();
  for (core::Container c : containers) {
    if (c.image().empty()) {
      // A pod whose image is emptied would never start again.
      errors.push_back(field::required(Path("spec").child(list).index(i).child("image"), ""));
    }
    ++i;
  }
}

// `now` with everything that may change set back to `old`'s values.
std::unique_ptr<Object> normalised(const Object& now_o, core::PodSpec old) {
  auto copy = now_o.clone();
  auto spec = core::PodMut::of(*copy).mutable_spec();
  if (!spec.containers().empty()) {
    auto list = spec.mutable_containers();
    for (std::size_t i = 0; i < list.size(); ++i) list.at(i).set_image(old.containers()[i].image());
  }
  if (!spec.init_containers().empty()) {
    auto list = spec.mutable_init_containers();
    for (std::size_t i = 0; i < list.size(); ++i) list.at(i).set_image(old.init_containers()[i].image());
  }
  if (old.has_active_deadline_seconds()) {
    spec.set_active_deadline_seconds(old.active_deadline_seconds());
  } else {
    spec.clear_active_deadline_seconds();
  }
  if (old.tolerations().empty()) {
    spec.clear_tolerations();
  } else {
    spec.set_tolerations(old.tolerations());
  }
  if (old.termination_grace_period_seconds() < 0 && spec.termination_grace_period_seconds() == 1) {
    spec.set_termination_grace_period_seconds(old.termination_grace_period_seconds());
  }
  // A gated pod may lose gates and tighten where it may run; scheduling looks at the rest.
  if (!old.scheduling_gates().empty()) {
    spec.set_scheduling_gates(old.scheduling_gates());
    if (old.has_node_selector()) spec.set_node_selector(old.node_selector());
    else spec.clear_node_selector();
    if (old.has_affinity()) spec.set_affinity(old.affinity());
    else spec.clear_affinity();
  }
  // Deprecated alias, kept equal to serviceAccountName; not a field of its own upstream.
  if (old.has_service_account()) spec.set_service_account(old.service_account());
  else spec.clear_service_account();
  return copy;
}

void gates_only_removed(ErrorList& errors, core::PodSpec now, core::PodSpec old) {
  for (core::PodSchedulingGate g : now.scheduling_gates()) {
    bool had = false;
    for (core::PodSchedulingGate o : old.scheduling_gates()) had |= o.name() == g.name();
    if (!had) {
      errors.push_back(field::forbidden(Path("spec").child("schedulingGates").key(g.name()),
                                        "only deletion is allowed, but found new scheduling gate '" + std::string(g.name()) + "'"));
    }
  }
}

}  // namespace

void pod_update(ErrorList& errors, const Object& now_o, const Object& old_o) {
  const auto now = core::Pod::of(now_o).spec(), old = core::Pod::of(old_o).spec();
  const Path path("spec");
  if (now.containers().size() != old.containers().size()) {
    errors.push_back(field::forbidden(path.child("containers"), "pod updates may not add or remove containers"));
    return;
  }
  if (now.init_containers().size() != old.init_containers().size()) {
    errors.push_back(field::forbidden(path.child("initContainers"), "pod updates may not add or remove containers"));
    return;
  }
  pod_spec(errors, now, path, false);
  images_only(errors, now, "containers");
  active_deadline(errors, now, old);
  only_added_tolerations(errors, now, old);
  gates_only_removed(errors, now, old);
  const auto munged = normalised(now_o, old);
  const auto munged_spec = core::Pod::of(*munged).spec();
  if (!equal(munged_spec, old)) {
    errors.push_back(field::forbidden(path, std::string(kAllowed) + "\n" + pod_spec_diff(old, munged_spec)));
  }
}

void pod_status_update(ErrorList& errors, const Object& now_o, const Object& old_o) {
  const auto now = core::Pod::of(now_o).status(), old = core::Pod::of(old_o).status();
  const Path path("status");
  if (!now.nominated_node_name().empty()) {
    add_invalid(errors, path.child("nominatedNodeName"), now.nominated_node_name(), dns1123_subdomain(now.nominated_node_name()));
  }
  const auto terminated_stay = [&](auto now_list, auto old_list, const char* name) {
    if (core::Pod::of(now_o).spec().restart_policy() == "Always") return;
    std::size_t i = 0;
    for (core::ContainerStatus was : old_list) {
      const auto at = path.child(name).index(i++).child("state");
      if (!was.state().has_terminated()) continue;
      if (core::Pod::of(now_o).spec().restart_policy() == "OnFailure" && was.state().terminated().exit_code() != 0) continue;
      for (core::ContainerStatus is : now_list) {
        if (is.name() == was.name() && !is.state().has_terminated()) {
          errors.push_back(field::forbidden(at, "may not be transitioned to non-terminated state"));
        }
      }
    }
  };
  terminated_stay(now.container_statuses(), old.container_statuses(), "containerStatuses");
}

}  // namespace keelson::api::validation
