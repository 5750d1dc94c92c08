// Prober: runs the startup, readiness and liveness probes of running containers and keeps their verdicts.
// Readiness and liveness wait for the startup probe, as upstream's do.
// Thread rule: on the kubelet's strand.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "api/object.h"
#include "base/async.h"
#include "kubelet/handlers.h"
#include "kubelet/probe_state.h"

namespace keelson::kubelet {

class Prober {
 public:
  // A verdict changed, or a probe failed (with its event's message: "Readiness probe failed: …"; empty: no
  // event).
  using OnResult =
      std::function<void(const std::string& pod_uid, const std::string& container, std::string failure)>;

  Prober(ActionRunner& runner, Clock& clock, Executor strand, OnResult on_result);

  // Starts the probes of a running container unless they run. `pod` keeps the spec alive. `was_ready`: the
  // container is adopted and was ready before; it stays so until its probe says otherwise. `started`: startup
  // is known to be over.
  void ensure(api::ObjectPtr pod, api::core_v1::Container container, std::string container_id,
              std::string pod_ip, WallTime container_started, bool was_ready, bool started);
  // Ends the probes of a container; unknown ids are fine.
  Task<> remove(std::string container_id);
  Task<> stop();

  bool known(const std::string& container_id) const { return probes_.contains(container_id); }
  // True when startup is over: the startup probe succeeded or there is none.
  bool started(const std::string& container_id) const;
  bool ready(const std::string& container_id) const;
  bool liveness_failed(const std::string& container_id) const;
  bool startup_failed(const std::string& container_id) const;

 private:
  enum class Kind { kStartup, kReadiness, kLiveness };
  struct Probes {
    api::ObjectPtr pod;
    api::core_v1::Container container;
    std::string id, ip;
    WallTime since;
    std::map<Kind, ProbeState> states;
    AsyncEvent startup_over;
    TaskGroup tasks;
  };
  Task<> run(std::shared_ptr<Probes> probes, Kind kind);
  ProbeResult settled(const std::string& id, Kind kind, ProbeResult without) const;

  ActionRunner& runner_;
  Clock& clock_;
  Executor strand_;
  OnResult on_result_;
  std::map<std::string, std::shared_ptr<Probes>> probes_;
};

}  // namespace keelson::kubelet
