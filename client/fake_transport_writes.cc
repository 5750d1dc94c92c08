// What a FakeTransport does with writes.
#include <algorithm>
#include <boost/json/parse.hpp>

#include "api/gen/core_v1.h"
#include "api/json_value.h"
#include "api/patch/json_patch.h"
#include "api/patch/merge_patch.h"
#include "api/patch/strategic_patch.h"
#include "api/status.h"
#include "client/fake_filter.h"
#include "client/fake_transport.h"

namespace keelson::client {

namespace core = api::core_v1;

namespace {

// Copies one field of the root (by JSON name) from one object to another of the same type.
void copy_field(api::Object& to, const api::Object& from, std::string_view name) {
  const api::Field* field = to.type().find(name);
  if (field == nullptr) return;
  to.root().slot_mut(field->index) = api::copy_value(to.arena(), from.root().slot(*field));
}

bool same_field(const api::Object& a, const api::Object& b, std::string_view name) {
  const api::Field* field = a.type().find(name);
  return field == nullptr || api::equal(*field, a.root().slot(*field), b.root().slot(*field));
}

Error namespace_terminating(const api::KindInfo& kind, const std::string& ns, std::string_view name) {
  Error e =
      api::forbidden(api::resource_of(kind), name,
                     "unable to create new content in namespace " + ns + " because it is being terminated");
  auto detail = std::make_shared<api::StatusDetail>(*api::status_detail(e));
  detail->causes.push_back(
      {"NamespaceTerminating", "namespace " + ns + " is being terminated", "metadata.namespace"});
  e.detail = std::move(detail);
  return e;
}

}  // namespace

Result<api::ObjectPtr> FakeTransport::create_locked(const api::KindInfo& kind, const std::string& ns,
                                                    const api::Object& object) {
  if (kind.namespaced && kind.kind != "Event") {
    auto home = find_locked(core::Namespace::kind_info(), "", ns);
    if (home && home->meta().has_deletion_timestamp())
      return fail(namespace_terminating(kind, ns, object.name()));
  }
  auto copy = object.clone();
  auto metadata = copy->mutable_meta();
  if (kind.namespaced) metadata.set_namespace(ns);
  if (copy->name().empty()) {
    metadata.set_name(std::string(copy->meta().generate_name()) + rng_.name_suffix(5));
  }
  if (find_locked(kind, ns, copy->name()))
    return fail(api::already_exists(api::resource_of(kind), copy->name()));
  if (copy->uid().empty()) metadata.set_uid(rng_.uuid());
  if (copy->meta().creation_timestamp().is_zero()) {
    metadata.set_creation_timestamp(
        {std::chrono::floor<std::chrono::seconds>(clock_.wall()).time_since_epoch().count(), 0});
  }
  if (kind.type->find("spec") != nullptr) metadata.set_generation(1);
  if (&kind == &core::Namespace::kind_info()) {
    auto n = core::NamespaceMut::of(*copy);
    if (n.view().spec().finalizers().empty()) n.mutable_spec().add_finalizers("kubernetes");
    if (n.view().status().phase().empty()) n.mutable_status().set_phase("Active");
  }
  if (&kind == &core::Pod::kind_info() && core::Pod::of(*copy).status().phase().empty()) {
    core::PodMut::of(*copy).mutable_status().set_phase("Pending");
  }
  return store_locked(kind, std::move(copy), true);
}

Result<api::ObjectPtr> FakeTransport::bind_locked(const api::Object& object, const std::string& ns) {
  const auto binding = core::Binding::of(object);
  auto pod = find_locked(core::Pod::kind_info(), ns, object.name());
  if (!pod) return fail(api::not_found({"", "pods"}, object.name()));
  auto copy = pod->clone();
  auto p = core::PodMut::of(*copy);
  if (!p.view().spec().node_name().empty())
    return fail(api::conflict({"", "pods/binding"}, object.name(), "already assigned"));
  p.mutable_spec().set_node_name(binding.target().name());
  auto condition = p.mutable_status().add_conditions();
  condition.set_type("PodScheduled");
  condition.set_status("True");
  return store_locked(core::Pod::kind_info(), std::move(copy), false);
}

Task<Result<api::ObjectPtr>> FakeTransport::create(const api::KindInfo& kind, std::string ns,
                                                   api::ObjectPtr object, WriteOptions options) {
  if (auto e =
          fault({"create", std::string(kind.kind), options.subresource, ns, std::string(object->name())})) {
    co_return fail(*e);
  }
  std::lock_guard lock(mu_);
  if (options.subresource == "binding") co_return bind_locked(*object, ns);
  if (!options.subresource.empty())
    co_return fail(Code::kUnimplemented, "not in the fake: " + options.subresource);
  co_return create_locked(kind, ns, *object);
}

Result<api::ObjectPtr> FakeTransport::write_locked(const api::KindInfo& kind, const api::Object& current,
                                                   std::unique_ptr<api::Object> next,
                                                   const std::string& subresource) {
  if (!subresource.empty()) {
    // Status and finalize change their part, and annotations.
    auto merged = current.clone();
    copy_field(*merged, *next, subresource == "finalize" ? "spec" : "status");
    if (next->meta().has_annotations()) merged->mutable_meta().set_annotations(next->meta().annotations());
    next = std::move(merged);
  } else if (kind.subresource("status") != nullptr) {
    copy_field(*next, current, "status");
  }
  auto metadata = next->mutable_meta();
  metadata.set_uid(current.uid());
  metadata.set_namespace(current.namespace_());
  metadata.set_name(current.name());
  metadata.set_creation_timestamp(current.meta().creation_timestamp());
  if (current.meta().has_deletion_timestamp()) {
    metadata.set_deletion_timestamp(current.meta().deletion_timestamp());
  }
  metadata.set_resource_version(current.resource_version());
  if (!same_field(current, *next, "spec") && subresource != "finalize") {
    metadata.set_generation(current.meta().generation() + 1);
  } else {
    metadata.set_generation(current.meta().generation());
  }
  const bool is_namespace = &kind == &core::Namespace::kind_info();
  const bool kept =
      !next->meta().finalizers().empty() ||
      (is_namespace && !core::Namespace::of(*next).spec().finalizers().empty()) ||
      (&kind == &core::Pod::kind_info() && next->meta().deletion_grace_period_seconds_or(0) > 0);
  if (next->meta().has_deletion_timestamp() && !kept) {
    erase_locked(kind, *next);
    return api::freeze(std::move(next));
  }
  if (api::equal(current.root(), next->root()))
    return find_locked(kind, current.namespace_(), current.name());
  return store_locked(kind, std::move(next), false);
}

Task<Result<api::ObjectPtr>> FakeTransport::update(const api::KindInfo& kind, std::string ns,
                                                   api::ObjectPtr object, WriteOptions options) {
  const std::string name(object->name());
  if (auto e = fault({"update", std::string(kind.kind), options.subresource, ns, name})) co_return fail(*e);
  std::lock_guard lock(mu_);
  auto current = find_locked(kind, ns, name);
  if (!current) co_return fail(api::not_found(api::resource_of(kind), name));
  if (!object->resource_version().empty() && object->resource_version() != current->resource_version()) {
    co_return fail(
        api::conflict(api::resource_of(kind), name,
                      "the object has been modified; please apply your changes to the latest version and "
                      "try again"));
  }
  co_return write_locked(kind, *current, object->clone(), options.subresource);
}

Task<Result<api::ObjectPtr>> FakeTransport::patch(const api::KindInfo& kind, std::string ns, std::string name,
                                                  PatchType type, std::string body, WriteOptions options) {
  if (auto e = fault({"patch", std::string(kind.kind), options.subresource, ns, name})) co_return fail(*e);
  std::lock_guard lock(mu_);
  auto current = find_locked(kind, ns, name);
  if (!current) co_return fail(api::not_found(api::resource_of(kind), name));
  boost::json::value doc = api::to_json_value(*current);
  boost::json::value change = CO_TRY(api::parse_json_value(body));
  switch (type) {
    case PatchType::kJson:
      CO_TRY(api::apply_json_patch(change, doc));
      break;
    case PatchType::kMerge:
      api::apply_merge_patch(std::move(change), doc);
      break;
    case PatchType::kStrategicMerge:
      CO_TRY(api::apply_strategic_patch(doc.as_object(), std::move(change.as_object()), *kind.type));
      break;
    case PatchType::kApply:
      co_return fail(Code::kUnimplemented, "apply is not in the fake");
  }
  auto next = CO_TRY(api::from_json_value(doc, kind));
  if (next.object->uid() != current->uid()) {
    co_return fail(api::conflict(api::resource_of(kind), name, "Precondition failed: UID in precondition"));
  }
  if (next.object->resource_version() != current->resource_version()) {
    co_return fail(api::conflict(api::resource_of(kind), name, "the object has been modified"));
  }
  co_return write_locked(kind, *current, std::move(next.object), options.subresource);
}

Result<api::ObjectPtr> FakeTransport::remove_locked(const api::KindInfo& kind, const api::Object& current,
                                                    const DeleteOptions& options) {
  if (!options.precondition_uid.empty() && options.precondition_uid != current.uid()) {
    return fail(
        api::conflict(api::resource_of(kind), current.name(), "Precondition failed: UID in precondition"));
  }
  if (!options.precondition_resource_version.empty() &&
      options.precondition_resource_version != current.resource_version()) {
    return fail(
        api::conflict(api::resource_of(kind), current.name(), "Precondition failed: ResourceVersion"));
  }
  auto next = current.clone();
  auto metadata = next->mutable_meta();
  std::int64_t grace = 0;
  if (&kind == &core::Pod::kind_info()) {
    const auto pod = core::Pod::of(current);
    grace = options.grace_period_s.value_or(pod.spec().termination_grace_period_seconds_or(30));
    if (pod.spec().node_name().empty() || pod.status().phase() == "Failed" ||
        pod.status().phase() == "Succeeded") {
      grace = 0;
    }
  }
  if (options.propagation_policy == "Orphan" && !next->meta().finalizers().contains("orphan")) {
    metadata.add_finalizers("orphan");
  }
  if (options.propagation_policy == "Foreground" &&
      !next->meta().finalizers().contains("foregroundDeletion")) {
    metadata.add_finalizers("foregroundDeletion");
  }
  const bool is_namespace = &kind == &core::Namespace::kind_info();
  const bool kept = !next->meta().finalizers().empty() || grace > 0 ||
                    (is_namespace && !core::Namespace::of(*next).spec().finalizers().empty());
  if (!kept) {
    erase_locked(kind, current);
    return api::freeze(std::move(next));
  }
  const std::int64_t now = std::chrono::floor<std::chrono::seconds>(clock_.wall()).time_since_epoch().count();
  if (!next->meta().has_deletion_timestamp()) {
    metadata.set_deletion_timestamp({now + grace, 0});
    if (!is_namespace) metadata.set_deletion_grace_period_seconds(grace);
  }
  if (is_namespace) core::NamespaceMut::of(*next).mutable_status().set_phase("Terminating");
  if (api::equal(current.root(), next->root()))
    return find_locked(kind, current.namespace_(), current.name());
  return store_locked(kind, std::move(next), false);
}

Task<Result<api::ObjectPtr>> FakeTransport::remove(const api::KindInfo& kind, std::string ns,
                                                   std::string name, DeleteOptions options) {
  if (auto e = fault({"delete", std::string(kind.kind), "", ns, name})) co_return fail(*e);
  std::lock_guard lock(mu_);
  auto current = find_locked(kind, ns, name);
  if (!current) co_return fail(api::not_found(api::resource_of(kind), name));
  co_return remove_locked(kind, *current, options);
}

Task<Result<void>> FakeTransport::delete_collection(const api::KindInfo& kind, std::string ns,
                                                    DeleteOptions options, ListOptions which) {
  if (auto e = fault({"deletecollection", std::string(kind.kind), "", ns, ""})) co_return fail(*e);
  FakeFilter filter = CO_TRY(FakeFilter::make(ns, which));
  std::lock_guard lock(mu_);
  std::vector<api::ObjectPtr> doomed;
  for (const auto& [key, object] : objects_[&kind]) {
    if (filter.matches(*object)) doomed.push_back(object);
  }
  for (const auto& object : doomed) CO_TRY(remove_locked(kind, *object, options));
  co_return Result<void>{};
}

}  // namespace keelson::client
