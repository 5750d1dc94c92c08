#include "apiserver/validation_hooks.h"

#include "api/defaults.h"
#include "api/gen/core_v1.h"
#include "api/validation.h"

namespace keelson::apiserver {
namespace {

std::string_view subresource_of(UpdateScope scope) {
  switch (scope) {
    case UpdateScope::kStatus: return "status";
    case UpdateScope::kFinalize: return "finalize";
    case UpdateScope::kEphemeralContainers: return "ephemeralcontainers";
    case UpdateScope::kResize: return "resize";
    case UpdateScope::kBinding: return "binding";
    case UpdateScope::kMain: break;
  }
  return "";
}

void append(std::vector<std::string>& out, std::vector<std::string> more) {
  out.insert(out.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
}

}  // namespace

namespace {

// What upstream's conversion to its internal version does to what a client wrote.
void convert(api::Object& object) {
  const std::string_view kind = object.kind()->kind;
  if (kind == "Node") {
    auto spec = api::core_v1::NodeMut::of(object).mutable_spec();
    if (!spec.view().pod_cidr().empty() && spec.view().pod_cidrs().empty()) spec.add_pod_cidrs(spec.view().pod_cidr());
  } else if (kind == "Secret") {
    auto secret = api::core_v1::SecretMut::of(object);
    for (auto [key, value] : secret.view().string_data()) secret.mutable_data().set(key, value);
    secret.clear_string_data();
  } else if (kind == "Pod") {
    auto spec = api::core_v1::PodMut::of(object).mutable_spec();
    if (spec.view().termination_grace_period_seconds() < 0) spec.set_termination_grace_period_seconds(1);
  }
}

}  // namespace

void apply_defaults(api::Object& object) {
  if (object.kind()->group.empty()) convert(object);
  api::default_object(object);
}

api::field::ErrorList validate_create(const api::KindInfo&, const api::Object& object) {
  return api::validate_create(object);
}

api::field::ErrorList validate_update(const api::KindInfo&, const api::Object& updated, const api::Object& old,
                                      UpdateScope scope) {
  auto causes = api::validate_update(updated, old, subresource_of(scope));
  if (scope == UpdateScope::kStatus && updated.kind()->kind == "Namespace") {
    auto ns = api::core_v1::Namespace::of(updated);
    const bool dying = ns.metadata().has_deletion_timestamp();
    const api::field::Path phase = api::field::Path("status").child("Phase");
    if (!dying && ns.status().phase() != "Active")
      causes.push_back(api::field::invalid(phase, ns.status().phase(), "may only be 'Active' if `deletionTimestamp` is empty"));
    if (dying && ns.status().phase() != "Terminating")
      causes.push_back(api::field::invalid(phase, ns.status().phase(), "may only be 'Terminating' if `deletionTimestamp` is not empty"));
  }
  return causes;
}

void add_create_warnings(const api::Object& object, std::vector<std::string>& out) {
  append(out, api::write_warnings(object, nullptr));
}

void add_update_warnings(const api::Object& updated, const api::Object& old, std::vector<std::string>& out) {
  append(out, api::write_warnings(updated, &old));
}

}  // namespace keelson::apiserver
