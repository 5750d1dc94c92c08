// Pods: what "kubectl get pods" shows as READY, STATUS and RESTARTS.
#include <fmt/format.h>

#include <algorithm>

#include "api/gen/core_v1.h"
#include "api/table/cells.h"
#include "api/table/human_duration.h"

namespace keelson::api {
namespace {

using core_v1::ContainerStatus;

// Restart counts and when the last one was.
struct Restarts {
  std::int64_t count = 0;
  Time last;
  void add(ContainerStatus c) {
    count += c.restart_count();
    if (c.last_state().has_terminated()) last = std::max(last, c.last_state().terminated().finished_at());
  }
};

struct Summary {
  std::string status;
  std::int64_t ready = 0;
  std::int64_t total = 0;
  Restarts restarts;
};

bool is_sidecar(core_v1::PodSpec spec, std::string_view name) {
  for (const core_v1::Container c : spec.init_containers())
    if (c.name() == name) return c.restart_policy() == "Always";
  return false;
}

std::string terminated_reason(core_v1::ContainerStateTerminated t) {
  if (!t.reason().empty()) return std::string(t.reason());
  return t.signal() != 0 ? fmt::format("Signal:{}", t.signal()) : fmt::format("ExitCode:{}", t.exit_code());
}

bool condition_true(core_v1::PodStatus status, std::string_view type) {
  for (const core_v1::PodCondition c : status.conditions())
    if (c.type() == type) return c.status() == "True";
  return false;
}

// Goes over the init containers; true while one of them has not done its work.
bool initializing(core_v1::Pod pod, Summary& s, Restarts& sidecars) {
  const auto statuses = pod.status().init_container_statuses();
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    const ContainerStatus c = statuses[i];
    const bool sidecar = is_sidecar(pod.spec(), c.name());
    s.restarts.add(c);
    if (sidecar) sidecars.add(c);
    const core_v1::ContainerState state = c.state();
    if (state.has_terminated() && state.terminated().exit_code() == 0) continue;
    if (sidecar && c.started()) {
      if (c.ready()) ++s.ready;
      continue;
    }
    const std::string_view waiting = state.has_waiting() ? state.waiting().reason() : std::string_view();
    if (state.has_terminated()) {
      s.status = "Init:" + terminated_reason(state.terminated());
    } else if (!waiting.empty() && waiting != "PodInitializing") {
      s.status = fmt::format("Init:{}", waiting);
    } else {
      s.status = fmt::format("Init:{}/{}", i, pod.spec().init_containers().size());
    }
    return true;
  }
  return false;
}

void main_containers(core_v1::Pod pod, Summary& s) {
  bool running = false;
  std::string failure;
  const auto statuses = pod.status().container_statuses();
  for (std::size_t i = statuses.size(); i-- > 0;) {
    const ContainerStatus c = statuses[i];
    s.restarts.add(c);
    const core_v1::ContainerState state = c.state();
    if (state.has_waiting() && !state.waiting().reason().empty()) {
      s.status = state.waiting().reason();
    } else if (state.has_terminated()) {
      s.status = terminated_reason(state.terminated());
      if (state.terminated().exit_code() != 0) failure = s.status;
    } else if (c.ready() && state.has_running()) {
      running = true;
      ++s.ready;
    }
  }
  if (s.status != "Completed") return;
  if (running && condition_true(pod.status(), "Ready")) {
    s.status = "Running";
  } else if (!failure.empty()) {
    s.status = failure;
  } else if (running) {
    s.status = "NotReady";
  }
}

Summary summarize(core_v1::Pod pod) {
  Summary s;
  const core_v1::PodStatus status = pod.status();
  s.status = status.reason().empty() ? status.phase() : status.reason();
  for (const core_v1::PodCondition c : status.conditions())
    if (c.type() == "PodScheduled" && c.reason() == "SchedulingGated") s.status = "SchedulingGated";
  s.total = static_cast<std::int64_t>(pod.spec().containers().size());
  for (const core_v1::Container c : pod.spec().init_containers())
    s.total += c.restart_policy() == "Always" ? 1 : 0;

  Restarts sidecars;
  if (!initializing(pod, s, sidecars) || condition_true(status, "Initialized")) {
    s.restarts = sidecars;
    main_containers(pod, s);
  }
  const bool finished = status.phase() == "Succeeded" || status.phase() == "Failed";
  if (pod.metadata().has_deletion_timestamp()) {
    if (status.reason() == "NodeLost") {
      s.status = "Unknown";
    } else if (!finished) {
      s.status = "Terminating";
    }
  }
  return s;
}

std::string or_none(std::string_view s) {
  return std::string(s.empty() ? "<none>" : s);
}

}  // namespace

RowCells pod_cells(const Object& object, Time now) {
  const core_v1::Pod pod = core_v1::Pod::of(object);
  const Summary s = summarize(pod);
  std::string restarts = std::to_string(s.restarts.count);
  if (s.restarts.count != 0 && !s.restarts.last.is_zero())
    restarts += fmt::format(" ({} ago)", age(s.restarts.last, now));
  std::string gates = "<none>";
  if (const auto wanted = pod.spec().readiness_gates(); !wanted.empty()) {
    const auto open = std::ranges::count_if(wanted.begin(), wanted.end(), [&](core_v1::PodReadinessGate g) {
      return condition_true(pod.status(), g.condition_type());
    });
    gates = fmt::format("{}/{}", open, wanted.size());
  }
  const auto ips = pod.status().pod_ips();
  RowCells row;
  row.cells = {std::string(object.name()),
               fmt::format("{}/{}", s.ready, s.total),
               s.status,
               restarts,
               age(pod.metadata().creation_timestamp(), now),
               or_none(ips.empty() ? std::string_view() : ips[0].ip()),
               or_none(pod.spec().node_name()),
               or_none(pod.status().nominated_node_name()),
               gates};
  if (pod.status().phase() == "Succeeded") row.completed = "Succeeded";
  if (pod.status().phase() == "Failed") row.completed = "Failed";
  return row;
}

}  // namespace keelson::api
