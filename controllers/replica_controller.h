// ReplicaController: keeps the number of pods of each ReplicaSet (or ReplicationController) at spec.replicas.
//
// One class for both kinds: they differ in their selector, in status fields and in names (ReplicaKind).
// sync() claims pods by selector (adopting and releasing), creates what is missing in batches of 1, 2, 4 …
// (so that a refusal costs one request, not five hundred), deletes what is too much in the order of
// controllers/pod_ranking.h, and writes status. Creations and deletions not yet seen in the cache are kept as
// Expectations: while some are open nothing is created or deleted.
#pragma once

#include <memory>
#include <optional>

#include "controllers/claim.h"
#include "controllers/controller.h"
#include "controllers/expectations.h"

namespace keelson::controllers {

// What distinguishes the two kinds.
struct ReplicaKind {
  std::string_view api_version;
  std::string_view kind;
  std::string_view controller;  // "replicaset", "replicationcontroller": queue and logger
  std::string_view component;   // of events: "replicaset-controller", "replication-controller"
};
const ReplicaKind& replica_set_kind();
const ReplicaKind& replication_controller_kind();

// The parts of either kind that sync() works with; views into `object`.
struct ReplicaSpec {
  api::ObjectPtr object;
  std::int64_t replicas = 1;
  std::int64_t min_ready_seconds = 0;
  std::int64_t ready_replicas = 0;  // of status
  Selector selector;
  core::PodTemplateSpec pod_template;
};
ReplicaSpec replica_spec(api::ObjectPtr object);

// What status is to say.
struct ReplicaStatus {
  std::int64_t replicas = 0;
  std::int64_t fully_labeled = 0;
  std::int64_t ready = 0;
  std::int64_t available = 0;
  std::int64_t terminating = 0;
  std::string failure_reason;  // "FailedCreate", "FailedDelete", or empty: no ReplicaFailure condition
  std::string failure_message;
};
ReplicaStatus count_pods(const ReplicaSpec& spec, const std::vector<api::ObjectPtr>& pods, WallTime now);
// A copy of `object` with that status; null when it says so already.
api::ObjectPtr with_status(const api::Object& object, const ReplicaStatus& status, api::Time now);

class ReplicaController final : public Controller {
 public:
  ReplicaController(const Context& context, const ReplicaKind& kind, int workers = 5);

 protected:
  Task<Result<void>> sync(std::string key) override;

 private:
  void watch_owners();
  void watch_pods();
  void on_pod_added(const api::ObjectPtr& pod);
  void on_pod_updated(const api::ObjectPtr& old, const api::ObjectPtr& now);
  void on_pod_deleted(const api::ObjectPtr& pod);
  void enqueue_matching(const api::Object& pod);
  // The owner of `pod` in the cache; null when its controller is none of ours.
  api::ObjectPtr owner_of(const api::Object& pod) const;

  // Creates or deletes; the error of the first refusal.
  Task<Result<void>> manage(ReplicaSpec spec, std::vector<api::ObjectPtr> active);
  Task<Result<void>> create_pods(ReplicaSpec spec, std::size_t n);
  Task<Result<void>> create_pod(ReplicaSpec spec);
  Task<Result<void>> delete_pods(ReplicaSpec spec, std::vector<api::ObjectPtr> pods);
  Task<Result<void>> delete_pod(ReplicaSpec spec, api::ObjectPtr pod);
  std::vector<api::ObjectPtr> pods_to_delete(const ReplicaSpec& spec,
                                             const std::vector<api::ObjectPtr>& active, std::size_t n) const;
  Task<Result<void>> write_status(ReplicaSpec spec, ReplicaStatus status);

  const ReplicaKind& replica_kind_;
  client::EventRecorder recorder_;
  client::Informer& owners_;
  client::Informer& pods_;
  Expectations expectations_;
};

// True for a refusal because the namespace is being deleted: not worth an event or a retry.
bool is_namespace_terminating(const Error& error);

}  // namespace keelson::controllers
