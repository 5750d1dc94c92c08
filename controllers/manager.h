// ControllerManager: all controllers of one process, behind one leader election.
//
//   start() ──► wait for the Lease ──► informers, events, controllers run ──► Lease lost, or stop(): all of
//   it ends
// A manager that lost its Lease says so by lost() and does nothing more: the process is restarted (keelson up
// makes a new manager). Everything is derived from the API's state, so a restart at any moment is safe.
// Thread rule: start() once; stop() from any executor; metrics from any thread.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "client/leader_election.h"
#include "controllers/controller.h"
#include "controllers/node_lifecycle.h"
#include "controllers/pod_gc.h"

namespace keelson::controllers {

struct ControllerManagerOptions {
  // Published to every namespace as kube-root-ca.crt; empty: not published.
  std::string root_ca_pem;
  // Unique among instances: "host_uuid". An instance that is the only one on its data dir keeps its identity over
  // restarts: then it goes on at once after a crash, in place of waiting for its own Lease to end.
  std::string identity;
  bool leader_elect = true;
  Duration lease_duration = std::chrono::seconds(15);
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry_period = std::chrono::seconds(2);
  Duration namespace_deletion_grace = std::chrono::seconds(5);
  NodeLifecycleOptions node_lifecycle;
  PodGcOptions pod_gc;
  int concurrent_deployment_syncs = 5;
  int concurrent_replicaset_syncs = 5;
  int concurrent_rc_syncs = 5;
  int concurrent_gc_syncs = 20;
};

class ControllerManager {
 public:
  // Runs on strands of `executor`. `transport` (with the controller manager's identity) and `clock` outlive
  // it.
  ControllerManager(ControllerManagerOptions options, client::Transport& transport, Executor executor,
                    Clock& clock, Rng rng, Logger logger);
  ~ControllerManager();  // REQUIRES: stop() has returned, or start() was never called.

  void start();
  // Ends everything and gives the Lease back.
  Task<> stop();
  bool is_leader() const;
  // Set when leadership was lost.
  AsyncEvent& lost() { return lost_; }
  // workqueue_* of all controllers, in Prometheus text form.
  void write_metrics(std::string& out) const;

 private:
  Task<> run();
  void make_controllers();
  Task<> stop_controllers();

  const ControllerManagerOptions options_;
  client::Transport& transport_;
  Executor executor_;
  Clock& clock_;
  Logger logger_;
  client::InformerFactory informers_;
  client::EventBroadcaster events_;
  client::LeaderElector elector_;
  Context context_;
  mutable std::mutex mu_;
  std::vector<std::unique_ptr<Controller>> controllers_;
  AsyncEvent lost_;
  TaskGroup tasks_;
};

}  // namespace keelson::controllers
