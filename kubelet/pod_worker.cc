#include "kubelet/pod_worker.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/object.h"
#include "kubelet/blocking.h"
#include "kubelet/container_config.h"
#include "kubelet/files.h"
#include "kubelet/network_files.h"
#include "kubelet/resources.h"

namespace keelson::kubelet {

using namespace std::chrono_literals;
using namespace api::core_v1;

namespace {

constexpr Duration kVolumeRefresh = 60s;
constexpr Duration kRetryMax = 2min;

std::int64_t version_number(const api::ObjectPtr& o) {
  return o ? std::atoll(std::string(o->resource_version()).c_str()) : 0;
}

bool has_api_volumes(PodSpec spec) {
  for (Volume v : spec.volumes()) {
    if (v.has_config_map() || v.has_secret() || v.has_projected() || v.has_downward_api()) return true;
  }
  return false;
}

}  // namespace

PodWorker::PodWorker(PodServices& services, std::string uid, api::ObjectPtr pod)
    : s_(services), uid_(std::move(uid)), pod_(std::move(pod)), gone_(!pod_) {
  wake_.set();
  if (pod_ && view().status().has_start_time()) start_time_ = view().status().start_time().wall();
}

api::ObjectPtr PodWorker::pod() const {
  std::lock_guard lock(mu_);
  return pod_;
}

void PodWorker::update(api::ObjectPtr pod) {
  if (adopt(std::move(pod))) wake_.set();
}

// True when the state was newer.
bool PodWorker::adopt(api::ObjectPtr pod) {
  if (pod_ && version_number(pod) <= version_number(pod_)) return false;
  std::lock_guard lock(mu_);
  pod_ = std::move(pod);
  return true;
}

void PodWorker::removed() {
  gone_ = true;
  wake_.set();
}

std::string PodWorker::title() const {
  return fmt::format("{}_{}({})", pod_->name(), pod_->namespace_(), uid_);
}

void PodWorker::event(const char* type, const char* reason, std::string message) {
  if (pod_) s_.events.event(*pod_, type, reason, std::move(message));
}

void PodWorker::container_event(std::string_view container, const char* type, const char* reason,
                                std::string message) {
  if (!pod_) return;
  auto ref = client::reference_to(*pod_);
  bool init = false;
  for (Container c : view().spec().init_containers()) init |= c.name() == container;
  ref.field_path = fmt::format("spec.{}{{{}}}", init ? "initContainers" : "containers", container);
  s_.events.event(std::move(ref), type, reason, std::move(message));
}

void PodWorker::look_again_in(Duration d) {
  const MonoTime at = s_.clock.now() + d;
  if (!next_look_ || at < *next_look_) next_look_ = at;
}

bool PodWorker::over() const {
  if (!pod_) return true;
  const std::string_view phase = view().status().phase();
  return gone_ || finished_ || failed_ || phase == "Succeeded" || phase == "Failed" ||
         view().metadata().has_deletion_timestamp();
}

Task<> PodWorker::run() {
  for (;;) {
    wake_.reset();
    next_look_.reset();
    if (over()) {
      co_await terminate();
      if (gone_ && terminated_) {
        co_await clean_up();
        co_return;
      }
    } else {
      co_await sync();
    }
    if (next_look_) {
      co_await wake_.wait_until(s_.clock, *next_look_);
    } else {
      co_await wake_.wait();
    }
  }
}

Task<Result<void>> PodWorker::look() {
  auto seen = co_await s_.cache.refresh(uid_);
  if (!seen) {
    look_again_in(1s);
    co_return std::unexpected(seen.error());
  }
  seen_ = std::move(*seen);
  co_return Result<void>{};
}

PodFacts PodWorker::facts() const {
  PodFacts f = s_.node;
  if (view().spec().host_network()) {
    f.pod_ips = {f.host_ip};
  } else if (seen_ && seen_->ready_sandbox()) {
    f.pod_ips = seen_->ready_sandbox()->ips;
  }
  return f;
}

std::optional<Container> PodWorker::find(std::string_view name) const {
  for (Container c : view().spec().init_containers()) {
    if (c.name() == name) return c;
  }
  for (Container c : view().spec().containers()) {
    if (c.name() == name) return c;
  }
  return std::nullopt;
}

Task<> PodWorker::sync() {
  if (!co_await look()) co_return;
  if (start_time_ == WallTime{}) start_time_ = s_.clock.wall();
  if (view().spec().has_active_deadline_seconds()) {
    const Duration left =
        start_time_ + std::chrono::seconds(view().spec().active_deadline_seconds()) - s_.clock.wall();
    if (left <= Duration(0)) {
      failed_ = Reason{"DeadlineExceeded", "Pod was active on the node longer than the specified deadline"};
      event("Normal", "DeadlineExceeded", failed_->message);
      wake_.set();
      co_return;
    }
    look_again_in(left);
  }
  co_await follow_probes();
  const PlanInput input{view(),
                        seen_.get(),
                        container_hash,
                        [this](const std::string& id) { return s_.prober.started(id); },
                        [this](const std::string& id) { return s_.prober.liveness_failed(id); },
                        [this](const std::string& id) { return s_.prober.startup_failed(id); }};
  PodPlan plan = plan_pod(input);
  if (plan.finished) {
    finished_ = true;
    wake_.set();
    co_return;
  }
  if (plan.create_sandbox && view().status().container_statuses().empty()) co_await report();
  if (!co_await prepare()) {
    co_await report();
    co_return;
  }
  if (plan.kill_pod) {
    if (plan.create_sandbox) {
      event("Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
    }
    co_await end_containers(grace_seconds());
    co_await stop_sandboxes();
  }
  for (const Kill& kill : plan.kill) {
    for (const auto& c : seen_->containers) {
      if (c.status.id == kill.container_id) co_await stop_one(c, grace_seconds(), kill.message, true);
    }
  }
  if (!plan.kill.empty() && !co_await look()) co_return;
  if (plan.create_sandbox && !co_await start_sandbox(plan.attempt)) {
    co_await report();
    co_return;
  }
  for (const auto& name : plan.start) {
    if (over()) break;
    co_await start_container(name);
  }
  if (!plan.start.empty() || plan.create_sandbox || !plan.kill.empty()) {
    if (!co_await look()) co_return;
    co_await follow_probes();
    co_await drop_old_containers();
  }
  co_await report();
}

// Directories, cgroup, volumes. False when something is not there yet; it is tried again.
Task<bool> PodWorker::prepare() {
  const MonoTime now = s_.clock.now();
  if (!volume_paths_.empty() && now < volumes_due_) {
    if (has_api_volumes(view().spec())) look_again_in(volumes_due_ - now);
    co_return true;
  }
  auto dirs = co_await run_blocking(
      s_.pool,
      [dir = s_.volumes.pod_dir(uid_), logs = pod_log_directory(s_.logs_dir, view())]() -> Result<int> {
        TRY(make_directories(dir, 0750));
        TRY(make_directories(logs));
        return 0;
      });
  if (!dirs) {
    event("Warning", "Failed", "error making pod data directories: " + dirs.error().message);
    look_again_in(10s);
    co_return false;
  }
  auto paths = co_await s_.volumes.set_up(pod_, facts());
  if (!paths) {
    event("Warning", "FailedMount", paths.error().message);
    look_again_in(std::min<Duration>(500ms * (1 << std::min(failures_++, 8)), kRetryMax));
    // What was set up before goes on being used.
    co_return !volume_paths_.empty();
  }
  failures_ = 0;
  volume_paths_ = std::move(*paths);
  volumes_due_ = now + kVolumeRefresh;
  if (has_api_volumes(view().spec())) look_again_in(kVolumeRefresh);
  co_return true;
}

// Makes the pod's cgroup unless it is there; the parent of its containers' cgroups.
Task<Result<std::string>> PodWorker::pod_cgroup() {
  const PodSpec spec = view().spec();
  co_return co_await run_blocking(s_.pool,
                                  [this, qos = std::string(qos_class(spec)), r = pod_resources(spec)] {
                                    return s_.cgroups.create_pod(qos, uid_, r);
                                  });
}

Task<bool> PodWorker::start_sandbox(std::uint32_t attempt) {
  const api::ObjectPtr keep = pod_;  // views into it are held across suspensions
  const PodSpec spec = view().spec();
  co_await drop_dead_sandboxes();
  auto cgroup = co_await pod_cgroup();
  if (!cgroup) {
    event("Warning", "FailedCreatePodContainer",
          fmt::format("unable to ensure pod container exists: {}", cgroup.error().message));
    look_again_in(10s);
    co_return false;
  }
  PodDns dns{std::string(spec.dns_policy()), spec.host_network(), std::string(pod_->namespace_()), {}};
  for (auto v : spec.dns_config().nameservers()) dns.custom.servers.emplace_back(v);
  for (auto v : spec.dns_config().searches()) dns.custom.searches.emplace_back(v);
  for (PodDNSConfigOption o : spec.dns_config().options()) {
    dns.custom.options.push_back(o.value().empty() ? std::string(o.name())
                                                   : fmt::format("{}:{}", o.name(), o.value()));
  }
  SandboxInput input{view(), attempt, pod_log_directory(s_.logs_dir, view()), *cgroup,
                     pod_dns(dns, s_.node_dns, s_.cluster_dns, s_.cluster_domain)};
  auto id = co_await s_.runtime.run_sandbox(sandbox_config(input));
  if (!id) {
    event("Warning", "FailedCreatePodSandBox",
          fmt::format("Failed to create pod sandbox: rpc error: code = {} desc = {}",
                      cri::grpc_code(id.error().code), id.error().message));
    look_again_in(std::min<Duration>(1s * (1 << std::min(failures_++, 6)), 1min));
    co_return false;
  }
  failures_ = 0;
  co_return (co_await look()).has_value();
}

// CrashLoopBackOff. Notes the restart when it may go on.
bool PodWorker::must_wait(Container container) {
  const ObservedContainer* last = nullptr;
  for (const auto& c : seen_->containers) {
    if (c.name == container.name() && c.exited()) {
      last = &c;
      break;
    }
  }
  if (!last) return false;
  const std::string key = fmt::format("{}_{}", uid_, container.name());
  const MonoTime now = s_.clock.now();
  const MonoTime ended = now - (s_.clock.wall() - WallTime(Duration(last->status.finished_at)));
  const MonoTime at = s_.crash_backoff.retry_at(key, ended);
  if (now < at) {
    const std::string delay = go_duration(s_.crash_backoff.delay(key));
    waiting_[std::string(container.name())] = {
        "CrashLoopBackOff",
        fmt::format("back-off {} restarting failed container={} pod={}", delay, container.name(), title())};
    if (backoff_told_.insert(last->status.id).second) {
      container_event(
          container.name(), "Warning", "BackOff",
          fmt::format("Back-off restarting failed container {} in pod {}", container.name(), title()));
    }
    look_again_in(at - now);
    return true;
  }
  s_.crash_backoff.next(key, ended, now);
  return false;
}

Task<> PodWorker::start_container(std::string name) {
  const api::ObjectPtr keep = pod_;  // views into it are held across suspensions
  const auto container = find(name);
  if (!container || must_wait(*container)) co_return;
  std::int64_t restart_count = 0;
  if (const ObservedContainer* newest = seen_->newest(name)) {
    restart_count = newest->created() ? newest->restart_count : newest->restart_count + 1;
    if (newest->created() && !co_await s_.runtime.remove_container(newest->status.id)) {
      look_again_in(200ms);  // an earlier kubelet's start of it is still under way
      co_return;
    }
  } else {
    for (ContainerStatus c : view().status().container_statuses()) {
      if (c.name() == name && !c.container_id().empty()) restart_count = c.restart_count() + 1;
    }
  }
  auto problem = co_await launch(*container, restart_count);
  if (!problem) {
    waiting_.erase(name);
    co_return;
  }
  if (problem->reason.starts_with("Create") || problem->reason == "RunContainerError") {
    container_event(name, "Warning", "Failed", "Error: " + problem->message);
  }
  waiting_[name] = std::move(*problem);
  look_again_in(10s);
}

Task<> PodWorker::ensure_image(Container container, std::shared_ptr<ImageAnswer> answer) {
  const std::string name(container.name());
  answer->image = co_await s_.images.ensure(
      uid_, container, [this, name](const char* type, const char* reason, std::string m) {
        container_event(name, type, reason, std::move(m));
      });
  answer->there.set();
}

// Pulls may take minutes: a pod that is deleted meanwhile does not wait for them.
Task<std::expected<cri::Image, Reason>> PodWorker::image_of(Container container) {
  auto answer = std::make_shared<ImageAnswer>();
  TaskGroup pull;
  pull.spawn(s_.strand, ensure_image(container, answer));
  while (!over() && !co_await answer->there.wait_until(s_.clock, s_.clock.now() + 500ms)) {
  }
  co_await pull.stop();
  if (!answer->image) co_return std::unexpected(Reason{"ContainerCreating", ""});
  co_return std::move(*answer->image);
}

// Image, environment, configuration, create, start. The error is what the container waits with.
Task<std::optional<Reason>> PodWorker::launch(Container container, std::int64_t restart_count) {
  const std::string name(container.name());
  auto image = co_await image_of(container);
  if (!image) {
    if (image.error().reason != "ImagePullBackOff" && image.error().reason != "ContainerCreating")
      container_event(name, "Warning", "Failed", "Error: " + image.error().reason);
    co_return image.error();
  }
  if (over()) co_return Reason{"ContainerCreating", ""};
  const bool links = !view().spec().has_enable_service_links() || view().spec().enable_service_links();
  auto env = co_await container_environment(view(), container, facts(),
                                            service_variables(s_.list_services(), pod_->namespace_(), links),
                                            &s_.config);
  if (!env) co_return Reason{"CreateContainerConfigError", env.error().message};

  const std::string pod_dir = s_.volumes.pod_dir(uid_);
  const std::string message_file = fmt::format("{}/containers/{}/{}", pod_dir, name, restart_count);
  const std::string hosts = pod_dir + "/etc-hosts";
  std::vector<HostAlias> aliases;
  for (api::core_v1::HostAlias a : view().spec().host_aliases()) {
    kubelet::HostAlias alias{std::string(a.ip()), {}};
    for (auto n : a.hostnames()) alias.names.emplace_back(n);
    aliases.push_back(std::move(alias));
  }
  const std::string_view subdomain = view().spec().subdomain();
  const std::string domain =
      subdomain.empty() ? "" : fmt::format("{}.{}.svc.{}", subdomain, pod_->namespace_(), s_.cluster_domain);
  auto files = co_await run_blocking(
      s_.pool,
      [=, host_network = view().spec().host_network(), host = pod_host_name(view()),
       ips = facts().pod_ips]() -> Result<int> {
        TRY(make_directories(message_file.substr(0, message_file.rfind('/'))));
        TRY(write_file(message_file, "", 0666));
        const std::string text = host_network ? node_hosts_file(read_file("/etc/hosts").value_or(""), aliases)
                                              : hosts_file(ips, host, domain, aliases);
        if (read_file(hosts).value_or("") != text) TRY(write_file(hosts, text));
        return 0;
      });
  if (!files) co_return Reason{"CreateContainerConfigError", files.error().message};
  auto cgroup = co_await pod_cgroup();
  if (!cgroup) co_return Reason{"CreateContainerConfigError", cgroup.error().message};

  auto config = container_config({view(), container, restart_count, *image, std::move(*env), volume_paths_,
                                  hosts, message_file, s_.node.node_memory});
  if (!config) co_return config.error();
  const ObservedSandbox* sandbox = seen_->ready_sandbox();
  if (!sandbox) co_return Reason{"ContainerCreating", ""};
  const SandboxInput in_sandbox{
      view(), sandbox->attempt, pod_log_directory(s_.logs_dir, view()), *cgroup, {}};
  cri::CreateContainerRequest request{sandbox->id, std::move(*config), sandbox_config(in_sandbox)};
  auto id = co_await s_.runtime.create_container(std::move(request));
  if (!id) co_return Reason{"CreateContainerError", id.error().message};
  container_event(name, "Normal", "Created", "Container created");
  auto started = co_await s_.runtime.start_container(*id);
  if (!started) co_return Reason{"RunContainerError", started.error().message};
  container_event(name, "Normal", "Started", "Container started");
  co_await post_start(container, *id);
  co_return std::nullopt;
}

Task<> PodWorker::post_start(Container container, std::string id) {
  if (!container.lifecycle().has_post_start()) co_return;
  const PodFacts f = facts();
  auto outcome = co_await s_.actions.hook({container, id, f.pod_ips.empty() ? "" : f.pod_ips[0], 10min},
                                          container.lifecycle().post_start());
  if (outcome.success) co_return;
  container_event(container.name(), "Warning", "FailedPostStartHook", "PostStartHook failed");
  if (!co_await look()) co_return;
  for (const auto& c : seen_->containers) {
    if (c.status.id == id) co_await stop_one(c, grace_seconds(), "FailedPostStartHook", false);
  }
}

// Probes run for exactly the running containers.
Task<> PodWorker::follow_probes() {
  std::set<std::string> running;
  const PodFacts f = facts();
  const auto follow = [&](Container c, const auto& statuses) {
    const ObservedContainer* now = seen_->newest(c.name());
    if (!now || !now->running()) return;
    running.insert(now->status.id);
    bool was_ready = false, started = false;
    for (ContainerStatus status : statuses) {
      if (status.container_id() != "containerd://" + now->status.id) continue;
      was_ready = status.ready();
      started = status.started();
    }
    s_.prober.ensure(pod_, c, now->status.id, f.pod_ips.empty() ? "" : f.pod_ips[0],
                     WallTime(Duration(now->status.started_at)), was_ready, started);
  };
  for (Container c : view().spec().init_containers()) {
    if (is_sidecar(c)) follow(c, view().status().init_container_statuses());
  }
  for (Container c : view().spec().containers()) follow(c, view().status().container_statuses());
  for (const auto& id : probed_) {
    if (!running.contains(id)) co_await s_.prober.remove(id);
  }
  probed_ = std::move(running);
}

// Keeps of each container the newest instance and the one before it, and of dead sandboxes those that hold
// such.
Task<> PodWorker::drop_old_containers() {
  std::map<std::string, int> count;
  std::vector<ObservedContainer> old;
  for (const auto& c : seen_->containers) {
    if (++count[c.name] > 2 && !c.running()) old.push_back(c);
  }
  for (const auto& c : old) {
    (void)co_await s_.runtime.remove_container(c.status.id);
    messages_.erase(c.status.id);
    backoff_told_.erase(c.status.id);
    co_await run_blocking(s_.pool, [path = c.status.log_path] {
      remove_file_and_rotated(path);
      return 0;
    });
  }
  co_await drop_dead_sandboxes();
}

// Sandboxes that ended, or never came up, and hold no container.
Task<> PodWorker::drop_dead_sandboxes() {
  for (const auto& box : seen_->sandboxes) {
    const bool used = std::any_of(seen_->containers.begin(), seen_->containers.end(),
                                  [&](const ObservedContainer& c) { return c.sandbox_id == box.id; });
    if (!box.ready && !used) (void)co_await s_.runtime.remove_sandbox(box.id);
  }
}

}  // namespace keelson::kubelet
