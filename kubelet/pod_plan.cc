#include "kubelet/pod_plan.h"

#include <fmt/format.h>

#include "kubelet/pod_status.h"

namespace keelson::kubelet {
namespace {

using namespace api::core_v1;

// Whether the newest instance has to be (re)started, given that the pod's sandbox is fine.
bool wants_start(const PlanInput& in, Container c, bool init) {
  const ObservedContainer* now = in.seen->newest(c.name());
  if (!now) return true;
  if (now->running()) return false;
  if (now->exited()) return restarts(in.pod.spec(), c, init, now->status.exit_code);
  return true;  // created but never started, or unknown to the runtime
}

// A reason to end a running container and start it again; nullopt when it is fine.
std::optional<Kill> wants_restart(const PlanInput& in, Container c) {
  const ObservedContainer* now = in.seen->newest(c.name());
  if (!now || !now->running()) return std::nullopt;
  Kill kill{now->status.id, now->name, "", false};
  if (now->hash != in.hash(c)) {
    kill.message = fmt::format("Container {} definition changed", c.name());
  } else if (in.liveness_failed(now->status.id)) {
    kill.message = fmt::format("Container {} failed liveness probe", c.name());
    kill.liveness_or_startup = true;
  } else if (in.startup_failed(now->status.id)) {
    kill.message = fmt::format("Container {} failed startup probe", c.name());
    kill.liveness_or_startup = true;
  } else {
    return std::nullopt;
  }
  return kill;
}

void plan_running(const PlanInput& in, Container c, bool init, PodPlan& plan) {
  if (wants_start(in, c, init)) plan.start.emplace_back(c.name());
  if (auto kill = wants_restart(in, c)) {
    // The exit code of a killed container is not zero: OnFailure restarts it as well.
    if (restarts(in.pod.spec(), c, init, 137)) {
      kill->message += ", will be restarted";
      plan.start.emplace_back(c.name());
    }
    plan.kill.push_back(std::move(*kill));
  }
}

bool any_regular_started(const PlanInput& in) {
  for (Container c : in.pod.spec().containers()) {
    if (in.seen->newest(c.name())) return true;
  }
  return false;
}

// The newest instance, if it belongs to the present sandbox: initialization counts anew in every sandbox.
const ObservedContainer* newest_here(const PlanInput& in, std::string_view name) {
  const ObservedContainer* now = in.seen->newest(name);
  const ObservedSandbox* sandbox = in.seen->ready_sandbox();
  return now && sandbox && now->sandbox_id == sandbox->id ? now : nullptr;
}

bool initialized_here(const PlanInput& in) {
  for (Container c : in.pod.spec().containers()) {
    if (newest_here(in, c.name())) return true;
  }
  return false;
}

// True when initialization is over and regular containers may run.
bool plan_init(const PlanInput& in, PodPlan& plan) {
  const PodSpec spec = in.pod.spec();
  const bool initialized = initialized_here(in);
  for (Container c : spec.init_containers()) {
    const ObservedContainer* now = newest_here(in, c.name());
    if (is_sidecar(c)) {
      plan_running(in, c, true, plan);
      const bool up = now && now->running() && in.started(now->status.id);
      if (!up && !initialized) return false;
      continue;
    }
    if (initialized) continue;
    if (now && now->running()) return false;
    if (now && now->exited() && now->status.exit_code == 0) continue;
    if (now && now->exited() && !restarts(spec, c, true, now->status.exit_code)) {
      plan.kill_pod = true;
      plan.finished = true;
      return false;
    }
    plan.start.emplace_back(c.name());
    return false;
  }
  return true;
}

bool all_regular_over(const PlanInput& in) {
  for (Container c : in.pod.spec().containers()) {
    const ObservedContainer* now = in.seen->newest(c.name());
    if (!now || !now->exited() || restarts(in.pod.spec(), c, false, now->status.exit_code)) return false;
  }
  return true;
}

}  // namespace

PodPlan plan_pod(const PlanInput& in) {
  PodPlan plan;
  if (all_regular_over(in)) {
    plan.finished = true;
    plan.kill_pod = true;
    return plan;
  }
  if (!in.seen->ready_sandbox()) {
    plan.kill_pod = !in.seen->sandboxes.empty();
    plan.create_sandbox = true;
    plan.attempt = in.seen->sandboxes.empty() ? 0 : in.seen->sandboxes.front().attempt + 1;
    // With a new sandbox everything starts over: what the old one held is ended first, and init containers
    // run again.
    if (!in.pod.spec().init_containers().empty()) {
      plan.start.emplace_back(in.pod.spec().init_containers()[0].name());
    } else {
      for (Container c : in.pod.spec().containers()) {
        const ObservedContainer* now = in.seen->newest(c.name());
        if (!now || !now->exited() || restarts(in.pod.spec(), c, false, now->status.exit_code)) {
          plan.start.emplace_back(c.name());
        }
      }
    }
    if (in.seen->sandboxes.empty()) return plan;
    // A pod that must not be restarted and whose containers ran has no use for a new sandbox.
    if (in.pod.spec().restart_policy() == "Never" && any_regular_started(in)) {
      plan.create_sandbox = false;
      plan.start.clear();
    }
    return plan;
  }
  if (!plan_init(in, plan)) return plan;
  for (Container c : in.pod.spec().containers()) plan_running(in, c, false, plan);
  return plan;
}

}  // namespace keelson::kubelet
