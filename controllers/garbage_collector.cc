#include "controllers/garbage_collector.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "api/kinds.h"
#include "api/object.h"
#include "api/status.h"
#include "base/check.h"

namespace keelson::controllers {

namespace meta = api::meta_v1;

namespace {

constexpr std::string_view kByOwner = "owner-uid";
constexpr std::string_view kByUid = "uid";
constexpr std::string_view kOrphan = "orphan";
constexpr std::string_view kForeground = "foregroundDeletion";

void index_by_owner(const api::Object& object, std::vector<std::string>& values) {
  for (meta::OwnerReference ref : object.meta().owner_references()) values.emplace_back(ref.uid());
}
void index_by_uid(const api::Object& object, std::vector<std::string>& values) {
  values.emplace_back(object.uid());
}

bool has_finalizer(const api::Object& object, std::string_view name) {
  return object.meta().finalizers().contains(name);
}
bool is_deleting(const api::Object& object) {
  return object.meta().has_deletion_timestamp();
}
bool deletes_dependents(const api::Object& object) {
  return is_deleting(object) && has_finalizer(object, kForeground);
}

std::string quoted(std::string_view s) {
  std::string out;
  append_json_string(out, s);
  return out;
}

// Gone, or another object under that name by now.
bool is_over(const Error& e) {
  return api::is_not_found(e) || api::is_conflict(e);
}

}  // namespace

GarbageCollector::GarbageCollector(const Context& context, int workers)
    : Controller(context, "garbage_collector", workers, std::chrono::seconds(60)),
      recorder_(context.events, "garbage-collector-controller") {
  std::set<std::string_view> stored;
  for (const api::KindInfo* kind : api::all_kinds()) {
    if (kind->resource.empty() || kind->storage_prefix.empty() || kind->kind == "Event") continue;
    if (!kind->has_verb("list") || !kind->has_verb("watch") || !kind->has_verb("delete")) continue;
    if (!stored.insert(kind->storage_prefix).second) continue;
    auto shared = informers_.informer(*kind);
    shared->add_index(std::string(kByOwner), index_by_owner);
    shared->add_index(std::string(kByUid), index_by_uid);
    number_of_[kind] = watched_.size();
    watched_.push_back({kind, shared.get()});
  }
  for (std::size_t i = 0; i < watched_.size(); ++i) {
    informer(watched_[i].kind->api_version, watched_[i].kind->kind);
    watch(i);
  }
}

void GarbageCollector::watch(std::size_t number) {
  watched_[number].informer->add_handler({
      .on_add = [this](const api::ObjectPtr& o) { on_changed(nullptr, o); },
      .on_update = [this](const api::ObjectPtr& old, const api::ObjectPtr& now) { on_changed(old, now); },
      .on_delete = [this](const api::ObjectPtr& o) { on_deleted(o); },
  });
}

void GarbageCollector::on_changed(const api::ObjectPtr& old, const api::ObjectPtr& now) {
  const bool owners_changed =
      !old ||
      !std::ranges::equal(old->meta().owner_references(), now->meta().owner_references(),
                          [](meta::OwnerReference a, meta::OwnerReference b) {
                            return a.uid() == b.uid() && a.block_owner_deletion() == b.block_owner_deletion();
                          });
  if (owners_changed && !now->meta().owner_references().empty()) enqueue(*now);
  // A dependent that no longer blocks may set its former owners free.
  if (owners_changed && old) free_owners(*old);
  if (!is_deleting(*now) || (!has_finalizer(*now, kOrphan) && !has_finalizer(*now, kForeground))) return;
  if (old && is_deleting(*old) && old->meta().finalizers().size() == now->meta().finalizers().size()) return;
  enqueue(*now);
  if (has_finalizer(*now, kForeground)) enqueue_dependents(now->uid());
}

// Dependents lose an owner; owners that wait for this dependent may go on.
void GarbageCollector::on_deleted(const api::ObjectPtr& object) {
  enqueue_dependents(object->uid());
  free_owners(*object);
}

void GarbageCollector::free_owners(const api::Object& object) {
  for (meta::OwnerReference ref : object.meta().owner_references()) {
    for (const Watched& w : watched_) {
      if (w.kind->kind != ref.kind()) continue;
      for (const auto& owner : w.informer->store().by_index(kByUid, ref.uid())) {
        if (deletes_dependents(*owner)) enqueue(*owner);
      }
    }
  }
}

void GarbageCollector::enqueue(const api::Object& object) {
  auto it = number_of_.find(object.kind());
  if (it == number_of_.end()) return;
  queue_.add(fmt::format("{}|{}", it->second, client::object_key(object)));
}

std::vector<api::ObjectPtr> GarbageCollector::dependents(std::string_view owner_uid) const {
  std::vector<api::ObjectPtr> out;
  for (const Watched& w : watched_) {
    for (auto& object : w.informer->store().by_index(kByOwner, owner_uid)) out.push_back(std::move(object));
  }
  return out;
}

void GarbageCollector::enqueue_dependents(std::string_view owner_uid) {
  for (const auto& object : dependents(owner_uid)) enqueue(*object);
}

Task<> GarbageCollector::wait_for_informers() {
  const MonoTime deadline = clock_.now() + std::chrono::seconds(30);
  for (const Watched& w : watched_) {
    if (!co_await w.informer->wait_for_sync_until(deadline)) {
      logger_.debug("a kind has not synced; its objects do not count", {{"kind", w.kind->kind}});
    }
  }
}

Task<Result<void>> GarbageCollector::sync(std::string key) {
  std::size_t number = 0;
  const auto bar = key.find('|');
  CHECK(bar != std::string::npos);
  std::from_chars(key.data(), key.data() + bar, number);
  CHECK(number < watched_.size());
  auto object = watched_[number].informer->store().get_by_key(std::string_view(key).substr(bar + 1));
  if (!object) co_return Result<void>{};
  if (is_deleting(*object)) {
    if (has_finalizer(*object, kOrphan)) co_return co_await orphan_dependents(object);
    if (has_finalizer(*object, kForeground)) co_return co_await finish_foreground(object);
    co_return Result<void>{};
  }
  if (object->meta().owner_references().empty()) co_return Result<void>{};
  co_return co_await collect(object);
}

Task<Result<void>> GarbageCollector::orphan_dependents(api::ObjectPtr owner) {
  for (const auto& dependent : dependents(owner->uid())) {
    CO_TRY(co_await remove_owners(dependent, {std::string(owner->uid())}));
  }
  co_return co_await remove_finalizer(owner, std::string(kOrphan));
}

Task<Result<void>> GarbageCollector::finish_foreground(api::ObjectPtr owner) {
  bool blocked = false;
  for (const auto& dependent : dependents(owner->uid())) {
    for (meta::OwnerReference ref : dependent->meta().owner_references()) {
      if (ref.uid() != owner->uid() || !ref.block_owner_deletion()) continue;
      blocked = true;
      if (!is_deleting(*dependent)) enqueue(*dependent);
    }
  }
  if (blocked) co_return Result<void>{};
  co_return co_await remove_finalizer(owner, std::string(kForeground));
}

Task<Result<void>> GarbageCollector::collect(api::ObjectPtr cached) {
  // The cache may be old: decide on the object as it is.
  const api::KindInfo& kind = *cached->kind();
  auto live =
      co_await transport_.get(kind, std::string(cached->namespace_()), std::string(cached->name()), {});
  if (!live) {
    if (api::is_not_found(live.error())) co_return Result<void>{};
    co_return fail(live.error());
  }
  api::ObjectPtr object = *live;
  if (object->uid() != cached->uid() || (is_deleting(*object) && !deletes_dependents(*object))) {
    co_return Result<void>{};
  }
  std::vector<std::string> absent, waiting;
  bool there = false;
  for (meta::OwnerReference ref : object->meta().owner_references()) {
    const OwnerState state =
        CO_TRY(co_await look_up_owner(object, std::string(ref.api_version()), std::string(ref.kind()),
                                      std::string(ref.name()), std::string(ref.uid())));
    if (state == OwnerState::kThere) there = true;
    if (state == OwnerState::kAbsent) absent.emplace_back(ref.uid());
    if (state == OwnerState::kWaiting) waiting.emplace_back(ref.uid());
  }
  if (there) {
    absent.insert(absent.end(), waiting.begin(), waiting.end());
    if (absent.empty()) co_return Result<void>{};
    co_return co_await remove_owners(object, std::move(absent));
  }
  if (absent.empty() && waiting.empty()) co_return Result<void>{};
  if (!waiting.empty() && !dependents(object->uid()).empty()) co_return co_await remove(object, "Foreground");
  if (has_finalizer(*object, kOrphan)) co_return co_await remove(object, "Orphan");
  co_return co_await remove(object, has_finalizer(*object, kForeground) ? "Foreground" : "Background");
}

Task<Result<GarbageCollector::OwnerState>> GarbageCollector::look_up_owner(api::ObjectPtr object,
                                                                           std::string api_version,
                                                                           std::string kind_name,
                                                                           std::string name,
                                                                           std::string uid) {
  const api::KindInfo* kind = api::find_kind(api_version, kind_name);
  if (kind == nullptr || kind->resource.empty()) co_return OwnerState::kThere;
  if (kind->namespaced && !object->kind()->namespaced) co_return OwnerState::kThere;
  const std::string ns(kind->namespaced ? object->namespace_() : "");
  if (auto it = number_of_.find(kind); it != number_of_.end()) {
    const client::Store& store = watched_[it->second].informer->store();
    auto owner = store.get(ns, name);
    if (owner && owner->uid() == uid) {
      co_return deletes_dependents(*owner) ? OwnerState::kWaiting : OwnerState::kThere;
    }
    if (!owner && kind->namespaced && !store.by_index(kByUid, uid).empty()) {
      recorder_.event(
          *object, "Warning", "OwnerRefInvalidNamespace",
          fmt::format("ownerRef [{}/{}, namespace: {}, name: {}, uid: {}] does not exist in namespace "
                      "\"{}\"",
                      api_version, kind_name, ns, name, uid, ns));
    }
  }
  auto live = co_await transport_.get(*kind, ns, name, {});
  if (!live) {
    if (api::is_not_found(live.error())) co_return OwnerState::kAbsent;
    co_return fail(live.error());
  }
  if ((*live)->uid() != uid) co_return OwnerState::kAbsent;
  co_return deletes_dependents(**live) ? OwnerState::kWaiting : OwnerState::kThere;
}

Task<Result<void>> GarbageCollector::remove_finalizer(api::ObjectPtr object, std::string finalizer) {
  const api::KindInfo& kind = *object->kind();
  const std::string ns(object->namespace_()), name(object->name());
  for (int attempt = 0; attempt < 3; ++attempt) {
    std::string rest;
    for (std::string_view f : object->meta().finalizers()) {
      if (f == finalizer) continue;
      rest += (rest.empty() ? "" : ",") + quoted(f);
    }
    const std::string patch =
        fmt::format(R"({{"metadata":{{"resourceVersion":{},"uid":{},"finalizers":[{}]}}}})",
                    quoted(object->resource_version()), quoted(object->uid()), rest);
    auto done = co_await transport_.patch(kind, ns, name, client::PatchType::kMerge, patch, {});
    if (done || api::is_not_found(done.error())) co_return Result<void>{};
    if (!api::is_conflict(done.error())) co_return fail(done.error());
    auto fresh = co_await transport_.get(kind, ns, name, {});
    if (!fresh) {
      if (api::is_not_found(fresh.error())) co_return Result<void>{};
      co_return fail(fresh.error());
    }
    if ((*fresh)->uid() != object->uid() || !has_finalizer(**fresh, finalizer)) co_return Result<void>{};
    object = *fresh;
  }
  co_return fail(Code::kFailedPrecondition, "the object keeps changing");
}

Task<Result<void>> GarbageCollector::remove_owners(api::ObjectPtr object, std::vector<std::string> uids) {
  std::string refs;
  for (const auto& uid : uids) {
    refs += fmt::format(R"({}{{"$patch":"delete","uid":{}}})", refs.empty() ? "" : ",", quoted(uid));
  }
  const std::string patch =
      fmt::format(R"({{"metadata":{{"ownerReferences":[{}],"uid":{}}}}})", refs, quoted(object->uid()));
  auto done =
      co_await transport_.patch(*object->kind(), std::string(object->namespace_()),
                                std::string(object->name()), client::PatchType::kStrategicMerge, patch, {});
  if (!done && !is_over(done.error())) co_return fail(done.error());
  co_return Result<void>{};
}

Task<Result<void>> GarbageCollector::remove(api::ObjectPtr object, std::string policy) {
  client::DeleteOptions options;
  options.propagation_policy = std::move(policy);
  options.precondition_uid = object->uid();
  auto done = co_await transport_.remove(*object->kind(), std::string(object->namespace_()),
                                         std::string(object->name()), options);
  if (!done && !is_over(done.error())) co_return fail(done.error());
  co_return Result<void>{};
}

}  // namespace keelson::controllers
