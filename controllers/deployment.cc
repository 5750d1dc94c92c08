#include "controllers/deployment.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/status.h"
#include "base/check.h"
#include "controllers/deployment_revision.h"
#include "controllers/deployment_status.h"
#include "controllers/replica_controller.h"

namespace keelson::controllers {

std::vector<api::ObjectPtr> Rollout::all() const {
  auto out = old_sets;
  if (new_set) out.push_back(new_set);
  return out;
}

namespace {

std::int64_t replicas_of(const api::Object& set) {
  return apps::ReplicaSet::of(set).spec().replicas_or(1);
}

ReplicaSetState state_of(const api::Object& set) {
  const auto rs = apps::ReplicaSet::of(set);
  return {std::string(set.name()), set.meta().creation_timestamp().seconds, replicas_of(set),
          rs.status().available_replicas(), annotation_number(set, kMaxReplicas)};
}

std::vector<ReplicaSetState> states_of(const std::vector<api::ObjectPtr>& sets) {
  std::vector<ReplicaSetState> out;
  for (const auto& set : sets) out.push_back(state_of(*set));
  return out;
}

// A mutable copy of the Deployment whose status is changed and written.
struct StatusEdit {
  explicit StatusEdit(const Rollout& rollout)
      : object(rollout.deployment->clone()), status(apps::DeploymentMut::of(*object).mutable_status()) {}
  std::unique_ptr<api::Object> object;
  apps::DeploymentStatusMut status;
};

// The size of `deployment` was changed since these ReplicaSets were last brought up to date.
bool is_scaling(apps::Deployment deployment, const std::vector<api::ObjectPtr>& sets) {
  for (const auto& set : sets) {
    if (replicas_of(*set) == 0 || !has_annotation(*set, kDesiredReplicas)) continue;
    if (annotation_number(*set, kDesiredReplicas) != deployment.spec().replicas_or(1)) return true;
  }
  return false;
}

}  // namespace

DeploymentController::DeploymentController(const Context& context, int workers)
    : Controller(context, "deployment", workers),
      recorder_(context.events, "deployment-controller"),
      deployments_(informer("apps/v1", "Deployment")),
      sets_(informer("apps/v1", "ReplicaSet")),
      pods_(informer("v1", "Pod")) {
  sets_.add_index(std::string(kByController), index_by_controller);
  pods_.add_index(std::string(kByController), index_by_controller);
  watch_objects();
}

void DeploymentController::watch_objects() {
  deployments_.add_handler({
      .on_add = [this](const api::ObjectPtr& o) { queue_.add(client::object_key(*o)); },
      .on_update = [this](const api::ObjectPtr&,
                          const api::ObjectPtr& o) { queue_.add(client::object_key(*o)); },
      .on_delete = [this](const api::ObjectPtr& o) { queue_.add(client::object_key(*o)); },
  });
  sets_.add_handler({
      .on_add = [this](const api::ObjectPtr& o) { enqueue_owner(*o); },
      .on_update =
          [this](const api::ObjectPtr& old, const api::ObjectPtr& now) {
            if (old->resource_version() == now->resource_version()) return;
            if (controller_of(*old).uid() != controller_of(*now).uid()) enqueue_owner(*old);
            enqueue_owner(*now);
          },
      .on_delete = [this](const api::ObjectPtr& o) { enqueue_owner(*o); },
  });
  // Recreate waits for the last old pod to be gone, which no ReplicaSet's status tells.
  pods_.add_handler({.on_delete = [this](const api::ObjectPtr& pod) {
    const auto ref = controller_of(*pod);
    if (!ref || ref.kind() != "ReplicaSet") return;
    auto set = sets_.store().get(pod->namespace_(), ref.name());
    if (set && set->uid() == ref.uid()) enqueue_owner(*set);
  }});
}

void DeploymentController::enqueue_owner(const api::Object& set) {
  if (const auto ref = controller_of(set)) {
    if (ref.kind() == "Deployment") queue_.add(client::object_key(set.namespace_(), ref.name()));
    return;
  }
  for (const auto& d : deployments_.store().list_namespace(set.namespace_())) {
    if (Selector::from(apps::Deployment::of(*d).spec().selector()).matches(set.meta().labels())) {
      queue_.add(client::object_key(*d));
    }
  }
}

Task<Result<std::vector<api::ObjectPtr>>> DeploymentController::claim_sets(api::ObjectPtr deployment) {
  auto candidates = sets_.store().by_index(kByController, deployment->uid());
  for (auto& set : sets_.store().by_index(kByController, orphans_of(deployment->namespace_()))) {
    candidates.push_back(std::move(set));
  }
  co_return co_await claim(transport_, deployment,
                           Selector::from(apps::Deployment::of(*deployment).spec().selector()),
                           std::move(candidates));
}

Task<Result<void>> DeploymentController::sync(std::string key) {
  Rollout rollout;
  rollout.deployment = deployments_.store().get_by_key(key);
  if (!rollout.deployment) co_return Result<void>{};
  const auto selector = rollout.view().spec().selector();
  if (selector.match_labels().empty() && selector.match_expressions().empty()) {
    recorder_.event(*rollout.deployment, "Warning", "SelectingAll",
                    "This deployment is selecting all pods. A non-empty selector is required.");
    co_return Result<void>{};
  }
  auto sets = CO_TRY(co_await claim_sets(rollout.deployment));
  if (rollout.deployment->meta().has_deletion_timestamp()) {
    CO_TRY(co_await find_new_set(&rollout, std::move(sets), false));
    co_return co_await write_counts(&rollout);
  }
  CO_TRY(co_await check_paused(&rollout));
  if (rollout.view().spec().paused() || is_scaling(rollout.view(), sets)) {
    co_return co_await sync_paused_or_scaled(&rollout, std::move(sets));
  }
  if (is_rolling_update(rollout.view())) co_return co_await roll(&rollout, std::move(sets));
  co_return co_await recreate(&rollout, std::move(sets));
}

Task<Result<void>> DeploymentController::check_paused(Rollout* rollout) {
  const auto d = rollout->view();
  if (!has_progress_deadline(d)) co_return Result<void>{};
  const auto c = deployment_condition(d.status(), "Progressing");
  if (c && c.reason() == "ProgressDeadlineExceeded") co_return Result<void>{};
  const bool said = c && c.reason() == "DeploymentPaused";
  if (d.spec().paused() == said) co_return Result<void>{};
  StatusEdit edit(*rollout);
  if (d.spec().paused()) {
    set_condition(edit.status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused",
                  api_now(clock_));
  } else {
    set_condition(edit.status, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed",
                  api_now(clock_));
  }
  co_return co_await update_status(rollout, api::freeze(std::move(edit.object)));
}

// ---- the new ReplicaSet ----

Task<Result<void>> DeploymentController::find_new_set(Rollout* rollout, std::vector<api::ObjectPtr> sets,
                                                      bool create) {
  rollout->new_set = new_set_of(rollout->view(), sets);
  rollout->old_sets.clear();
  for (auto& set : sets) {
    if (!rollout->new_set || set->uid() != rollout->new_set->uid())
      rollout->old_sets.push_back(std::move(set));
  }
  if (rollout->new_set) co_return co_await refresh_new_set(rollout);
  if (create) co_return co_await create_new_set(rollout);
  co_return Result<void>{};
}

Task<Result<void>> DeploymentController::refresh_new_set(Rollout* rollout) {
  const auto d = rollout->view();
  auto copy = rollout->new_set->clone();
  auto set = apps::ReplicaSetMut::of(*copy);
  bool changed = put_revision(d, set, max_revision(rollout->old_sets) + 1);
  if (set.view().spec().min_ready_seconds() != d.spec().min_ready_seconds()) {
    set.mutable_spec().set_min_ready_seconds(d.spec().min_ready_seconds());
    changed = true;
  }
  const std::string ns(rollout->deployment->namespace_());
  if (changed) {
    rollout->new_set = CO_TRY(
        co_await transport_.update(apps::ReplicaSet::kind_info(), ns, api::freeze(std::move(copy)), {}));
  }
  // The Deployment's revision follows its new ReplicaSet's.
  const std::string revision(rollout->new_set->meta().annotations().get(kRevision));
  StatusEdit edit(*rollout);
  bool write = false;
  if (d.metadata().annotations().get(kRevision) != revision) {
    edit.object->mutable_meta().mutable_annotations().set(kRevision, revision);
    write = true;
  }
  if (has_progress_deadline(d) && !deployment_condition(d.status(), "Progressing")) {
    set_condition(edit.status, "Progressing", "True", "FoundNewReplicaSet",
                  fmt::format("Found new replica set \"{}\"", rollout->new_set->name()), api_now(clock_));
    write = true;
  }
  if (!write) co_return Result<void>{};
  co_return co_await update_status(rollout, api::freeze(std::move(edit.object)));
}

Task<Result<void>> DeploymentController::create_new_set(Rollout* rollout) {
  const auto d = rollout->view();
  const auto collisions =
      d.status().has_collision_count() ? std::optional(d.status().collision_count()) : std::nullopt;
  const std::string hash = pod_template_hash(d.spec().template_(), collisions);
  const auto numbers = deployment_numbers(d);
  std::int64_t others = 0;
  for (const auto& set : rollout->old_sets) others += replicas_of(*set);
  const std::int64_t replicas =
      is_rolling_update(d) ? new_replica_set_size(numbers, others, 0) : numbers.desired;

  auto object = api::Object::make(apps::ReplicaSet::kind_info(), 4096);
  auto set = apps::ReplicaSetMut::of(*object);
  auto metadata = set.mutable_metadata();
  metadata.set_name(fmt::format("{}-{}", d.metadata().name(), hash));
  metadata.set_namespace(d.metadata().namespace_());
  set_controller(metadata, *rollout->deployment);
  metadata.set_labels(d.spec().template_().metadata().labels());
  metadata.mutable_labels().set(kTemplateHash, hash);
  auto spec = set.mutable_spec();
  spec.set_replicas(static_cast<std::int32_t>(replicas));
  spec.set_min_ready_seconds(d.spec().min_ready_seconds());
  spec.set_selector(d.spec().selector());
  spec.mutable_selector().mutable_match_labels().set(kTemplateHash, hash);
  spec.set_template(d.spec().template_());
  spec.mutable_template().mutable_metadata().mutable_labels().set(kTemplateHash, hash);
  const std::int64_t revision = max_revision(rollout->old_sets) + 1;
  put_revision(d, set, revision);
  put_sizes(set, numbers);

  api::ObjectPtr wanted = api::freeze(std::move(object));
  auto created = co_await transport_.create(apps::ReplicaSet::kind_info(), std::string(wanted->namespace_()),
                                            wanted, {});
  if (!created) co_return co_await resolve_collision(rollout, wanted, created.error());
  rollout->new_set = *created;
  if (replicas > 0) {
    recorder_.event(*rollout->deployment, "Normal", "ScalingReplicaSet",
                    fmt::format("Scaled up replica set {} from 0 to {}", wanted->name(), replicas));
  }
  StatusEdit edit(*rollout);
  edit.object->mutable_meta().mutable_annotations().set(kRevision, std::to_string(revision));
  if (has_progress_deadline(d)) {
    set_condition(edit.status, "Progressing", "True", "NewReplicaSetCreated",
                  fmt::format("Created new replica set \"{}\"", wanted->name()), api_now(clock_));
  }
  co_return co_await update_status(rollout, api::freeze(std::move(edit.object)));
}

Task<Result<void>> DeploymentController::resolve_collision(Rollout* rollout, api::ObjectPtr wanted,
                                                           Error error) {
  const auto d = rollout->view();
  StatusEdit edit(*rollout);
  if (api::is_already_exists(error)) {
    auto there = co_await transport_.get(apps::ReplicaSet::kind_info(), std::string(wanted->namespace_()),
                                         std::string(wanted->name()), {});
    if (!there) co_return fail(there.error());
    if (controller_of(**there).uid() == rollout->deployment->uid() &&
        same_template(apps::ReplicaSet::of(**there).spec().template_(), d.spec().template_())) {
      rollout->new_set = *there;
      co_return co_await refresh_new_set(rollout);
    }
    edit.status.set_collision_count(d.status().collision_count_or(0) + 1);
    CO_TRY(co_await update_status(rollout, api::freeze(std::move(edit.object))));
    co_return fail(std::move(error));
  }
  if (is_namespace_terminating(error)) co_return Result<void>{};
  const std::string message =
      fmt::format("Failed to create new replica set \"{}\": {}", wanted->name(), error.message);
  if (has_progress_deadline(d)) {
    set_condition(edit.status, "Progressing", "False", "ReplicaSetCreateError", message, api_now(clock_));
    co_await update_status(rollout, api::freeze(std::move(edit.object)));
  }
  recorder_.event(*rollout->deployment, "Warning", "ReplicaSetCreateError", message);
  co_return fail(std::move(error));
}

// ---- scaling ----

Task<Result<api::ObjectPtr>> DeploymentController::scale(api::ObjectPtr deployment, api::ObjectPtr set,
                                                         std::int64_t replicas) {
  const std::int64_t before = replicas_of(*set);
  auto copy = set->clone();
  auto mut = apps::ReplicaSetMut::of(*copy);
  const bool sizes = put_sizes(mut, deployment_numbers(apps::Deployment::of(*deployment)));
  if (!sizes && before == replicas) co_return set;
  mut.mutable_spec().set_replicas(static_cast<std::int32_t>(replicas));
  auto updated = CO_TRY(co_await transport_.update(
      apps::ReplicaSet::kind_info(), std::string(set->namespace_()), api::freeze(std::move(copy)), {}));
  if (before != replicas) {
    recorder_.event(*deployment, "Normal", "ScalingReplicaSet",
                    fmt::format("Scaled {} replica set {} from {} to {}", replicas > before ? "up" : "down",
                                set->name(), before, replicas));
  }
  co_return updated;
}

// Indexes of `plan` are those of rollout->all().
Task<Result<void>> DeploymentController::apply(Rollout* rollout, std::vector<ScaleTo> plan) {
  for (const ScaleTo& step : plan) {
    const bool is_new = step.index == rollout->old_sets.size();
    api::ObjectPtr& slot = is_new ? rollout->new_set : rollout->old_sets.at(step.index);
    slot = CO_TRY(co_await scale(rollout->deployment, slot, step.replicas));
  }
  co_return Result<void>{};
}

Task<Result<void>> DeploymentController::sync_paused_or_scaled(Rollout* rollout,
                                                               std::vector<api::ObjectPtr> sets) {
  CO_TRY(co_await find_new_set(rollout, std::move(sets), false));
  const auto numbers = deployment_numbers(rollout->view());
  const auto all = rollout->all();
  std::vector<std::size_t> active;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (replicas_of(*all[i]) > 0) active.push_back(i);
  }
  std::vector<ScaleTo> plan;
  if (active.size() <= 1) {
    // One has it all: the only active one, else the new one, else the latest.
    std::size_t target = all.size();
    if (!active.empty()) {
      target = active[0];
    } else if (rollout->new_set) {
      target = all.size() - 1;
    } else {
      for (std::size_t i = 0; i < all.size(); ++i) {
        if (target == all.size() ||
            all[target]->meta().creation_timestamp() < all[i]->meta().creation_timestamp()) {
          target = i;
        }
      }
    }
    if (target < all.size()) plan.push_back({target, numbers.desired});
  } else if (rollout->new_set && replicas_of(*rollout->new_set) == numbers.desired &&
             annotation_number(*rollout->new_set, kDesiredReplicas) == numbers.desired &&
             apps::ReplicaSet::of(*rollout->new_set).status().available_replicas() == numbers.desired) {
    for (std::size_t i : active) {
      if (i < rollout->old_sets.size()) plan.push_back({i, 0});
    }
  } else if (is_rolling_update(rollout->view())) {
    plan = plan_proportional_scale(numbers, states_of(all));
  }
  CO_TRY(co_await apply(rollout, std::move(plan)));
  if (rollout->view().spec().paused()) CO_TRY(co_await clean_up_history(rollout));
  co_return co_await write_counts(rollout);
}

Task<Result<void>> DeploymentController::roll(Rollout* rollout, std::vector<api::ObjectPtr> sets) {
  CO_TRY(co_await find_new_set(rollout, std::move(sets), true));
  if (!rollout->new_set) co_return Result<void>{};
  auto plan = plan_rolling_step(deployment_numbers(rollout->view()), states_of(rollout->all()),
                                rollout->old_sets.size());
  if (!plan.empty()) {
    CO_TRY(co_await apply(rollout, std::move(plan)));
    co_return co_await write_progress(rollout);
  }
  if (is_complete(rollout->view(), rollout->view().status())) CO_TRY(co_await clean_up_history(rollout));
  co_return co_await write_progress(rollout);
}

bool DeploymentController::old_pods_running(const Rollout& rollout) const {
  for (const auto& set : rollout.old_sets) {
    if (apps::ReplicaSet::of(*set).status().replicas() > 0) return true;
    for (const auto& pod : pods_.store().by_index(kByController, set->uid())) {
      if (!is_terminal(core::Pod::of(*pod))) return true;
    }
  }
  return false;
}

Task<Result<void>> DeploymentController::recreate(Rollout* rollout, std::vector<api::ObjectPtr> sets) {
  CO_TRY(co_await find_new_set(rollout, sets, false));
  std::vector<ScaleTo> down;
  for (std::size_t i = 0; i < rollout->old_sets.size(); ++i) {
    if (replicas_of(*rollout->old_sets[i]) > 0) down.push_back({i, 0});
  }
  if (!down.empty()) {
    CO_TRY(co_await apply(rollout, std::move(down)));
    co_return co_await write_progress(rollout);
  }
  if (old_pods_running(*rollout)) co_return co_await write_progress(rollout);
  if (!rollout->new_set) {
    CO_TRY(co_await find_new_set(rollout, std::move(sets), true));
    if (!rollout->new_set) co_return Result<void>{};
  }
  CO_TRY(co_await apply(rollout, {{rollout->old_sets.size(), deployment_numbers(rollout->view()).desired}}));
  if (is_complete(rollout->view(), rollout->view().status())) CO_TRY(co_await clean_up_history(rollout));
  co_return co_await write_progress(rollout);
}

Task<Result<void>> DeploymentController::clean_up_history(Rollout* rollout) {
  const auto d = rollout->view();
  if (!has_history_limit(d)) co_return Result<void>{};
  std::vector<api::ObjectPtr> sets;
  for (const auto& set : rollout->old_sets) {
    if (!set->meta().has_deletion_timestamp()) sets.push_back(set);
  }
  const auto limit = static_cast<std::size_t>(std::max(0, d.spec().revision_history_limit()));
  if (sets.size() <= limit) co_return Result<void>{};
  std::sort(sets.begin(), sets.end(), [](const api::ObjectPtr& a, const api::ObjectPtr& b) {
    const auto ra = annotation_number(*a, kRevision), rb = annotation_number(*b, kRevision);
    return ra != rb ? ra < rb : a->name() < b->name();
  });
  const std::size_t surplus = sets.size() - limit;
  for (std::size_t i = 0; i < surplus; ++i) {
    const auto rs = apps::ReplicaSet::of(*sets[i]);
    if (rs.status().replicas() != 0 || replicas_of(*sets[i]) != 0 ||
        rs.metadata().generation() > rs.status().observed_generation()) {
      continue;
    }
    auto done = co_await transport_.remove(apps::ReplicaSet::kind_info(), std::string(sets[i]->namespace_()),
                                           std::string(sets[i]->name()), {});
    if (!done && !api::is_not_found(done.error())) co_return fail(done.error());
  }
  co_return Result<void>{};
}

// ---- status ----

Task<Result<void>> DeploymentController::write_counts(Rollout* rollout) {
  StatusEdit edit(*rollout);
  put_counts(rollout->view(), rollout->all(), rollout->new_set.get(), edit.status, api_now(clock_));
  if (api::equal(edit.status, rollout->view().status())) co_return Result<void>{};
  co_return co_await update_status(rollout, api::freeze(std::move(edit.object)));
}

Task<Result<void>> DeploymentController::write_progress(Rollout* rollout) {
  StatusEdit edit(*rollout);
  const auto now = api_now(clock_);
  put_counts(rollout->view(), rollout->all(), rollout->new_set.get(), edit.status, now);
  put_progress(rollout->view(), rollout->all(), rollout->new_set.get(), edit.status, now);
  if (api::equal(edit.status, rollout->view().status())) {
    requeue_for_deadline(*rollout);
    co_return Result<void>{};
  }
  co_return co_await update_status(rollout, api::freeze(std::move(edit.object)));
}

Task<Result<void>> DeploymentController::update_status(Rollout* rollout, api::ObjectPtr wanted) {
  auto updated = co_await transport_.update(apps::Deployment::kind_info(), std::string(wanted->namespace_()),
                                            wanted, {.subresource = "status"});
  if (!updated) {
    if (api::is_not_found(updated.error())) co_return Result<void>{};
    co_return fail(updated.error());
  }
  rollout->deployment = *updated;
  co_return Result<void>{};
}

void DeploymentController::requeue_for_deadline(const Rollout& rollout) {
  const auto d = rollout.view();
  const auto c = deployment_condition(d.status(), "Progressing");
  if (!has_progress_deadline(d) || !c) return;
  if (is_complete(d, d.status()) || c.reason() == "ProgressDeadlineExceeded") return;
  const std::int64_t left =
      c.last_update_time().seconds + d.spec().progress_deadline_seconds() - unix_seconds(clock_.wall());
  queue_.add_after(client::object_key(*rollout.deployment),
                   std::chrono::seconds(std::max<std::int64_t>(left, 0) + 1));
}

}  // namespace keelson::controllers
