#include "controllers/namespace.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <set>

#include "api/gen/core_v1.h"
#include "api/kinds.h"
#include "api/status.h"
#include "controllers/pod_util.h"

namespace keelson::controllers {

namespace {

struct WantedCondition {
  std::string_view type;
  bool bad = false;
  std::string_view bad_reason, good_reason, good_message;
  std::string bad_message;
};

std::vector<WantedCondition> wanted_conditions(const NamespaceController::Remains& remains) {
  std::vector<WantedCondition> out;
  out.push_back({"NamespaceDeletionDiscoveryFailure", false, "DiscoveryFailed", "ResourcesDiscovered",
                 "All resources successfully discovered", ""});
  out.push_back({"NamespaceDeletionGroupVersionParsingFailure", false, "GroupVersionParsingFailed",
                 "ParsedGroupVersions", "All legacy kube types successfully parsed", ""});
  out.push_back({"NamespaceDeletionContentFailure", !remains.failures.empty(), "ContentDeletionFailed",
                 "ContentDeleted", "All content successfully deleted, may be waiting on finalization",
                 fmt::format("Failed to delete all resource types, {} remaining: {}", remains.failures.size(),
                             fmt::join(remains.failures, ", "))});
  std::vector<std::string> objects, finalizers;
  for (const auto& [what, n] : remains.objects)
    objects.push_back(fmt::format("{} has {} resource instances", what, n));
  for (const auto& [what, n] : remains.finalizers)
    finalizers.push_back(fmt::format("{} in {} resource instances", what, n));
  out.push_back({"NamespaceContentRemaining", !objects.empty(), "SomeResourcesRemain", "ContentRemoved",
                 "All content successfully removed",
                 fmt::format("Some resources are remaining: {}", fmt::join(objects, ", "))});
  out.push_back({"NamespaceFinalizersRemaining", !finalizers.empty(), "SomeFinalizersRemain",
                 "ContentHasNoFinalizers", "All content-preserving finalizers finished",
                 fmt::format("Some content in the namespace has finalizers remaining: {}",
                             fmt::join(finalizers, ", "))});
  return out;
}

// True when something changed.
bool put_condition(core::NamespaceStatusMut status, const WantedCondition& want, api::Time now) {
  const std::string_view value = want.bad ? "True" : "False";
  const std::string_view reason = want.bad ? want.bad_reason : want.good_reason;
  const std::string_view message = want.bad ? std::string_view(want.bad_message) : want.good_message;
  auto conditions = status.mutable_conditions();
  for (std::size_t i = 0; i < conditions.size(); ++i) {
    const auto c = conditions[i];
    if (c.type() != want.type) continue;
    if (c.status() == value && c.reason() == reason && c.message() == message) return false;
    auto mut = conditions.at(i);
    if (c.status() != value) mut.set_last_transition_time(now);
    mut.set_status(value);
    mut.set_reason(reason);
    mut.set_message(message);
    return true;
  }
  auto mut = conditions.add();
  mut.set_type(want.type);
  mut.set_status(value);
  mut.set_last_transition_time(now);
  mut.set_reason(reason);
  mut.set_message(message);
  return true;
}

}  // namespace

NamespaceController::NamespaceController(const Context& context, Duration grace, int workers)
    // While pods end, the namespace is looked at often: at most a second after the last one it goes on.
    : Controller(context, "namespace", workers, std::chrono::seconds(1)),
      grace_(grace),
      namespaces_(informer("v1", "Namespace")) {
  auto enqueue = [this](const api::ObjectPtr& ns) {
    if (ns->meta().has_deletion_timestamp()) queue_.add_after(std::string(ns->name()), grace_);
  };
  namespaces_.add_handler(
      {.on_add = enqueue,
       .on_update = [enqueue](const api::ObjectPtr&, const api::ObjectPtr& ns) { enqueue(ns); }});
}

std::vector<const api::KindInfo*> NamespaceController::content_kinds() {
  std::vector<const api::KindInfo*> out;
  std::set<std::string_view> stored;
  for (const api::KindInfo* kind : api::all_kinds()) {
    if (!kind->namespaced || kind->resource.empty() || kind->storage_prefix.empty()) continue;
    if (!kind->has_verb("list") || !kind->has_verb("delete")) continue;
    if (stored.insert(kind->storage_prefix).second) out.push_back(kind);
  }
  std::partition(out.begin(), out.end(), [](const api::KindInfo* k) { return k->kind == "Pod"; });
  return out;
}

Task<Result<void>> NamespaceController::sync(std::string key) {
  if (auto cached = namespaces_.store().get_by_key(key);
      !cached || !cached->meta().has_deletion_timestamp()) {
    co_return Result<void>{};
  }
  auto current = co_await transport_.get(core::Namespace::kind_info(), "", key, {});
  if (!current) {
    if (api::is_not_found(current.error())) co_return Result<void>{};
    co_return fail(current.error());
  }
  api::ObjectPtr ns = *current;
  if (!ns->meta().has_deletion_timestamp() || core::Namespace::of(*ns).spec().finalizers().empty()) {
    co_return Result<void>{};
  }
  const Remains remains = co_await delete_content(key);
  ns = CO_TRY(co_await write_conditions(ns, remains));
  if (!remains.empty()) co_return fail(Code::kFailedPrecondition, "content remains");
  co_return co_await finalize(ns);
}

Task<NamespaceController::Remains> NamespaceController::delete_content(std::string ns) {
  Remains remains;
  for (const api::KindInfo* kind : content_kinds()) {
    co_await delete_kind(kind, ns, &remains);
    if (kind->kind == "Pod" && !remains.empty()) break;
  }
  co_return remains;
}

Task<> NamespaceController::delete_kind(const api::KindInfo* kind, std::string ns, Remains* remains) {
  auto before = co_await transport_.list(*kind, ns, {});
  if (!before) {
    // Not served here.
    if (api::http_code(before.error()) == 404 || api::http_code(before.error()) == 405) co_return;
    remains->failures.push_back(before.error().message);
    co_return;
  }
  if (before->items.empty()) co_return;
  client::DeleteOptions background;
  background.propagation_policy = "Background";
  auto deleted = co_await transport_.delete_collection(*kind, ns, background, {});
  if (!deleted && api::http_code(deleted.error()) == 405) {
    for (const auto& object : before->items) {
      auto one = co_await transport_.remove(*kind, ns, std::string(object->name()), background);
      if (!one && !api::is_not_found(one.error())) deleted = fail(one.error());
    }
  }
  if (!deleted && api::http_code(deleted.error()) != 405)
    remains->failures.push_back(deleted.error().message);
  auto after = co_await transport_.list(*kind, ns, {});
  if (!after) {
    remains->failures.push_back(after.error().message);
    co_return;
  }
  if (after->items.empty()) co_return;
  bool explained = kind->kind == "Pod";
  for (const auto& object : after->items) {
    for (std::string_view f : object->meta().finalizers()) {
      ++remains->finalizers[std::string(f)];
      explained = true;
    }
  }
  remains->objects[fmt::format("{}.{}", kind->resource, kind->group)] =
      static_cast<std::int64_t>(after->items.size());
  if (!explained) {
    remains->failures.push_back(
        fmt::format("unexpected items still remain in namespace: {} for gvr: {}/{}, Resource={}", ns,
                    kind->group, kind->version, kind->resource));
  }
}

Task<Result<api::ObjectPtr>> NamespaceController::write_conditions(api::ObjectPtr ns, Remains remains) {
  auto copy = ns->clone();
  auto status = core::NamespaceMut::of(*copy).mutable_status();
  bool changed = false;
  for (const auto& want : wanted_conditions(remains))
    changed = put_condition(status, want, api_now(clock_)) || changed;
  if (!changed) co_return ns;
  co_return co_await transport_.update(core::Namespace::kind_info(), "", api::freeze(std::move(copy)),
                                       {.subresource = "status"});
}

Task<Result<void>> NamespaceController::finalize(api::ObjectPtr ns) {
  auto copy = ns->clone();
  auto finalizers = core::NamespaceMut::of(*copy).mutable_spec().mutable_finalizers();
  for (std::size_t i = finalizers.size(); i-- > 0;) {
    if (finalizers[i] == "kubernetes") finalizers.erase(i);
  }
  auto done = co_await transport_.update(core::Namespace::kind_info(), "", api::freeze(std::move(copy)),
                                         {.subresource = "finalize"});
  if (!done && !api::is_not_found(done.error())) co_return fail(done.error());
  co_return Result<void>{};
}

}  // namespace keelson::controllers
