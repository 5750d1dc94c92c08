// Deletion: graceful (pods), held by finalizers, or at once. The order of steps and the texts are upstream's
// (registry/rest/delete.go, generic/registry/store.go).
#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "apiserver/errors.h"
#include "apiserver/object_meta.h"
#include "apiserver/registry.h"
#include "apiserver/service_allocator.h"

namespace keelson::apiserver {
namespace {

constexpr std::string_view kOrphan = "orphan";
constexpr std::string_view kForeground = "foregroundDeletion";

Error precondition_failed(const api::Object& object, std::string_view what, std::string_view wanted,
                          std::string_view found, std::string_view why) {
  return errors::kind_conflict(*object.kind(), object.name(),
                               fmt::format("the {} in the precondition ({}) does not match the {} in record ({}). The object "
                                           "might have been {}",
                                           what, wanted, what, found, why));
}

Result<void> check_preconditions(const api::Object& object, const DeleteOptions& del) {
  if (del.precondition_uid && *del.precondition_uid != object.uid())
    return fail(precondition_failed(object, "UID", *del.precondition_uid, object.uid(), "deleted and then recreated"));
  if (del.precondition_resource_version && *del.precondition_resource_version != object.resource_version())
    return fail(precondition_failed(object, "ResourceVersion", *del.precondition_resource_version,
                                    object.resource_version(), "modified"));
  return {};
}

// The finalizers for the garbage collector that this deletion puts on or takes off; nullopt: they stay as they are.
std::optional<std::vector<std::string>> collector_finalizers(const Strategy& strategy, const api::Object& object,
                                                             const DeleteOptions& del) {
  bool orphan = false, foreground = false;
  auto present = object.meta().finalizers();
  if (strategy.gc != Strategy::Gc::kUnsupported) {
    if (del.orphan_dependents) {
      orphan = *del.orphan_dependents;
    } else if (del.propagation_policy) {
      orphan = *del.propagation_policy == "Orphan";
      foreground = *del.propagation_policy == "Foreground";
    } else {
      bool decided = false;
      for (auto f : present) {
        if (f != kOrphan && f != kForeground) continue;
        (f == kOrphan ? orphan : foreground) = true;
        decided = true;
        break;
      }
      if (!decided) orphan = strategy.gc == Strategy::Gc::kOrphan;
    }
  }
  std::vector<std::string> wanted;
  for (auto f : present)
    if (f != kOrphan && f != kForeground) wanted.emplace_back(f);
  if (orphan) wanted.emplace_back(kOrphan);
  if (foreground) wanted.emplace_back(kForeground);
  std::set<std::string_view> a(present.begin(), present.end()), b(wanted.begin(), wanted.end());
  if (a == b) return std::nullopt;
  return wanted;
}

void set_finalizers(api::Object& object, const std::vector<std::string>& finalizers) {
  auto meta = object.mutable_meta();
  meta.clear_finalizers();
  for (auto& f : finalizers) meta.add_finalizers(f);
}

void bump_generation(api::Object& object) {
  auto meta = object.mutable_meta();
  if (meta.view().generation() > 0) meta.set_generation(meta.view().generation() + 1);
}

// Held by finalizers without a grace period: deletionTimestamp is now.
void mark_as_deleting(api::Object& object, api::Time now) {
  auto meta = object.mutable_meta();
  if (!meta.view().has_deletion_timestamp()) {
    bump_generation(object);
    meta.set_deletion_timestamp(now);
  } else if (now < meta.view().deletion_timestamp()) {
    meta.set_deletion_timestamp(now);
  }
  meta.set_deletion_grace_period_seconds(0);
}

enum class Grace : std::uint8_t { kNone, kGraceful, kPending };

// Upstream's BeforeDelete for kinds that die gracefully. `object` may be changed; kPending: already dying, no sooner.
Grace begin_graceful(const Strategy& strategy, api::Object& object, DeleteOptions& del, api::Time now) {
  if (!strategy.graceful) return Grace::kNone;
  auto meta = object.mutable_meta();
  auto view = meta.view();
  if (view.has_deletion_timestamp()) {
    const std::int64_t left = view.deletion_grace_period_seconds();
    if (!view.has_deletion_grace_period_seconds() || left == 0) return Grace::kNone;
    if (!del.grace_period_s) {
      del.grace_period_s = left;
      return Grace::kPending;
    }
    std::int64_t period = *del.grace_period_s;
    if (period >= left) return Grace::kPending;
    api::Time at{view.deletion_timestamp().seconds - left + period, 0};
    if (at < now) {
      at = now;
      if (period != 0) period = 1;
    }
    meta.set_deletion_timestamp(at);
    meta.set_deletion_grace_period_seconds(period);
    return Grace::kGraceful;
  }
  const std::int64_t period = strategy.grace_period(object, del.grace_period_s);
  del.grace_period_s = period;
  meta.set_deletion_timestamp({now.seconds + period, 0});
  meta.set_deletion_grace_period_seconds(period);
  bump_generation(object);
  return Grace::kGraceful;
}

}  // namespace

Task<Result<Deleted>> Registry::remove(const Resource& resource, std::string ns, std::string name, DeleteOptions del,
                                       UpdateOptions options) {
  const Strategy& strategy = *resource.strategy;
  const std::string key = resource.key(ns, name);
  if (del.grace_period_s && *del.grace_period_s < 0) del.grace_period_s = 1;
  VersionPtr existing = CO_TRY(co_await storage().get(resource, ns, name));
  for (;;) {
    if (!existing) co_return fail(errors::not_found(resource, name));
    VersionPtr served = existing;
    if (resource.from_stored)
      served = make_version(api::freeze(resource.from_stored(*existing->object(), *resource.kind)), existing->revision());
    const api::Object& old = *served->object();
    if (auto ok = check_preconditions(old, del); !ok) co_return std::unexpected(ok.error());
    if (auto ok = co_await admit(resource, ns, name, admission::Operation::kDelete, nullptr, &old, options); !ok)
      co_return std::unexpected(ok.error());
    if (auto ok = co_await validate_admission(resource, ns, name, admission::Operation::kDelete, nullptr, &old, options);
        !ok)
      co_return std::unexpected(ok.error());

    auto object = old.clone();
    DeleteOptions asked = del;
    const api::Time now = to_api_time(parts_.clock->wall());
    const Grace grace = begin_graceful(strategy, *object, asked, now);
    if (grace == Grace::kPending) co_return Deleted{served, false};
    if (auto finalizers = collector_finalizers(strategy, *object, asked)) set_finalizers(*object, *finalizers);
    const bool held = !object->meta().finalizers().empty();
    const bool waits = strategy.may_go && !strategy.may_go(*object);

    bool update = false, then_delete = true;
    if (waits) {  // a namespace: Terminating until its content is gone
      then_delete = false;
      if (!object->meta().has_deletion_timestamp()) {
        bump_generation(*object);
        object->mutable_meta().set_deletion_timestamp(now);
        strategy.mark_deleting(*object);
        update = true;
      } else {
        co_return Deleted{served, false};
      }
    } else if (grace == Grace::kGraceful) {
      update = true;
      then_delete = !held && *asked.grace_period_s == 0;
    } else if (held) {
      mark_as_deleting(*object, now);
      update = !same_content(*object, old);
      then_delete = false;
      if (!update) co_return Deleted{served, false};
    }
    if (!update) {
      auto gone = co_await remove_now(resource, ns, name, existing, del, options.dry_run);
      if (gone || gone.error().code != Code::kAborted) co_return gone;
      existing = CO_TRY(co_await storage().get_live(resource, key));  // changed meanwhile
      continue;
    }
    if (options.dry_run) {
      set_resource_version(*object, existing->revision());
      co_return Deleted{make_version(api::freeze(std::move(object)), existing->revision()), then_delete};
    }
    if (resource.to_stored) object = resource.to_stored(*object, *resource.stored);
    auto outcome = co_await storage().update(resource, key, existing->revision(), std::move(object), strategy.ttl_s);
    if (!outcome) co_return fail(errors::from_store(outcome.error()));
    if (outcome->conflict()) {
      existing = outcome->current;
      continue;
    }
    if (!then_delete) co_return Deleted{outcome->written, false};
    auto gone = co_await remove_now(resource, ns, name, outcome->written, {}, false);
    if (gone) co_return gone;
    if (gone.error().code == Code::kNotFound) co_return Deleted{outcome->written, true};
    if (gone.error().code != Code::kAborted) co_return gone;
    existing = CO_TRY(co_await storage().get_live(resource, key));
  }
}

Task<Result<Deleted>> Registry::remove_now(const Resource& resource, std::string ns, std::string name,
                                           VersionPtr version, const DeleteOptions& del, bool dry_run) {
  if (dry_run) co_return Deleted{std::move(version), true};
  auto outcome = co_await storage().remove(resource, resource.key(ns, name), version);
  if (!outcome) co_return fail(errors::from_store(outcome.error()));
  if (outcome->conflict()) {
    if (!outcome->current) co_return fail(errors::not_found(resource, name));
    co_return fail(errors::conflict(resource, name, errors::kModified));
  }
  if (parts_.services && resource.kind->kind == "Service") co_await parts_.services->release(*version->object());
  if (resource.from_stored)
    co_return Deleted{make_version(api::freeze(resource.from_stored(*outcome->written->object(), *resource.kind)),
                                   outcome->written->revision()),
                      true};
  co_return Deleted{outcome->written, true};
}

Task<Result<ListResult>> Registry::remove_collection(const Resource& resource, std::string ns, DeleteOptions del,
                                                     ListOptions which, UpdateOptions options) {
  auto found = CO_TRY(co_await list(resource, ns, "", std::move(which)));
  for (auto& item : found.items) {
    auto gone = co_await remove(resource, std::string(item->object()->namespace_()), std::string(item->object()->name()),
                                del, options);
    if (!gone && gone.error().code != Code::kNotFound) co_return std::unexpected(gone.error());
  }
  co_return found;
}

}  // namespace keelson::apiserver
