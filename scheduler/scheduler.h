// Scheduler: gives every pod without a node one, as kube-scheduler's default profile does.
//
//   informers (pods, nodes) ──► snapshot + queue ──► decide() ──► assume ──► bind (POST pods/binding)
//                                                     └──► condition PodScheduled=False + event FailedScheduling
//
// One decision at a time on the scheduler's strand; bindings run beside it. An assumed pod counts against its node at once and
// is forgotten again if the binding fails. Leader-elected by the Lease kube-system/kube-scheduler.
#pragma once

#include <atomic>
#include <memory>
#include <set>
#include <string>

#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "client/event_recorder.h"
#include "client/informer.h"
#include "client/transport.h"
#include "scheduler/algorithm.h"
#include "scheduler/queue.h"
#include "scheduler/snapshot.h"

namespace keelson::scheduler {

struct SchedulerOptions {
  std::string name = "default-scheduler";  // spec.schedulerName it serves
  std::string identity;                    // of this instance, for the Lease
  bool leader_elect = true;
};

class Scheduler {
 public:
  // Everything referenced outlives the scheduler. `informers` is started by the caller after construction.
  Scheduler(SchedulerOptions options, client::Transport& transport, client::InformerFactory& informers,
            client::EventBroadcaster& events, Executor executor, Clock& clock, Rng rng, Logger logger);
  ~Scheduler();  // REQUIRES: stop() has returned, or start() was never called.

  void start();
  Task<> stop();
  // Whether this instance holds the Lease (always, without leader election).
  bool leading() const { return leading_.load(); }
  // Text of scheduler_* metrics for /metrics.
  std::string metrics() const;

 private:
  struct Counters;
  Task<> run();
  Task<> lead();
  Task<> schedule_loop();
  void schedule_one(PodInfoPtr pod);
  Task<> bind(PodInfoPtr pod, std::string node);
  Task<> report_failure(PodInfoPtr pod, std::string message);
  void on_pod(const api::ObjectPtr& old, const api::ObjectPtr& now);
  void on_node(const api::ObjectPtr& old, const api::ObjectPtr& now);
  void room_may_have_grown();

  const SchedulerOptions o_;
  client::Transport& transport_;
  client::EventRecorder recorder_;
  Executor strand_;
  Clock& clock_;
  Rng rng_;
  Logger log_;
  std::shared_ptr<client::Informer> pods_, nodes_;
  Snapshot snapshot_;
  SchedulingQueue queue_;
  std::set<std::string> assumed_;  // uids bound here, not yet seen bound by the informer
  AsyncEvent work_;
  TaskGroup tasks_;
  TaskGroup bindings_;
  std::unique_ptr<Counters> counters_;
  std::atomic<bool> leading_{false};
};

}  // namespace keelson::scheduler
