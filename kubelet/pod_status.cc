#include "kubelet/pod_status.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "api/json.h"

namespace keelson::kubelet {
namespace {

using namespace api::core_v1;

// One container's place in life: exactly one of waiting (with `last` perhaps), running, terminated.
struct Life {
  std::string name;
  bool sidecar = false, init = false;
  enum class State { kWaiting, kRunning, kTerminated } state = State::kWaiting;
  Reason waiting;
  const ObservedContainer* now = nullptr;   // running or terminated, or what ended before waiting
  const ObservedContainer* last = nullptr;  // shown as lastState
  bool ready = false, started = false;
  std::int64_t restarts = 0;
  std::optional<int> exit_code;  // of the end that counts for the phase
  bool restartable = false;
};

api::Time time_of(std::int64_t unix_ns) {
  return api::Time::from(WallTime(Duration(unix_ns)));
}

std::int64_t restart_count_before(PodStatus status, std::string_view name) {
  for (ContainerStatus c : status.container_statuses()) {
    if (c.name() == name) return c.restart_count();
  }
  for (ContainerStatus c : status.init_container_statuses()) {
    if (c.name() == name) return c.restart_count();
  }
  return 0;
}

Life life_of(const StatusInput& in, Container c, bool init, bool has_init) {
  Life life;
  life.name = c.name();
  life.init = init;
  life.sidecar = init && is_sidecar(c);
  const ObservedContainer* newest = in.seen->newest(life.name);
  life.restarts = newest ? newest->restart_count : restart_count_before(in.pod.status(), life.name);
  const auto waiting = in.waiting.find(life.name);
  if (newest && newest->running()) {
    life.state = Life::State::kRunning;
    life.now = newest;
    life.last = in.seen->previous(life.name);
    life.started = in.started.contains(newest->status.id);
    life.ready = life.started && in.ready.contains(newest->status.id);
  } else if (newest && newest->exited()) {
    life.now = newest;
    life.exit_code = newest->status.exit_code;
    life.restartable = restarts(in.pod.spec(), c, init, newest->status.exit_code);
    if (waiting != in.waiting.end() && !in.terminal) {
      life.waiting = waiting->second;
      life.last = newest;
    } else {
      life.state = Life::State::kTerminated;
      life.last = in.seen->previous(life.name);
      life.ready = init && !life.sidecar && *life.exit_code == 0;
    }
  } else if (waiting != in.waiting.end()) {
    life.waiting = waiting->second;
    life.last = newest ? in.seen->previous(life.name) : nullptr;
  } else {
    life.waiting = {init || has_init ? "PodInitializing" : "ContainerCreating", ""};
  }
  if (life.last && !life.last->exited()) life.last = nullptr;
  return life;
}

void write_terminated(const StatusInput& in, const ObservedContainer& c, ContainerStateTerminatedMut out) {
  out.set_exit_code(c.status.exit_code);
  out.set_reason(!c.status.reason.empty()  ? c.status.reason
                 : c.status.exit_code == 0 ? "Completed"
                                           : "Error");
  const auto message = in.messages.find(c.status.id);
  out.set_message(message != in.messages.end() ? message->second : c.status.message);
  if (c.status.started_at > 0) out.set_started_at(time_of(c.status.started_at));
  if (c.status.finished_at > 0) out.set_finished_at(time_of(c.status.finished_at));
  out.set_container_id("containerd://" + c.status.id);
}

void write_container(const StatusInput& in, const Life& life, Container spec, ContainerStatusMut out) {
  out.set_name(life.name);
  out.set_restart_count(static_cast<std::int32_t>(life.restarts));
  out.set_ready(life.ready);
  out.set_started(life.started);
  out.set_image(life.now && !life.now->status.image.image.empty() ? life.now->status.image.image
                                                                  : spec.image());
  if (life.now) {
    out.set_image_id(life.now->status.image_ref);
    out.set_container_id("containerd://" + life.now->status.id);
  }
  auto state = out.mutable_state();
  switch (life.state) {
    case Life::State::kWaiting: {
      auto waiting = state.mutable_waiting();
      waiting.set_reason(life.waiting.reason);
      waiting.set_message(life.waiting.message);
      break;
    }
    case Life::State::kRunning:
      state.mutable_running().set_started_at(time_of(life.now->status.started_at));
      break;
    case Life::State::kTerminated:
      write_terminated(in, *life.now, state.mutable_terminated());
      break;
  }
  auto last = out.mutable_last_state();
  if (life.last) write_terminated(in, *life.last, last.mutable_terminated());
}

std::string_view phase_of(const std::vector<Life>& all, bool terminal) {
  int pending_init = 0, pending_sidecars = 0, failed_init = 0;
  int running = 0, waiting = 0, stopped = 0, restarting = 0, succeeded = 0;
  bool initialized = false;
  for (const Life& c : all) {
    if (!c.init && c.now) initialized = true;
    if (c.init && !c.sidecar) {
      if (c.exit_code) {
        if (*c.exit_code != 0 && !c.restartable) ++failed_init;
      } else {
        ++pending_init;
      }
      continue;
    }
    if (c.sidecar) {
      if (c.state == Life::State::kRunning) {
        ++running;
        pending_sidecars += !c.started;
      } else if (c.state == Life::State::kWaiting && !c.exit_code) {
        ++pending_sidecars;
        ++waiting;
      }
      continue;
    }
    if (c.state == Life::State::kRunning) {
      ++running;
    } else if (c.exit_code) {
      ++stopped;
      restarting += c.restartable;
      succeeded += c.state == Life::State::kTerminated && *c.exit_code == 0;
    } else {
      ++waiting;
    }
  }
  if (failed_init > 0) return "Failed";
  if (pending_init > 0 || (pending_sidecars > 0 && !initialized) || waiting > 0) return "Pending";
  if (running > 0) return "Running";
  if (stopped == 0) return "Pending";
  if (!terminal && restarting > 0) return "Running";
  return stopped == succeeded ? "Succeeded" : "Failed";
}

struct Condition {
  std::string_view type;
  bool status = false;
  std::string reason, message;
};

void write_condition(const StatusInput& in, const Condition& c, PodConditionMut out) {
  const std::string_view status = c.status ? "True" : "False";
  out.set_type(c.type);
  out.set_status(status);
  out.set_reason(c.reason);
  out.set_message(c.message);
  if (in.pod.metadata().generation() > 0) out.set_observed_generation(in.pod.metadata().generation());
  api::Time since = api::Time::from(std::chrono::floor<std::chrono::seconds>(in.now));
  for (PodCondition old : in.pod.status().conditions()) {
    if (old.type() == c.type && old.status() == status && old.has_last_transition_time()) {
      since = old.last_transition_time();
    }
  }
  out.set_last_transition_time(since);
}

Condition initialized(const std::vector<Life>& all, std::string_view phase) {
  std::vector<std::string> incomplete;
  for (const Life& c : all) {
    if (c.init && !(c.sidecar ? c.started : c.exit_code == 0 && c.state == Life::State::kTerminated)) {
      incomplete.push_back(c.name);
    }
  }
  if (phase == "Succeeded") return {"Initialized", true, "PodCompleted", ""};
  for (const Life& c : all) {
    if (!c.init && c.now) incomplete.clear();  // once initialized, always initialized
  }
  if (incomplete.empty()) return {"Initialized", true, "", ""};
  return {"Initialized", false, "ContainersNotInitialized",
          fmt::format("containers with incomplete status: [{}]", fmt::join(incomplete, " "))};
}

Condition containers_ready(const std::vector<Life>& all, std::string_view phase) {
  if (phase == "Succeeded") return {"ContainersReady", false, "PodCompleted", ""};
  if (phase == "Failed") return {"ContainersReady", false, "PodFailed", ""};
  std::vector<std::string> unready;
  for (const Life& c : all) {
    if ((!c.init || c.sidecar) && !c.ready) unready.push_back(c.name);
  }
  if (unready.empty()) return {"ContainersReady", true, "", ""};
  return {"ContainersReady", false, "ContainersNotReady",
          fmt::format("containers with unready status: [{}]", fmt::join(unready, " "))};
}

Condition pod_ready(const StatusInput& in, Condition containers) {
  containers.type = "Ready";
  if (!containers.status) return containers;
  std::vector<std::string> problems;
  for (PodReadinessGate gate : in.pod.spec().readiness_gates()) {
    std::string_view status;
    for (PodCondition c : in.pod.status().conditions()) {
      if (c.type() == gate.condition_type()) status = c.status();
    }
    if (status.empty()) {
      problems.push_back(fmt::format("corresponding condition of pod readiness gate \"{}\" does not exist.",
                                     gate.condition_type()));
    } else if (status != "True") {
      problems.push_back(fmt::format("the status of pod readiness gate \"{}\" is not \"True\", but {}",
                                     gate.condition_type(), status));
    }
  }
  if (problems.empty()) return containers;
  return {"Ready", false, "ReadinessGatesNotReady", fmt::format("{}", fmt::join(problems, ", "))};
}

void write_conditions(const StatusInput& in, const std::vector<Life>& all, std::string_view phase,
                      PodStatusMut out) {
  const ObservedSandbox* sandbox = in.seen->ready_sandbox();
  const bool network = sandbox && (in.pod.spec().host_network() || !sandbox->ips.empty());
  const Condition containers = containers_ready(all, phase);
  const Condition own[] = {{"PodReadyToStartContainers", network, "", ""},
                           initialized(all, phase),
                           pod_ready(in, containers),
                           containers,
                           {"PodScheduled", true, "", ""}};
  for (const Condition& c : own) write_condition(in, c, out.add_conditions());
  for (PodCondition old : in.pod.status().conditions()) {
    bool ours = false;
    for (const Condition& c : own) ours |= old.type() == c.type;
    if (!ours) out.mutable_conditions().add_copy(old);
  }
}

void write_addresses(const StatusInput& in, PodStatusMut out) {
  out.set_host_ip(in.host_ip);
  out.add_host_ips().set_ip(in.host_ip);
  std::vector<std::string> ips;
  if (in.pod.spec().host_network()) {
    ips = {in.host_ip};
  } else if (const ObservedSandbox* sandbox = in.seen->ready_sandbox()) {
    ips = sandbox->ips;
  } else {  // a finished pod keeps showing the address it had
    for (PodIP ip : in.pod.status().pod_ips()) ips.emplace_back(ip.ip());
  }
  if (!ips.empty()) out.set_pod_ip(ips[0]);
  for (const auto& ip : ips) out.add_pod_ips().set_ip(ip);
}

}  // namespace

bool is_sidecar(Container init_container) {
  return init_container.restart_policy() == "Always";
}

bool restarts(PodSpec spec, Container container, bool init, int exit_code) {
  std::string_view policy =
      container.has_restart_policy() ? container.restart_policy() : spec.restart_policy();
  if (init && !is_sidecar(container)) {
    if (exit_code == 0) return false;
    return policy != "Never";
  }
  return policy == "Never" ? false : policy == "OnFailure" ? exit_code != 0 : true;
}

void compute_status(const StatusInput& in, PodStatusMut out) {
  const PodSpec spec = in.pod.spec();
  std::vector<Life> all;
  for (Container c : spec.init_containers()) all.push_back(life_of(in, c, true, true));
  for (Container c : spec.containers()) all.push_back(life_of(in, c, false, !spec.init_containers().empty()));

  std::string_view phase = in.failed ? "Failed" : phase_of(all, in.terminal);
  const std::string_view old_phase = in.pod.status().phase();
  if (old_phase == "Failed" || old_phase == "Succeeded") phase = old_phase;  // final phases stay

  out.set_phase(phase);
  if (in.failed) {
    out.set_reason(in.failed->reason);
    out.set_message(in.failed->message);
  } else if (phase == old_phase) {
    out.set_reason(in.pod.status().reason());
    out.set_message(in.pod.status().message());
  }
  if (in.pod.metadata().generation() > 0) out.set_observed_generation(in.pod.metadata().generation());
  out.set_qos_class(in.pod.status().qos_class());
  out.set_nominated_node_name(in.pod.status().nominated_node_name());
  out.set_start_time(api::Time::from(std::chrono::floor<std::chrono::seconds>(in.start_time)));
  write_addresses(in, out);
  write_conditions(in, all, phase, out);
  std::size_t i = 0;
  for (Container c : spec.init_containers())
    write_container(in, all[i++], c, out.add_init_container_statuses());
  for (Container c : spec.containers()) write_container(in, all[i++], c, out.add_container_statuses());
}

std::string status_patch(Pod present, PodStatus wanted) {
  std::string status = api::encode_json(wanted);
  // Fields that are to go must be named: a merge patch keeps what it does not mention.
  std::string gone;
  if (present.has_status()) {
    const api::Type& type = PodStatus::type_info();
    for (const api::Field& f : type.fields) {
      if (present.status().slot(f).absent() || !wanted.slot(f).absent()) continue;
      gone += fmt::format("\"{}\":null,", f.name);
    }
  }
  status.insert(1, gone);
  if (status.size() > 2 && status[status.size() - 2] == ',') status.erase(status.size() - 2, 1);
  return fmt::format(R"({{"metadata":{{"uid":"{}"}},"status":{}}})", present.metadata().uid(), status);
}

}  // namespace keelson::kubelet
