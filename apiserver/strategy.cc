#include "apiserver/strategy.h"

#include "api/gen/coordination_v1.h"
#include "apiserver/object_meta.h"

namespace keelson::apiserver {
namespace {

using Generation = Strategy::Generation;
using Gc = Strategy::Gc;

constexpr Strategy kPlain{};
constexpr Strategy kWithStatus{.has_status = true};
void keep_labels(api::Object& updated, const api::Object& old) {
  auto meta = updated.mutable_meta();
  if (old.meta().has_labels()) meta.set_labels(old.meta().labels());
  else meta.clear_labels();
}

// Coordinated leader election is off: its fields are not taken on.
void prepare_lease(api::Object& object) {
  auto spec = api::coordination_v1::LeaseMut::of(object).mutable_spec();
  spec.clear_strategy();
  spec.clear_preferred_holder();
}
void prepare_lease_update(api::Object& updated, const api::Object& old) {
  auto spec = api::coordination_v1::LeaseMut::of(updated).mutable_spec();
  auto before = api::coordination_v1::Lease::of(old).spec();
  if (!before.has_strategy()) spec.clear_strategy();
  if (!before.has_preferred_holder()) spec.clear_preferred_holder();
}

constexpr Strategy kDeployment{
    .has_status = true, .generation = Generation::kSpecOrAnnotations, .prepare_status_update = &keep_labels};
constexpr Strategy kReplicaSet{.has_status = true, .generation = Generation::kSpec};
constexpr Strategy kReplicationController{.has_status = true, .generation = Generation::kSpec, .gc = Gc::kOrphan};
constexpr Strategy kEvent{.create_on_update = true, .gc = Gc::kUnsupported, .ttl_s = 3600};
constexpr Strategy kEndpoints{.create_on_update = true};
constexpr Strategy kEndpointSlice{.generation = Generation::kAllButMetadata};
constexpr Strategy kLease{.unconditional_update = false,
                          .create_on_update = true,
                          .prepare_create = &prepare_lease,
                          .prepare_update = &prepare_lease_update};
constexpr Strategy kPriorityClass{.generation = Generation::kAllButMetadata};
constexpr Strategy kPodTemplate{.generation = Generation::kAllButMetadata, .returns_deleted = true};

struct Entry {
  std::string_view group, kind;
  const Strategy* strategy;
};
constexpr Entry kTable[] = {
    {"", "Pod", &kPodStrategy},
    {"", "Service", &kServiceStrategy},
    {"", "Namespace", &kNamespaceStrategy},
    {"", "Node", &kNodeStrategy},
    {"", "Secret", &kSecretStrategy},
    {"", "ServiceAccount", &kServiceAccountStrategy},
    {"", "Endpoints", &kEndpoints},
    {"", "Event", &kEvent},
    {"events.k8s.io", "Event", &kEvent},
    {"", "ReplicationController", &kReplicationController},
    {"", "PodTemplate", &kPodTemplate},
    {"apps", "Deployment", &kDeployment},
    {"apps", "ReplicaSet", &kReplicaSet},
    {"discovery.k8s.io", "EndpointSlice", &kEndpointSlice},
    {"coordination.k8s.io", "Lease", &kLease},
    {"networking.k8s.io", "ServiceCIDR", &kWithStatus},
    {"scheduling.k8s.io", "PriorityClass", &kPriorityClass},
};

bool content_changed(Generation rule, const api::Object& a, const api::Object& b) {
  switch (rule) {
    case Generation::kNone: return false;
    case Generation::kSpec: return !equal_top(a, b, "spec");
    case Generation::kSpecOrAnnotations:
      return !equal_top(a, b, "spec") ||
             !api::equal(*a.meta().struct_type().find("annotations"), a.meta().find("annotations"), b.meta().find("annotations"));
    case Generation::kAllButMetadata: break;
  }
  for (const auto& field : a.type().fields) {
    if (field.type_meta || field.name == "metadata") continue;
    if (!api::equal(field, a.root().slot(field), b.root().slot(field))) return true;
  }
  return !api::equal(*a.meta().struct_type().find("labels"), a.meta().find("labels"), b.meta().find("labels"));
}

}  // namespace

const Strategy& strategy_of(const api::KindInfo& kind) {
  for (const Entry& e : kTable)
    if (e.kind == kind.kind && e.group == kind.group) return *e.strategy;
  return kPlain;
}

void reset_untouchable(const Strategy& s, api::Object& object, const api::Object* old, bool status_only) {
  if (!s.has_status) return;
  if (!status_only) {
    if (old) copy_top(object, *old, "status");
    else if (!s.keeps_status_on_create) clear_top(object, "status");
  } else if (old) {
    copy_top(object, *old, "spec");
  }
}

void run_prepare_create(const Strategy& s, api::Object& object) {
  if (s.has_status && !s.keeps_status_on_create) clear_top(object, "status");
  if (s.generation != Generation::kNone) object.mutable_meta().set_generation(1);
  if (s.prepare_create) s.prepare_create(object);
}

void run_prepare_update(const Strategy& s, api::Object& updated, const api::Object& old) {
  if (s.has_status) copy_top(updated, old, "status");
  if (s.prepare_update) s.prepare_update(updated, old);
  if (content_changed(s.generation, updated, old))
    updated.mutable_meta().set_generation(old.meta().generation() + 1);
}

void run_prepare_status_update(const Strategy& s, api::Object& updated, const api::Object& old) {
  copy_top(updated, old, "spec");
  if (s.prepare_status_update) s.prepare_status_update(updated, old);
}

}  // namespace keelson::apiserver
