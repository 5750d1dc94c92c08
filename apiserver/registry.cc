#include "apiserver/registry.h"

#include <fmt/format.h>

#include "api/managed_fields/managed_fields.h"
#include "apiserver/errors.h"
#include "apiserver/object_meta.h"
#include "apiserver/service_allocator.h"
#include "apiserver/validation_hooks.h"
#include "base/check.h"

namespace keelson::apiserver {
namespace {

constexpr int kNameAttempts = 8;       // of generateName
constexpr std::size_t kMaxBaseName = 58;  // 63 less the five generated characters

bool is_deleting(const api::Object& object) { return object.meta().has_deletion_timestamp(); }

// Whether an update that leaves no finalizers on a terminating object deletes it.
bool deletes_during_update(const Resource& resource, const api::Object& updated, const api::Object& existing) {
  auto now = updated.meta();
  if (!now.finalizers().empty() || !existing.meta().has_deletion_timestamp()) return false;
  if (now.has_deletion_grace_period_seconds() && now.deletion_grace_period_seconds() != 0) return false;
  if (resource.strategy->may_go && !resource.strategy->may_go(updated)) return false;
  return true;
}

// What upstream's rest.BeforeUpdate does to metadata before validation.
void keep_system_metadata(api::Object& updated, const api::Object& old) {
  auto meta = updated.mutable_meta();
  auto before = old.meta();
  if (meta.view().uid().empty()) meta.set_uid(before.uid());
  if (before.has_creation_timestamp()) meta.set_creation_timestamp(before.creation_timestamp());
  if (before.has_deletion_timestamp()) meta.set_deletion_timestamp(before.deletion_timestamp());
  if (before.has_deletion_grace_period_seconds() && !meta.view().has_deletion_grace_period_seconds())
    meta.set_deletion_grace_period_seconds(before.deletion_grace_period_seconds());
}

}  // namespace

Registry::Registry(Parts parts, Rng rng) : parts_(std::move(parts)), rng_(rng) {}

std::string Registry::new_uid() {
  std::lock_guard lock(rng_mu_);
  return rng_.uuid();
}

std::string Registry::name_suffix() {
  std::lock_guard lock(rng_mu_);
  return rng_.name_suffix(5);
}

Task<Result<void>> Registry::admit(const Resource& resource, std::string_view ns, std::string_view name,
                                   admission::Operation operation, api::Object* object, const api::Object* old,
                                   const UpdateOptions& options) {
  const admission::Chain* chain = parts_.admission ? parts_.admission() : nullptr;
  if (!chain || !options.admit) co_return Result<void>{};
  admission::Attributes a;
  a.user = options.user.get();
  a.operation = operation;
  a.kind = resource.kind;
  a.subresource = options.subresource;
  a.namespace_ = ns;
  a.name = name;
  a.object = object;
  a.old = old;
  a.dry_run = options.dry_run;
  a.warnings = options.warnings;
  co_return co_await chain->admit(a);
}

Task<Result<void>> Registry::validate_admission(const Resource& resource, std::string_view ns, std::string_view name,
                                                admission::Operation operation, api::Object* object,
                                                const api::Object* old, const UpdateOptions& options) {
  const admission::Chain* chain = parts_.admission ? parts_.admission() : nullptr;
  if (!chain || !options.admit) co_return Result<void>{};
  admission::Attributes a;
  a.user = options.user.get();
  a.operation = operation;
  a.kind = resource.kind;
  a.subresource = options.subresource;
  a.namespace_ = ns;
  a.name = name;
  a.object = object;
  a.old = old;
  a.dry_run = options.dry_run;
  a.warnings = options.warnings;
  co_return co_await chain->validate(a);
}

Task<Result<VersionPtr>> Registry::create(const Resource& resource, std::string ns, std::unique_ptr<api::Object> object,
                                          UpdateOptions options) {
  if (auto ok = co_await admit(resource, ns, object->name(), admission::Operation::kCreate, object.get(), nullptr, options);
      !ok)
    co_return std::unexpected(ok.error());
  const bool generate = object->name().empty() && !object->meta().generate_name().empty();
  if (!generate) co_return co_await create_once(resource, std::move(ns), std::move(object), options);
  for (int attempt = 1;; ++attempt) {
    auto copy = object->clone();
    std::string base(copy->meta().generate_name().substr(0, kMaxBaseName));
    copy->mutable_meta().set_name(base + name_suffix());
    auto made = co_await create_once(resource, ns, std::move(copy), options);
    if (made || made.error().code != Code::kAlreadyExists || attempt == kNameAttempts) co_return made;
  }
}

Task<Result<VersionPtr>> Registry::create_once(const Resource& resource, std::string ns,
                                               std::unique_ptr<api::Object> object, const UpdateOptions& options) {
  {
    auto meta = object->mutable_meta();
    meta.set_uid(new_uid());
    meta.set_creation_timestamp(to_api_time(parts_.clock->wall()));
  }
  ServiceAllocator::Transaction allocation;
  if (parts_.services && resource.kind->kind == "Service")
    allocation = CO_TRY(co_await parts_.services->begin_create(*object, options.dry_run));
  run_prepare_create(*resource.strategy, *object);
  auto causes = validate_create(*resource.kind, *object);
  if (!causes.empty()) co_return fail(errors::invalid(*resource.stored, object->name(), causes));
  if (options.warnings) add_create_warnings(*object, *options.warnings);
  if (resource.strategy->canonicalize) resource.strategy->canonicalize(*object);
  if (auto ok = co_await validate_admission(resource, ns, object->name(), admission::Operation::kCreate, object.get(),
                                            nullptr, options);
      !ok)
    co_return std::unexpected(ok.error());
  if (auto rv = parse_resource_version(object->resource_version()); rv && *rv != 0)
    co_return fail(errors::plain_internal("resourceVersion should not be set on objects to be created"));
  drop_empty_collections(*object);
  std::string name(object->name());
  if (options.dry_run) {
    auto existing = CO_TRY(co_await storage().get(resource, ns, name));
    if (existing) co_return fail(errors::already_exists(resource, name, is_deleting(*existing->object())));
    set_resource_version(*object, 0);
    co_return make_version(api::freeze(std::move(object)));
  }
  std::string key = resource.key(ns, name);
  if (resource.to_stored) object = resource.to_stored(*object, *resource.stored);
  auto outcome = co_await storage().create(resource, std::move(key), std::move(object), resource.strategy->ttl_s);
  if (!outcome) co_return fail(errors::from_store(outcome.error()));
  if (outcome->conflict())
    co_return fail(errors::already_exists(resource, name, outcome->current && is_deleting(*outcome->current->object())));
  co_await allocation.commit();
  if (!resource.from_stored) co_return outcome->written;
  co_return make_version(api::freeze(resource.from_stored(*outcome->written->object(), *resource.kind)),
                         outcome->written->revision());
}

Task<Result<Updated>> Registry::create_by_update(const Resource& resource, std::string ns, std::string name,
                                                 UpdateSource& source, const UpdateOptions& options) {
  auto object = CO_TRY(source.next(nullptr));
  if (auto ok = co_await admit(resource, ns, name, admission::Operation::kCreate, object.get(), nullptr, options); !ok)
    co_return std::unexpected(ok.error());
  auto made = CO_TRY(co_await create_once(resource, std::move(ns), std::move(object), options));
  co_return Updated{std::move(made), true};
}

Task<Result<Updated>> Registry::update(const Resource& resource, std::string ns, std::string name, UpdateSource& source,
                                       UpdateOptions options) {
  const Strategy& strategy = *resource.strategy;
  const std::string key = resource.key(ns, name);
  // The cache's version first, however old: a stale one fails the transaction, which hands back the present one.
  VersionPtr existing = resource.cache->get(resource.cache_key(ns, name));
  bool certain = false;
  if (!existing || !storage().fresh()) {
    existing = CO_TRY(co_await storage().get(resource, ns, name));
    certain = true;
  }
  for (;;) {
    if (!existing) {
      if (!strategy.create_on_update && !options.may_create) co_return fail(errors::not_found(resource, name));
      auto made = co_await create_by_update(resource, ns, name, source, options);
      if (made || made.error().code != Code::kAlreadyExists) co_return made;
      existing = CO_TRY(co_await storage().get_live(resource, key));
      continue;
    }
    VersionPtr served = existing;
    if (resource.from_stored)
      served = make_version(api::freeze(resource.from_stored(*existing->object(), *resource.kind)), existing->revision());
    const api::Object& old = *served->object();
    if (auto uid = source.uid(); !uid.empty() && uid != old.uid())
      co_return fail(errors::conflict(
          resource, name,
          fmt::format("StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: "
                      "Precondition failed: UID in precondition: {}, UID in object meta: {}",
                      key, uid, old.uid())));
    auto object = CO_TRY(source.next(&old));
    if (auto ok = co_await admit(resource, ns, name, admission::Operation::kUpdate, object.get(), &old, options); !ok)
      co_return std::unexpected(ok.error());
    auto wanted = parse_resource_version(object->resource_version());
    if (!wanted) co_return fail(errors::plain_internal(wanted.error().message));
    if (*wanted == 0 && !strategy.unconditional_update) {
      api::field::ErrorList causes;
      causes.push_back(api::field::invalid(api::field::Path("metadata").child("resourceVersion"), 0, "must be specified for an update"));
      co_return fail(errors::invalid(resource.kind->group, resource.kind->resource, name, causes));
    }
    if (*wanted != 0 && *wanted != existing->revision()) {
      if (!certain) {  // the cache may be behind what the client has seen
        existing = CO_TRY(co_await storage().get_live(resource, key));
        certain = true;
        continue;
      }
      co_return fail(errors::conflict(resource, name, errors::kModified));
    }
    set_resource_version(*object, existing->revision());

    ServiceAllocator::Transaction allocation;
    if (parts_.services && resource.kind->kind == "Service" && options.scope == UpdateScope::kMain)
      allocation = CO_TRY(co_await parts_.services->begin_update(*object, old, options.dry_run));
    object->mutable_meta().set_generation(old.meta().generation());
    switch (options.scope) {
      case UpdateScope::kStatus: run_prepare_status_update(strategy, *object, old); break;
      case UpdateScope::kFinalize: copy_top(*object, old, "status"); break;
      case UpdateScope::kBinding: break;
      default: run_prepare_update(strategy, *object, old);
    }
    keep_system_metadata(*object, old);
    auto causes = validate_update(*resource.kind, *object, old, options.scope);
    if (!causes.empty()) co_return fail(errors::invalid(*resource.stored, name, causes));
    if (options.warnings) add_update_warnings(*object, old, *options.warnings);
    if (strategy.canonicalize) strategy.canonicalize(*object);
    api::ignore_managed_times(old, *object);
    drop_empty_collections(*object);
    if (auto ok = co_await validate_admission(resource, ns, name, admission::Operation::kUpdate, object.get(), &old, options);
        !ok)
      co_return std::unexpected(ok.error());

    if (deletes_during_update(resource, *object, old)) {
      auto answer = make_version(api::freeze(std::move(object)), existing->revision());
      if (options.dry_run) co_return Updated{std::move(answer), false};
      auto outcome = co_await storage().remove(resource, key, existing);
      if (!outcome) co_return fail(errors::from_store(outcome.error()));
      if (outcome->conflict()) {
        existing = outcome->current;
        certain = true;
        if (!existing) co_return Updated{std::move(answer), false};
        continue;
      }
      if (parts_.services && resource.kind->kind == "Service") co_await parts_.services->release(*answer->object());
      co_return Updated{std::move(answer), false};
    }
    if (same_content(*object, old)) {
      // Nothing changes: the version stays, if it is still the present one.
      if (!certain) {
        auto live = CO_TRY(co_await storage().get_live(resource, key));
        certain = true;
        if (!live || live->revision() != existing->revision()) {
          existing = live;
          continue;
        }
      }
      co_return Updated{served, false};
    }
    if (options.dry_run) co_return Updated{make_version(api::freeze(std::move(object)), existing->revision()), false};

    if (resource.to_stored) object = resource.to_stored(*object, *resource.stored);
    auto outcome = co_await storage().update(resource, key, existing->revision(), std::move(object), strategy.ttl_s);
    if (!outcome) co_return fail(errors::from_store(outcome.error()));
    if (outcome->conflict()) {
      existing = outcome->current;
      certain = true;
      continue;
    }
    co_await allocation.commit();
    if (!resource.from_stored) co_return Updated{outcome->written, false};
    co_return Updated{make_version(api::freeze(resource.from_stored(*outcome->written->object(), *resource.kind)),
                                   outcome->written->revision()),
                      false};
  }
}

}  // namespace keelson::apiserver
