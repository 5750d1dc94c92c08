#include "controllers/replica_controller.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <map>
#include <set>

#include "api/status.h"
#include "base/check.h"
#include "client/parallel.h"
#include "controllers/pod_ranking.h"

namespace keelson::controllers {

namespace {
constexpr std::size_t kBurst = 500;

std::string pod_key(const api::Object& pod) {
  return client::object_key(pod);
}
}  // namespace

const ReplicaKind& replica_set_kind() {
  static constexpr ReplicaKind kind{"apps/v1", "ReplicaSet", "replicaset", "replicaset-controller"};
  return kind;
}

const ReplicaKind& replication_controller_kind() {
  static constexpr ReplicaKind kind{"v1", "ReplicationController", "replicationcontroller",
                                    "replication-controller"};
  return kind;
}

bool is_namespace_terminating(const Error& error) {
  const api::StatusDetail* detail = api::status_detail(error);
  if (detail == nullptr) return false;
  return std::any_of(detail->causes.begin(), detail->causes.end(),
                     [](const api::StatusCause& c) { return c.reason == "NamespaceTerminating"; });
}

ReplicaController::ReplicaController(const Context& context, const ReplicaKind& kind, int workers)
    : Controller(context, std::string(kind.controller), workers),
      replica_kind_(kind),
      recorder_(context.events, std::string(kind.component)),
      owners_(informer(kind.api_version, kind.kind)),
      pods_(informer("v1", "Pod")),
      expectations_(context.clock) {
  pods_.add_index(std::string(kByController), index_by_controller);
  watch_owners();
  watch_pods();
}

void ReplicaController::watch_owners() {
  owners_.add_handler({
      .on_add = [this](const api::ObjectPtr& o) { queue_.add(client::object_key(*o)); },
      .on_update = [this](const api::ObjectPtr&,
                          const api::ObjectPtr& o) { queue_.add(client::object_key(*o)); },
      .on_delete =
          [this](const api::ObjectPtr& o) {
            expectations_.forget(client::object_key(*o));
            queue_.add(client::object_key(*o));
          },
  });
}

void ReplicaController::watch_pods() {
  pods_.add_handler({
      .on_add = [this](const api::ObjectPtr& p) { on_pod_added(p); },
      .on_update = [this](const api::ObjectPtr& old, const api::ObjectPtr& p) { on_pod_updated(old, p); },
      .on_delete = [this](const api::ObjectPtr& p) { on_pod_deleted(p); },
  });
}

api::ObjectPtr ReplicaController::owner_of(const api::Object& pod) const {
  const auto ref = controller_of(pod);
  if (!ref || ref.kind() != replica_kind_.kind) return nullptr;
  auto owner = owners_.store().get(pod.namespace_(), ref.name());
  return owner && owner->uid() == ref.uid() ? owner : nullptr;
}

void ReplicaController::enqueue_matching(const api::Object& pod) {
  for (const auto& owner : owners_.store().list_namespace(pod.namespace_())) {
    if (replica_spec(owner).selector.matches(pod.meta().labels())) queue_.add(client::object_key(*owner));
  }
}

void ReplicaController::on_pod_added(const api::ObjectPtr& pod) {
  if (pod->meta().has_deletion_timestamp()) {
    on_pod_deleted(pod);
    return;
  }
  if (controller_of(*pod)) {
    if (auto owner = owner_of(*pod)) {
      const std::string key = client::object_key(*owner);
      expectations_.creation_observed(key);
      queue_.add(key);
    }
    return;
  }
  enqueue_matching(*pod);
}

void ReplicaController::on_pod_updated(const api::ObjectPtr& old, const api::ObjectPtr& now) {
  if (old->resource_version() == now->resource_version()) return;
  if (now->meta().has_deletion_timestamp()) {
    // The deletion counts from its mark, not from when the pod is gone.
    on_pod_deleted(now);
    return;
  }
  const auto old_ref = controller_of(*old), ref = controller_of(*now);
  const bool ref_changed = old_ref.uid() != ref.uid();
  if (ref_changed && old_ref) {
    if (auto owner = owner_of(*old)) queue_.add(client::object_key(*owner));
  }
  if (ref) {
    auto owner = owner_of(*now);
    if (!owner) return;
    const std::string key = client::object_key(*owner);
    queue_.add(key);
    // Available later: nobody tells when that time has come.
    const auto spec = replica_spec(owner);
    if (spec.min_ready_seconds > 0 && !is_ready(core::Pod::of(*old)) && is_ready(core::Pod::of(*now))) {
      queue_.add_after(key, std::chrono::seconds(spec.min_ready_seconds + 1));
    }
    return;
  }
  const bool labels_changed = client::object_key(*old) != client::object_key(*now) ||
                              old->meta().labels().ref().size() != now->meta().labels().ref().size() || [&] {
                                for (auto [k, v] : now->meta().labels()) {
                                  if (old->meta().labels().get(k) != v) return true;
                                }
                                return false;
                              }();
  if (labels_changed || ref_changed) enqueue_matching(*now);
}

void ReplicaController::on_pod_deleted(const api::ObjectPtr& pod) {
  auto owner = owner_of(*pod);
  if (!owner) return;
  const std::string key = client::object_key(*owner);
  expectations_.deletion_observed(key, pod_key(*pod));
  queue_.add(key);
}

Task<Result<void>> ReplicaController::sync(std::string key) {
  auto object = owners_.store().get_by_key(key);
  if (!object) {
    expectations_.forget(key);
    co_return Result<void>{};
  }
  ReplicaSpec spec = replica_spec(object);
  const bool may_act = expectations_.satisfied(key);
  auto candidates = pods_.store().by_index(kByController, object->uid());
  for (auto& pod : pods_.store().by_index(kByController, orphans_of(object->namespace_()))) {
    if (is_active(core::Pod::of(*pod))) candidates.push_back(std::move(pod));
  }
  auto pods = CO_TRY(co_await claim(transport_, object, spec.selector, std::move(candidates)));
  std::vector<api::ObjectPtr> active;
  for (const auto& pod : pods) {
    if (is_active(core::Pod::of(*pod))) active.push_back(pod);
  }
  const std::int64_t diff = static_cast<std::int64_t>(active.size()) - spec.replicas;
  Result<void> managed;
  if (may_act && !object->meta().has_deletion_timestamp()) managed = co_await manage(spec, std::move(active));

  ReplicaStatus status = count_pods(spec, pods, clock_.wall());
  if (!managed) {
    status.failure_reason = diff < 0 ? "FailedCreate" : "FailedDelete";
    status.failure_message = managed.error().message;
  }
  CO_TRY(co_await write_status(spec, status));
  if (managed && spec.min_ready_seconds > 0 && status.ready > status.available) {
    std::optional<Duration> next;
    for (const auto& pod : pods) {
      const auto in = available_in(core::Pod::of(*pod), spec.min_ready_seconds, clock_.wall());
      if (in && (!next || *in < *next)) next = in;
    }
    if (next) queue_.add_after(key, *next);
  }
  co_return managed;
}

Task<Result<void>> ReplicaController::manage(ReplicaSpec spec, std::vector<api::ObjectPtr> active) {
  const std::string key = client::object_key(*spec.object);
  const std::int64_t diff = static_cast<std::int64_t>(active.size()) - spec.replicas;
  if (diff < 0) {
    const std::size_t n = std::min<std::size_t>(kBurst, static_cast<std::size_t>(-diff));
    expectations_.expect_creations(key, static_cast<int>(n));
    co_return co_await create_pods(spec, n);
  }
  if (diff > 0) {
    const std::size_t n = std::min<std::size_t>(kBurst, static_cast<std::size_t>(diff));
    auto doomed = pods_to_delete(spec, active, n);
    std::set<std::string> keys;
    for (const auto& pod : doomed) keys.insert(pod_key(*pod));
    expectations_.expect_deletions(key, std::move(keys));
    co_return co_await delete_pods(spec, std::move(doomed));
  }
  co_return Result<void>{};
}

Task<Result<void>> ReplicaController::create_pods(ReplicaSpec spec, std::size_t n) {
  const std::string key = client::object_key(*spec.object);
  std::size_t started = 0;
  std::optional<Error> failure;
  for (std::size_t batch = 1; started < n && !failure; batch *= 2) {
    const std::size_t count = std::min(batch, n - started);
    started += count;
    std::vector<Task<Result<void>>> tasks;
    for (std::size_t i = 0; i < count; ++i) tasks.push_back(create_pod(spec));
    for (auto& done : co_await client::run_all(strand_, std::move(tasks))) {
      if (done) continue;
      expectations_.creation_observed(key);
      if (!is_namespace_terminating(done.error()) && !failure) failure = done.error();
    }
  }
  if (started < n) expectations_.creation_observed(key, static_cast<int>(n - started));
  if (failure) co_return fail(std::move(*failure));
  co_return Result<void>{};
}

Task<Result<void>> ReplicaController::create_pod(ReplicaSpec spec) {
  const api::Object& owner = *spec.object;
  auto object = api::Object::make(core::Pod::kind_info(), 4096);
  auto pod = core::PodMut::of(*object);
  auto metadata = pod.mutable_metadata();
  const auto from = spec.pod_template.metadata();
  if (from.has_labels()) metadata.set_labels(from.labels());
  if (from.has_annotations()) metadata.set_annotations(from.annotations());
  if (from.has_finalizers()) metadata.set_finalizers(from.finalizers());
  metadata.set_generate_name(std::string(owner.name()) + "-");
  metadata.set_namespace(owner.namespace_());
  set_controller(metadata, owner);
  pod.set_spec(spec.pod_template.spec());
  auto created = co_await transport_.create(core::Pod::kind_info(), std::string(owner.namespace_()),
                                            api::freeze(std::move(object)), {});
  if (!created) {
    if (!is_namespace_terminating(created.error())) {
      recorder_.event(owner, "Warning", "FailedCreate", "Error creating: " + created.error().message);
    }
    co_return fail(created.error());
  }
  recorder_.event(owner, "Normal", "SuccessfulCreate", fmt::format("Created pod: {}", (*created)->name()));
  co_return Result<void>{};
}

Task<Result<void>> ReplicaController::delete_pods(ReplicaSpec spec, std::vector<api::ObjectPtr> pods) {
  std::optional<Error> failure;
  std::vector<Task<Result<void>>> tasks;
  for (const auto& pod : pods) tasks.push_back(delete_pod(spec, pod));
  auto results = co_await client::run_all(strand_, std::move(tasks));
  for (std::size_t i = 0; i < pods.size(); ++i) {
    if (results[i]) continue;
    expectations_.deletion_observed(client::object_key(*spec.object), pod_key(*pods[i]));
    if (!api::is_not_found(results[i].error()) && !failure) failure = results[i].error();
  }
  if (failure) co_return fail(std::move(*failure));
  co_return Result<void>{};
}

Task<Result<void>> ReplicaController::delete_pod(ReplicaSpec spec, api::ObjectPtr pod) {
  const std::string name(pod->name());
  auto done = co_await transport_.remove(core::Pod::kind_info(), std::string(pod->namespace_()), name, {});
  if (!done) {
    if (!api::is_not_found(done.error())) {
      recorder_.event(*spec.object, "Warning", "FailedDelete", "Error deleting: " + done.error().message);
    }
    co_return fail(done.error());
  }
  recorder_.event(*spec.object, "Normal", "SuccessfulDelete", "Deleted pod: " + name);
  co_return Result<void>{};
}

namespace {

PodRank rank_of(std::size_t index, const api::Object& object,
                const std::map<std::string, std::int64_t>& siblings) {
  const auto pod = core::Pod::of(object);
  PodRank r;
  r.index = index;
  r.assigned = !pod.spec().node_name().empty();
  const auto phase = pod.status().phase();
  r.phase = phase == "Pending" ? 0 : phase == "Running" ? 2 : 1;
  r.ready = is_ready(pod);
  const auto cost = pod.metadata().annotations().get("controller.kubernetes.io/pod-deletion-cost");
  std::from_chars(cost.data(), cost.data() + cost.size(), r.deletion_cost);
  if (auto it = siblings.find(std::string(pod.spec().node_name())); it != siblings.end()) {
    r.siblings_on_node = it->second;
  }
  const auto since = pod_condition(pod, "Ready").last_transition_time();
  r.ready_since_unix = since.is_zero() ? 0 : since.seconds;
  for (core::ContainerStatus c : pod.status().container_statuses()) {
    r.restarts = std::max<std::int64_t>(r.restarts, c.restart_count());
  }
  r.created_unix = pod.metadata().creation_timestamp().seconds;
  r.uid = object.uid();
  return r;
}

}  // namespace

std::vector<api::ObjectPtr> ReplicaController::pods_to_delete(const ReplicaSpec& spec,
                                                              const std::vector<api::ObjectPtr>& active,
                                                              std::size_t n) const {
  // Siblings: active pods of all sets with the same controller (old and new ReplicaSets of one Deployment).
  std::map<std::string, std::int64_t> siblings;
  const auto parent = controller_of(*spec.object);
  for (const auto& owner : owners_.store().list_namespace(spec.object->namespace_())) {
    const bool related =
        owner->uid() == spec.object->uid() || (parent && controller_of(*owner).uid() == parent.uid());
    if (!related) continue;
    for (const auto& object : pods_.store().by_index(kByController, owner->uid())) {
      const auto pod = core::Pod::of(*object);
      if (is_active(pod) && !pod.spec().node_name().empty()) ++siblings[std::string(pod.spec().node_name())];
    }
  }
  std::vector<PodRank> ranks;
  for (std::size_t i = 0; i < active.size(); ++i) ranks.push_back(rank_of(i, *active[i], siblings));
  std::vector<api::ObjectPtr> out;
  for (std::size_t i : pick_for_deletion(std::move(ranks), n, unix_seconds(clock_.wall())))
    out.push_back(active[i]);
  return out;
}

Task<Result<void>> ReplicaController::write_status(ReplicaSpec spec, ReplicaStatus status) {
  api::ObjectPtr current = spec.object;
  const std::string ns(current->namespace_()), name(current->name());
  for (int attempt = 0;; ++attempt) {
    auto wanted = with_status(*current, status, api_now(clock_));
    if (!wanted) co_return Result<void>{};
    auto done = co_await transport_.update(*current->kind(), ns, wanted, {.subresource = "status"});
    if (done) co_return Result<void>{};
    if (api::is_not_found(done.error())) co_return Result<void>{};
    if (attempt >= 1) co_return fail(done.error());
    current = CO_TRY(co_await transport_.get(*current->kind(), ns, name, {}));
  }
}

}  // namespace keelson::controllers
