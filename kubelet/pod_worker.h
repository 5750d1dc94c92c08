// PodWorker: one pod's life on this node, as one coroutine: look at the runtime, decide (plan_pod), act,
// report, wait.
//
//   update()/poke() ─► sync: volumes ► sandbox ► init containers ► containers ► probes ─► status
//   deleted or over ─► terminate: preStop ► SIGTERM ► SIGKILL ► sandbox ─► final status ► volumes ─► DELETE
//   (grace 0) gone from the API ─► terminate, remove containers, sandboxes and logs; run() returns
//
// Containers found running with the right hash are kept: a worker that starts after keelson was killed adopts
// them. Thread rule: on the kubelet's strand; pod() from any thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api/gen/core_v1.h"
#include "base/async.h"
#include "base/log.h"
#include "client/event_recorder.h"
#include "client/transport.h"
#include "kubelet/backoff.h"
#include "kubelet/cgroups.h"
#include "kubelet/image_puller.h"
#include "kubelet/pod_plan.h"
#include "kubelet/pod_status.h"
#include "kubelet/prober.h"
#include "kubelet/runtime_cache.h"
#include "kubelet/volumes/volume_manager.h"

namespace keelson::kubelet {

// What all workers share; owned by the Kubelet, outlives them.
struct PodServices {
  client::Transport& transport;
  cri::Runtime& runtime;
  RuntimeCache& cache;
  VolumeManager& volumes;
  ConfigSource& config;
  ImagePuller& images;
  Prober& prober;
  ActionRunner& actions;
  Cgroups& cgroups;
  client::EventRecorder& events;
  Backoff& crash_backoff;
  Clock& clock;
  Logger log;
  Executor strand, pool;
  std::string logs_dir;
  PodFacts node;  // pod_ips empty
  cri::DnsConfig node_dns;
  std::vector<std::string> cluster_dns;
  std::string cluster_domain;
  std::function<std::vector<api::ObjectPtr>()> list_services;
};

class PodWorker {
 public:
  // `pod` is null for what the runtime has of a pod that the API does not know (any more): it is ended and
  // removed.
  PodWorker(PodServices& services, std::string uid, api::ObjectPtr pod);

  // A newer state of the pod from the API; older ones are ignored.
  void update(api::ObjectPtr pod);
  // The pod has gone from the API.
  void removed();
  // Something about the pod changed in the runtime or in a probe.
  void poke() { wake_.set(); }
  // Returns when the pod is gone and cleaned up.
  Task<> run();

  const std::string& uid() const { return uid_; }
  // The newest state known; null for an orphan.
  api::ObjectPtr pod() const;

 private:
  api::core_v1::Pod view() const { return api::core_v1::Pod::of(*pod_); }
  bool adopt(api::ObjectPtr pod);
  std::string title() const;  // name_namespace(uid), as in messages
  void event(const char* type, const char* reason, std::string message);
  void container_event(std::string_view container, const char* type, const char* reason, std::string message);
  void look_again_in(Duration d);
  bool over() const;  // deleted, finished, failed

  // pod_worker.cc: keeping it running
  Task<> sync();
  Task<Result<void>> look();
  Task<bool> prepare();
  Task<Result<std::string>> pod_cgroup();
  Task<bool> start_sandbox(std::uint32_t attempt);
  Task<> start_container(std::string name);
  struct ImageAnswer {
    std::optional<std::expected<cri::Image, Reason>> image;
    AsyncEvent there;
  };
  Task<> ensure_image(api::core_v1::Container container, std::shared_ptr<ImageAnswer> answer);
  Task<std::expected<cri::Image, Reason>> image_of(api::core_v1::Container container);
  Task<std::optional<Reason>> launch(api::core_v1::Container container, std::int64_t restart_count);
  Task<> post_start(api::core_v1::Container container, std::string id);
  bool must_wait(api::core_v1::Container container);
  Task<> follow_probes();
  Task<> drop_old_containers();
  Task<> drop_dead_sandboxes();
  std::optional<api::core_v1::Container> find(std::string_view name) const;
  PodFacts facts() const;

  // pod_termination.cc: ending it
  Task<> terminate();
  Task<> end_containers(std::int64_t grace_s);
  Task<> stop_one(ObservedContainer container, std::int64_t grace_s, std::string why, bool hook);
  Task<> stop_sandboxes();
  Task<> finish();  // volumes, cgroup, and the API object when it is being deleted
  Task<> clean_up();
  std::int64_t grace_seconds() const;

  // pod_report.cc: telling the API
  Task<> report();
  Task<> read_termination_messages();

  PodServices& s_;
  const std::string uid_;
  mutable std::mutex mu_;  // pod_ for readers of other threads
  api::ObjectPtr pod_;
  bool gone_ = false;

  AsyncEvent wake_;
  std::optional<MonoTime> next_look_;
  ObservationPtr seen_;
  VolumePaths volume_paths_;
  std::map<std::string, Reason> waiting_;
  std::map<std::string, std::string> messages_;
  std::set<std::string> probed_, backoff_told_;
  std::optional<Reason> failed_;
  bool finished_ = false;    // by its own containers' end
  bool terminated_ = false;  // terminate() is done
  bool torn_down_ = false;
  WallTime start_time_{};
  MonoTime volumes_due_{};
  int failures_ = 0;
};

}  // namespace keelson::kubelet
