#include "kubelet/runtime_cache.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

namespace keelson::kubelet {
namespace {

using namespace std::chrono_literals;

std::string label(const cri::StringMap& m, const char* key) {
  auto it = m.find(key);
  return it == m.end() ? "" : it->second;
}

// A start that broke off because its client, an earlier kubelet, was killed: nothing ever ran in that
// container.
bool start_interrupted(const cri::ContainerStatus& s) {
  return s.state == cri::ContainerState::kExited && s.started_at <= 0 && s.reason == "StartError" &&
         (s.message.find("context canceled") != std::string::npos ||
          s.message.find("signal: killed") != std::string::npos);
}

ObservedContainer observed(cri::ContainerStatus status, std::string sandbox_id) {
  ObservedContainer c;
  if (start_interrupted(status)) status.state = cri::ContainerState::kCreated;
  c.name = label(status.labels, cri::kLabelContainerName);
  c.hash = label(status.annotations, kAnnotationHash);
  c.restart_count = std::atoll(label(status.annotations, kAnnotationRestarts).c_str());
  c.sandbox_id = std::move(sandbox_id);
  c.status = std::move(status);
  return c;
}

}  // namespace

RuntimeCache::RuntimeCache(cri::Runtime& runtime, Clock& clock, Logger logger, OnChange on_change)
    : runtime_(runtime), clock_(clock), log_(logger.named("pleg")), on_change_(std::move(on_change)) {}

Task<> RuntimeCache::run() {
  for (;;) {
    auto r = co_await relist();
    if (!r) log_.warn("the container runtime does not answer", {{"error", r.error()}});
    co_await clock_.sleep_for(1s);
  }
}

Task<Result<void>> RuntimeCache::relist() {
  auto sandboxes = CO_TRY(co_await runtime_.list_sandboxes(""));
  auto containers = CO_TRY(co_await runtime_.list_containers(""));
  std::map<std::string, std::string> now;
  std::set<std::string> running;
  for (const auto& s : sandboxes) {
    now[s.metadata.uid] += fmt::format("{}={};", s.id, static_cast<int>(s.state));
  }
  for (const auto& c : containers) {
    const std::string uid = label(c.labels, cri::kLabelPodUid);
    if (uid.empty()) continue;
    now[uid] += fmt::format("{}={};", c.id, static_cast<int>(c.state));
    if (c.state == cri::ContainerState::kRunning) running.insert(c.id);
  }
  std::vector<std::string> changed;
  for (const auto& [uid, print] : now) {
    auto it = fingerprints_.find(uid);
    if (it == fingerprints_.end() || it->second != print) changed.push_back(uid);
  }
  for (const auto& [uid, print] : fingerprints_) {
    if (!now.contains(uid)) changed.push_back(uid);
  }
  {
    std::lock_guard lock(mu_);
    uids_.clear();
    for (const auto& [uid, print] : now) uids_.insert(uid);
    running_ = std::move(running);
    last_success_ = clock_.now();
  }
  fingerprints_ = std::move(now);
  for (const auto& uid : changed) on_change_(uid);
  co_return Result<void>{};
}

Task<Result<ObservationPtr>> RuntimeCache::refresh(std::string pod_uid) {
  auto sandboxes = CO_TRY(co_await runtime_.list_sandboxes(pod_uid));
  auto containers = CO_TRY(co_await runtime_.list_containers(pod_uid));
  const ObservationPtr before = snapshot(pod_uid);
  auto pod = std::make_shared<PodObservation>();
  pod->uid = pod_uid;
  // A sandbox that failed to start has no time of creation, so attempts come first.
  std::sort(sandboxes.begin(), sandboxes.end(), [](const auto& a, const auto& b) {
    return std::pair(a.metadata.attempt, a.created_at) > std::pair(b.metadata.attempt, b.created_at);
  });
  std::sort(containers.begin(), containers.end(),
            [](const auto& a, const auto& b) { return a.created_at > b.created_at; });
  for (auto& s : sandboxes) {
    pod->namespace_ = s.metadata.namespace_;
    pod->name = s.metadata.name;
    ObservedSandbox o{s.id, s.metadata.attempt, s.state == cri::SandboxState::kReady, s.created_at, {}};
    if (o.ready) {
      auto status = co_await runtime_.sandbox_status(s.id);
      if (status) {
        if (!status->network.ip.empty()) o.ips.push_back(status->network.ip);
        for (auto& ip : status->network.additional_ips) o.ips.push_back(ip.ip);
      }
    }
    pod->sandboxes.push_back(std::move(o));
  }
  for (auto& c : containers) {
    const ObservedContainer* known = nullptr;
    if (before && c.state == cri::ContainerState::kExited) {
      for (const auto& k : before->containers) {
        if (k.status.id == c.id && k.exited()) known = &k;
      }
    }
    if (known) {
      pod->containers.push_back(*known);
      continue;
    }
    auto status = co_await runtime_.container_status(c.id);
    if (!status && status.error().code == Code::kNotFound) continue;
    if (!status) co_return std::unexpected(status.error());
    pod->containers.push_back(observed(std::move(*status), c.pod_sandbox_id));
  }
  std::lock_guard lock(mu_);
  for (const auto& c : pod->containers) {
    if (c.running()) {
      running_.insert(c.status.id);
    } else {
      running_.erase(c.status.id);
    }
  }
  pods_[pod_uid] = pod;
  co_return ObservationPtr(pod);
}

std::set<std::string> RuntimeCache::pod_uids() const {
  std::lock_guard lock(mu_);
  return uids_;
}

ObservationPtr RuntimeCache::snapshot(const std::string& pod_uid) const {
  std::lock_guard lock(mu_);
  auto it = pods_.find(pod_uid);
  return it == pods_.end() ? nullptr : it->second;
}

bool RuntimeCache::container_running(const std::string& container_id) const {
  std::lock_guard lock(mu_);
  return running_.contains(container_id);
}

void RuntimeCache::forget(const std::string& pod_uid) {
  std::lock_guard lock(mu_);
  pods_.erase(pod_uid);
}

MonoTime RuntimeCache::last_success() const {
  std::lock_guard lock(mu_);
  return last_success_;
}

}  // namespace keelson::kubelet
