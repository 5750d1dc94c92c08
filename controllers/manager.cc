#include "controllers/manager.h"

#include <boost/asio/strand.hpp>

#include "controllers/deployment.h"
#include "controllers/endpoint_slices.h"
#include "controllers/endpoints.h"
#include "controllers/garbage_collector.h"
#include "controllers/namespace.h"
#include "controllers/namespace_defaults.h"
#include "controllers/replica_controller.h"
#include "controllers/taint_eviction.h"

namespace keelson::controllers {

namespace {

client::LeaderElectionOptions election(const ControllerManagerOptions& o) {
  client::LeaderElectionOptions out;
  out.name = "kube-controller-manager";
  out.identity = o.identity.empty() ? "keelson" : o.identity;
  out.lease_duration = o.lease_duration;
  out.renew_deadline = o.renew_deadline;
  out.retry_period = o.retry_period;
  return out;
}

}  // namespace

ControllerManager::ControllerManager(ControllerManagerOptions options, client::Transport& transport,
                                     Executor executor, Clock& clock, Rng rng, Logger logger)
    : options_(std::move(options)),
      transport_(transport),
      executor_(executor),
      clock_(clock),
      logger_(logger.named("controller-manager")),
      informers_(transport, executor, clock, rng.fork(), logger_),
      events_(transport, executor, clock, rng.fork(), logger_),
      elector_(election(options_), transport, clock, rng.fork(), logger_),
      context_{transport_, informers_, events_, executor_, clock_, rng.fork(), logger_} {}

ControllerManager::~ControllerManager() = default;

bool ControllerManager::is_leader() const {
  return !options_.leader_elect || elector_.is_leader();
}

void ControllerManager::make_controllers() {
  std::lock_guard lock(mu_);
  auto add = [this](std::unique_ptr<Controller> c) { controllers_.push_back(std::move(c)); };
  add(std::make_unique<DeploymentController>(context_, options_.concurrent_deployment_syncs));
  add(std::make_unique<ReplicaController>(context_, replica_set_kind(),
                                          options_.concurrent_replicaset_syncs));
  add(std::make_unique<ReplicaController>(context_, replication_controller_kind(),
                                          options_.concurrent_rc_syncs));
  add(std::make_unique<NamespaceController>(context_, options_.namespace_deletion_grace));
  add(std::make_unique<ServiceAccountController>(context_));
  if (!options_.root_ca_pem.empty()) add(std::make_unique<RootCaPublisher>(context_, options_.root_ca_pem));
  add(std::make_unique<EndpointsController>(context_));
  add(std::make_unique<EndpointSliceController>(context_));
  add(std::make_unique<NodeLifecycleController>(context_, options_.node_lifecycle));
  add(std::make_unique<TaintEvictionController>(context_));
  add(std::make_unique<PodGarbageCollector>(context_, options_.pod_gc));
  add(std::make_unique<GarbageCollector>(context_, options_.concurrent_gc_syncs));
}

void ControllerManager::start() {
  tasks_.spawn(boost::asio::make_strand(executor_), run());
}

Task<> ControllerManager::run() {
  if (options_.leader_elect) co_await elector_.acquire();
  make_controllers();
  events_.start();
  informers_.start();
  for (auto& c : controllers_) c->start();
  logger_.info("controllers started", {{"controllers", controllers_.size()}});
  if (!options_.leader_elect) co_return;
  co_await elector_.hold();
  co_await stop_controllers();
  lost_.set();
}

Task<> ControllerManager::stop_controllers() {
  for (auto& c : controllers_) co_await c->stop();
  co_await informers_.stop();
  co_await events_.stop();
}

Task<> ControllerManager::stop() {
  co_await tasks_.stop();
  co_await stop_controllers();
  if (options_.leader_elect) co_await elector_.release();
}

void ControllerManager::write_metrics(std::string& out) const {
  std::vector<client::WorkQueueStats> stats;
  {
    std::lock_guard lock(mu_);
    for (const auto& c : controllers_) stats.push_back(c->queue_stats());
  }
  client::write_prometheus(out, stats);
}

}  // namespace keelson::controllers
