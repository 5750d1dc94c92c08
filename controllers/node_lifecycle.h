// NodeLifecycleController: notices that a node's kubelet has gone silent, says so in the node's conditions,
// and keeps the taints that follow from conditions.
//
//   every 5 s: Lease or status seen to change within the grace period (40 s, by our own clock)? if not: all
//              conditions Unknown, pods of the node not ready, events
//   on change of a node:  NoSchedule taints by conditions and by spec.unschedulable; kubernetes.io labels
//   kept in step every 5 s: NoExecute taint not-ready or unreachable while Ready is not True; when no node at
//   all is ready the fault is more
//              likely ours: then none is set, and those set are taken back
// Evicting is controllers/taint_eviction.h's work.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "controllers/controller.h"
#include "controllers/pod_util.h"

namespace keelson::controllers {

struct NodeLifecycleOptions {
  Duration monitor_period = std::chrono::seconds(5);
  Duration grace_period = std::chrono::seconds(40);
  Duration startup_grace_period = std::chrono::seconds(60);
};

class NodeLifecycleController final : public Controller {
 public:
  NodeLifecycleController(const Context& context, NodeLifecycleOptions options = {});
  void start() override;

 protected:
  // Taints and labels of one node.
  Task<Result<void>> sync(std::string key) override;

 private:
  // What we last saw a node's kubelet do, and when by our clock.
  struct Health {
    MonoTime probed{};
    api::Time heartbeat;
    api::Time lease_renewed;
    std::string ready;  // status of the Ready condition
    bool ever_ready_condition = false;
  };
  Task<> run_monitor();
  Task<> monitor_once();
  // Updates what is known of the node; writes Unknown conditions when the grace period is over. The node as
  // it then is.
  Task<api::ObjectPtr> check_health(api::ObjectPtr node);
  Task<Result<api::ObjectPtr>> write_unknown(api::ObjectPtr node);
  Task<> mark_pods_not_ready(std::string node);
  Task<> keep_no_execute(api::ObjectPtr node, bool all_down);
  void note_arrivals(const std::vector<api::ObjectPtr>& nodes);

  const NodeLifecycleOptions options_;
  client::EventRecorder recorder_;
  client::Informer& nodes_;
  client::Informer& leases_;
  client::Informer& pods_;
  std::map<std::string, Health> health_;
  std::map<std::string, std::string> known_;  // name → uid
};

// ---- taints, without I/O ----
struct WantedTaint {
  std::string key;
  std::string effect;
  friend auto operator<=>(const WantedTaint&, const WantedTaint&) = default;
};
// NoSchedule taints that follow from conditions and spec.unschedulable.
std::set<WantedTaint> no_schedule_taints(core::Node node);
// The NoExecute taint that follows from the Ready condition; none when it is True.
std::optional<WantedTaint> no_execute_taint(core::Node node);
// Replaces the taints of that effect that this controller manages by `wanted`. Null when nothing changes.
std::unique_ptr<api::Object> with_taints(const api::Object& node, std::string_view effect,
                                         const std::set<WantedTaint>& wanted, api::Time now);

}  // namespace keelson::controllers
