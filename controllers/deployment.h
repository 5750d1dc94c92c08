// DeploymentController: moves Deployments from one ReplicaSet to the next.
//
// sync(key) takes one step (create the new ReplicaSet, or scale one up or some down) and writes status; every
// ReplicaSet's change brings the key back until nothing is left to do. What is scaled by how much is decided
// in controllers/deployment_plan.h; conditions and counts in controllers/deployment_status.h; revisions and
// annotations in controllers/deployment_revision.h.
#pragma once

#include "api/gen/apps_v1.h"
#include "controllers/claim.h"
#include "controllers/controller.h"
#include "controllers/deployment_plan.h"

namespace keelson::controllers {

namespace apps = api::apps_v1;

// A Deployment and its ReplicaSets, as one sync sees and changes them: writes replace the objects here, so
// that later steps of the same sync work on current ones.
struct Rollout {
  api::ObjectPtr deployment;
  std::vector<api::ObjectPtr> old_sets;
  api::ObjectPtr new_set;  // null: none yet

  apps::Deployment view() const { return apps::Deployment::of(*deployment); }
  // The old ones, then the new one.
  std::vector<api::ObjectPtr> all() const;
};

class DeploymentController final : public Controller {
 public:
  explicit DeploymentController(const Context& context, int workers = 5);

 protected:
  Task<Result<void>> sync(std::string key) override;

 private:
  void watch_objects();
  void enqueue_owner(const api::Object& replica_set);
  Task<Result<std::vector<api::ObjectPtr>>> claim_sets(api::ObjectPtr deployment);

  // Which ReplicaSet is the new one. With `create`, makes it when there is none; brings its revision and
  // annotations up to date and the Deployment's revision after it.
  Task<Result<void>> find_new_set(Rollout* rollout, std::vector<api::ObjectPtr> sets, bool create);
  Task<Result<void>> refresh_new_set(Rollout* rollout);
  Task<Result<void>> create_new_set(Rollout* rollout);
  // The name is taken: ours after all, or a hash collision to be counted.
  Task<Result<void>> resolve_collision(Rollout* rollout, api::ObjectPtr wanted, Error error);

  Task<Result<void>> sync_paused_or_scaled(Rollout* rollout, std::vector<api::ObjectPtr> sets);
  Task<Result<void>> roll(Rollout* rollout, std::vector<api::ObjectPtr> sets);
  Task<Result<void>> recreate(Rollout* rollout, std::vector<api::ObjectPtr> sets);
  Task<Result<void>> check_paused(Rollout* rollout);
  Task<Result<void>> clean_up_history(Rollout* rollout);
  bool old_pods_running(const Rollout& rollout) const;

  // Brings spec.replicas and the size annotations of one ReplicaSet up to date; with an event when the size
  // changes.
  Task<Result<api::ObjectPtr>> scale(api::ObjectPtr deployment, api::ObjectPtr set, std::int64_t replicas);
  Task<Result<void>> apply(Rollout* rollout, std::vector<ScaleTo> plan);

  // Counts only (paused, scaling, being deleted), or with the Progressing condition (rolling).
  Task<Result<void>> write_counts(Rollout* rollout);
  Task<Result<void>> write_progress(Rollout* rollout);
  Task<Result<void>> update_status(Rollout* rollout, api::ObjectPtr wanted);
  void requeue_for_deadline(const Rollout& rollout);

  client::EventRecorder recorder_;
  client::Informer& deployments_;
  client::Informer& sets_;
  client::Informer& pods_;
};

}  // namespace keelson::controllers
