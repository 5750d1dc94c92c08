#include <fmt/format.h>

#include <algorithm>

#include "api/object.h"
#include "kubelet/blocking.h"
#include "kubelet/container_config.h"
#include "kubelet/files.h"
#include "kubelet/pod_worker.h"

namespace keelson::kubelet {

using namespace std::chrono_literals;
using namespace api::core_v1;

namespace {
constexpr std::int64_t kMinimumGrace = 2;  // upstream's: containers get a moment even when forced
}

// By how much time containers may take to end, as of now.
std::int64_t PodWorker::grace_seconds() const {
  if (pod_) {
    const auto meta = view().metadata();
    if (gone_ && !meta.has_deletion_timestamp()) return kMinimumGrace;
    std::int64_t g = view().spec().termination_grace_period_seconds_or(30);
    if (meta.has_deletion_grace_period_seconds()) g = meta.deletion_grace_period_seconds();
    return std::max(g, kMinimumGrace);
  }
  for (const auto& c : seen_->containers) {
    auto it = c.status.annotations.find(kAnnotationGrace);
    if (it != c.status.annotations.end())
      return std::max<std::int64_t>(std::atoll(it->second.c_str()), kMinimumGrace);
  }
  return kMinimumGrace;
}

Task<> PodWorker::terminate() {
  if (!terminated_) {
    if (!co_await look()) co_return;
    if (start_time_ == WallTime{}) start_time_ = s_.clock.wall();
    co_await end_containers(grace_seconds());
    co_await stop_sandboxes();
    if (!co_await look()) co_return;
    if (seen_->any_running()) {
      look_again_in(1s);
      co_return;
    }
    for (const auto& id : probed_) co_await s_.prober.remove(id);
    probed_.clear();
    terminated_ = true;
  }
  if (gone_) co_return;
  co_await report();
  co_await finish();
}

// Ends all running containers at once; a deletion that becomes more urgent meanwhile shortens the wait.
Task<> PodWorker::end_containers(std::int64_t grace_s) {
  std::vector<ObservedContainer> running;
  for (const auto& c : seen_->containers) {
    if (c.running()) running.push_back(c);
  }
  if (running.empty()) co_return;
  TaskGroup group;
  for (const auto& c : running) {
    group.spawn(s_.strand, stop_one(c, grace_s, fmt::format("Stopping container {}", c.name), true));
  }
  while (group.size() > 0) {
    wake_.reset();
    if (group.size() == 0) break;
    co_await wake_.wait_until(s_.clock, s_.clock.now() + 1s);
    const std::int64_t now = grace_seconds();
    if (now < grace_s && group.size() > 0) {
      grace_s = now;
      for (const auto& c : running) group.spawn(s_.strand, stop_one(c, grace_s, "", false));
    }
  }
  co_await group.join();
  wake_.set();
}

Task<> PodWorker::stop_one(ObservedContainer container, std::int64_t grace_s, std::string why, bool hook) {
  const api::ObjectPtr keep = pod_;  // views into it are held across suspensions
  const MonoTime deadline = s_.clock.now() + std::chrono::seconds(grace_s);
  if (!why.empty()) container_event(container.name, "Normal", "Killing", why);
  if (hook && pod_ && !gone_) {
    const auto spec = find(container.name);
    if (spec && spec->lifecycle().has_pre_stop()) {
      const PodFacts f = facts();
      auto outcome = co_await s_.actions.hook(
          {*spec, container.status.id, f.pod_ips.empty() ? "" : f.pod_ips[0], std::chrono::seconds(grace_s)},
          spec->lifecycle().pre_stop());
      if (!outcome.success) {
        container_event(container.name, "Warning", "FailedPreStopHook", "PreStopHook failed");
      }
    }
  }
  const auto left = std::chrono::duration_cast<std::chrono::seconds>(deadline - s_.clock.now()).count();
  auto r =
      co_await s_.runtime.stop_container(container.status.id, std::max<std::int64_t>(left, kMinimumGrace));
  if (!r) {
    s_.log.warn("stopping a container failed", {{"container", container.status.id}, {"error", r.error()}});
  }
  wake_.set();
}

Task<> PodWorker::stop_sandboxes() {
  for (const auto& sandbox : seen_->sandboxes) {
    if (!sandbox.ready) continue;
    auto r = co_await s_.runtime.stop_sandbox(sandbox.id);
    if (!r) {
      event("Warning", "FailedKillPod", fmt::format("error killing pod: {}", r.error().message));
      look_again_in(2s);
    }
  }
}

Task<> PodWorker::finish() {
  if (!torn_down_) {
    auto r = co_await s_.volumes.tear_down(uid_);
    if (!r) {
      s_.log.warn("removing volumes failed", {{"pod", title()}, {"error", r.error()}});
      look_again_in(5s);
      co_return;
    }
    volume_paths_.clear();
    (void)co_await run_blocking(s_.pool, [this] { return s_.cgroups.remove_pod(uid_); });
    torn_down_ = true;
  }
  if (!view().metadata().has_deletion_timestamp() || gone_) co_return;
  client::DeleteOptions options;
  options.grace_period_s = 0;
  options.precondition_uid = uid_;
  auto r = co_await s_.transport.remove(Pod::kind_info(), std::string(pod_->namespace_()),
                                        std::string(pod_->name()), options);
  if (!r && r.error().code != Code::kNotFound) {
    s_.log.warn("deleting the pod failed", {{"pod", title()}, {"error", r.error()}});
    look_again_in(1s);
  }
}

// What remains of a pod that the API has forgotten.
Task<> PodWorker::clean_up() {
  for (const auto& c : seen_->containers) (void)co_await s_.runtime.remove_container(c.status.id);
  for (const auto& sandbox : seen_->sandboxes) {
    auto r = co_await s_.runtime.remove_sandbox(sandbox.id);
    // A container whose start an earlier kubelet left half done cannot be removed for a moment.
    for (int i = 0; !r && i < 30; ++i) {
      co_await s_.clock.sleep_for(1s);
      r = co_await s_.runtime.remove_sandbox(sandbox.id);
    }
    if (!r) s_.log.warn("removing a sandbox failed", {{"sandbox", sandbox.id}, {"error", r.error()}});
  }
  auto r = co_await s_.volumes.tear_down(uid_);
  if (!r) s_.log.warn("removing volumes failed", {{"pod", uid_}, {"error", r.error()}});
  std::string logs;
  if (pod_) logs = pod_log_directory(s_.logs_dir, view());
  if (!pod_ && !seen_->name.empty()) {
    logs = fmt::format("{}/{}_{}_{}", s_.logs_dir, seen_->namespace_, seen_->name, uid_);
  }
  (void)co_await run_blocking(s_.pool, [this, logs] {
    (void)s_.cgroups.remove_pod(uid_);
    return logs.empty() ? Result<void>{} : remove_tree(logs);
  });
  s_.cache.forget(uid_);
  s_.images.forget_pod(uid_);
  s_.crash_backoff.forget_prefix(uid_);
}

}  // namespace keelson::kubelet
