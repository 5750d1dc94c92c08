#include "kubelet/kubelet.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/strand.hpp>
#include <filesystem>
#include <set>

#include "api/json.h"
#include "client/event_recorder.h"
#include "kubelet/blocking.h"
#include "kubelet/digest.h"
#include "kubelet/files.h"
#include "kubelet/garbage.h"
#include "kubelet/network_files.h"
#include "kubelet/node_reporter.h"
#include "kubelet/pod_worker.h"

namespace keelson::kubelet {

using namespace std::chrono_literals;
using namespace api::core_v1;

namespace {

// ConfigMaps and Secrets as the API has them now.
class ApiConfigSource final : public ConfigSource {
 public:
  explicit ApiConfigSource(client::Transport& transport) : transport_(transport) {}
  Task<Result<api::ObjectPtr>> config_map(std::string ns, std::string name) override {
    co_return or_null(co_await transport_.get(ConfigMap::kind_info(), std::move(ns), std::move(name), {}));
  }
  Task<Result<api::ObjectPtr>> secret(std::string ns, std::string name) override {
    co_return or_null(co_await transport_.get(Secret::kind_info(), std::move(ns), std::move(name), {}));
  }

 private:
  static Result<api::ObjectPtr> or_null(Result<api::ObjectPtr> r) {
    if (!r && r.error().code == Code::kNotFound) return api::ObjectPtr();
    return r;
  }
  client::Transport& transport_;
};

// Whether the API shows this container's end as a lastState.
bool in_last_state(Pod pod, const std::string& container_id) {
  for (const auto& statuses : {pod.status().container_statuses(), pod.status().init_container_statuses()}) {
    for (ContainerStatus s : statuses) {
      if (s.last_state().terminated().container_id() == "containerd://" + container_id) return true;
    }
  }
  return false;
}

std::set<std::string> names_in(const std::string& dir) {
  std::set<std::string> out;
  std::error_code ec;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ec)) out.insert(entry.path().filename());
  return out;
}

PodFacts node_pod_facts(const KubeletOptions& options, const MachineFacts& m) {
  PodFacts f;
  f.node_name = options.node_name;
  f.host_ip = options.node_ip;
  f.node_cpu_milli = m.cpus * 1000;
  f.node_memory = m.memory_bytes;
  f.node_ephemeral_storage = m.disk_bytes;
  return f;
}

}  // namespace

std::string cgroup_root(const std::string& data_dir) {
  return "keelson-" + short_digest(data_dir);
}

class Kubelet::Impl final : public RuntimeAccess {
 public:
  Impl(KubeletOptions options, client::Transport& transport, cri::Runtime& runtime, Clock& clock, Rng rng,
       Logger logger)
      : options_(std::move(options)),
        machine_(machine_facts(options_.data_dir)),
        strand_(boost::asio::make_strand(options_.executor)),
        runtime_(runtime),
        clock_(clock),
        log_(logger.named("kubelet")),
        config_(transport),
        cgroups_(options_.cgroups ? Cgroups::of_host(cgroup_root(options_.data_dir)) : Cgroups::none()),
        cache_(runtime, clock, log_, [this](const std::string& uid) { on_runtime_change(uid); }),
        volumes_(options_.data_dir + "/pods", transport, config_, clock, options_.pool),
        images_(runtime, clock),
        actions_(runtime, clock, log_),
        prober_(actions_, clock, strand_,
                [this](const std::string& uid, const std::string& container, std::string failure) {
                  on_probe(uid, container, std::move(failure));
                }),
        broadcaster_(transport, options_.executor, clock, rng.fork(), log_),
        events_(broadcaster_, "kubelet", options_.node_name),
        informers_(transport, options_.executor, clock, rng.fork(), log_),
        node_(options_, machine_, transport, runtime, events_, clock, log_,
              [this] { return clock_.now() - cache_.last_success() < 3min; }),
        garbage_(runtime, clock, options_.pool, log_),
        services_{transport,
                  runtime,
                  cache_,
                  volumes_,
                  config_,
                  images_,
                  prober_,
                  actions_,
                  *cgroups_,
                  events_,
                  crash_backoff_,
                  clock,
                  log_,
                  strand_,
                  options_.pool,
                  options_.data_dir + "/pods-logs",
                  node_pod_facts(options_, machine_),
                  parse_resolv_conf(read_file("/etc/resolv.conf").value_or("")),
                  options_.cluster_dns,
                  options_.cluster_domain,
                  [this] { return service_informer_->store().list(); }} {
    client::InformerOptions mine;
    mine.field_selector = "spec.nodeName=" + options_.node_name;
    pod_informer_ = informers_.informer(Pod::kind_info(), mine);
    service_informer_ = informers_.informer(Service::kind_info());
    pod_informer_->add_handler({[this](const api::ObjectPtr& o) { enqueue(o, false); },
                                [this](const api::ObjectPtr& old, const api::ObjectPtr& now) {
                                  if (old->uid() != now->uid()) enqueue(old, true);
                                  enqueue(now, false);
                                },
                                [this](const api::ObjectPtr& o) { enqueue(o, true); }});
  }

  Task<Result<void>> start() {
    CO_TRY(co_await run_blocking(options_.pool, [this]() -> Result<int> {
      TRY(make_directories(options_.data_dir + "/pods", 0750));
      TRY(make_directories(services_.logs_dir));
      return 0;
    }));
    CO_TRY(co_await cache_.relist());
    broadcaster_.start();
    informers_.start();
    tasks_.spawn(strand_, node_.run_status());
    tasks_.spawn(strand_, node_.run_lease());
    tasks_.spawn(strand_, dispatch());
    tasks_.spawn(strand_, cache_.run());
    tasks_.spawn(strand_, garbage_.run([this] { return containers_here(); }));
    co_return Result<void>{};
  }

  Task<> stop() {
    co_await tasks_.stop();
    co_await workers_tasks_.stop();
    co_await prober_.stop();
    co_await informers_.stop();
    co_await broadcaster_.stop();
  }

  // --- RuntimeAccess ---
  Task<Result<std::string>> pods_json() override;
  Task<Result<ContainerView>> find_container(ContainerRef ref, bool previous) override;
  Task<Result<bool>> is_running(std::string id) override { co_return cache_.container_running(id); }
  Task<Result<PodView>> find_pod(std::string ns, std::string pod, std::string uid) override;
  Task<Result<std::string>> exec_url(std::string id, std::vector<std::string> command,
                                     StreamChoice s) override {
    co_return co_await runtime_.exec_url({std::move(id), std::move(command), s.tty, s.in, s.out, s.err});
  }
  Task<Result<std::string>> attach_url(std::string id, StreamChoice s) override {
    co_return co_await runtime_.attach_url({std::move(id), s.in, s.tty, s.out, s.err});
  }
  Task<Result<std::string>> port_forward_url(std::string id, std::vector<std::int32_t> ports) override {
    co_return co_await runtime_.port_forward_url({std::move(id), std::move(ports)});
  }

 private:
  void enqueue(const api::ObjectPtr& pod, bool removed) {
    std::lock_guard lock(mu_);
    queue_.push_back({pod, removed});
    queue_event_.set();
  }

  // Hands pods from the informer to their workers, and makes workers.
  Task<> dispatch() {
    co_await pod_informer_->wait_for_sync();
    co_await service_informer_->wait_for_sync();
    drain();
    std::set<std::string> left = cache_.pod_uids();  // of pods that the API forgot while we were away
    left.merge(
        co_await run_blocking(options_.pool, [dir = options_.data_dir + "/pods"] { return names_in(dir); }));
    for (const auto& uid : left) {
      if (!find_worker(uid)) add_worker(uid, nullptr);
    }
    for (;;) {
      co_await queue_event_.wait();
      drain();
    }
  }

  void drain() {
    for (;;) {
      std::pair<api::ObjectPtr, bool> item;
      {
        std::lock_guard lock(mu_);
        queue_event_.reset();
        if (queue_.empty()) return;
        item = std::move(queue_.front());
        queue_.pop_front();
      }
      const std::string uid(item.first->uid());
      auto worker = find_worker(uid);
      if (item.second) {
        if (worker) worker->removed();
      } else if (worker) {
        worker->update(item.first);
      } else {
        add_worker(uid, item.first);
      }
    }
  }

  std::shared_ptr<PodWorker> find_worker(const std::string& uid) const {
    std::lock_guard lock(mu_);
    auto it = workers_.find(uid);
    return it == workers_.end() ? nullptr : it->second;
  }

  void add_worker(const std::string& uid, api::ObjectPtr pod) {
    auto worker = std::make_shared<PodWorker>(services_, uid, std::move(pod));
    {
      std::lock_guard lock(mu_);
      workers_[uid] = worker;
    }
    workers_tasks_.spawn(strand_, run_worker(worker));
  }

  Task<> run_worker(std::shared_ptr<PodWorker> worker) {
    co_await worker->run();
    std::lock_guard lock(mu_);
    workers_.erase(worker->uid());
  }

  void on_runtime_change(const std::string& uid) {
    if (auto worker = find_worker(uid)) worker->poke();
  }

  void on_probe(const std::string& uid, const std::string& container, std::string failure) {
    auto worker = find_worker(uid);
    if (!worker) return;
    if (const auto pod = worker->pod(); pod && !failure.empty()) {
      auto ref = client::reference_to(*pod);
      bool init = false;
      for (Container c : Pod::of(*pod).spec().init_containers()) init |= c.name() == container;
      ref.field_path = fmt::format("spec.{}{{{}}}", init ? "initContainers" : "containers", container);
      events_.event(std::move(ref), "Warning", "Unhealthy", std::move(failure));
    }
    worker->poke();
  }

  std::vector<cri::ContainerStatus> containers_here() {
    std::vector<cri::ContainerStatus> out;
    std::lock_guard lock(mu_);
    for (const auto& [uid, worker] : workers_) {
      if (auto seen = cache_.snapshot(uid)) {
        for (const auto& c : seen->containers) out.push_back(c.status);
      }
    }
    return out;
  }

  std::shared_ptr<PodWorker> find_by_name(const std::string& ns, const std::string& name,
                                          const std::string& uid) const {
    std::lock_guard lock(mu_);
    for (const auto& [id, worker] : workers_) {
      const auto pod = worker->pod();
      if (pod && pod->name() == name && pod->namespace_() == ns && (uid.empty() || uid == id)) return worker;
    }
    return nullptr;
  }

  const KubeletOptions options_;
  const MachineFacts machine_;
  Executor strand_;
  cri::Runtime& runtime_;
  Clock& clock_;
  Logger log_;
  ApiConfigSource config_;
  std::unique_ptr<Cgroups> cgroups_;
  RuntimeCache cache_;
  VolumeManager volumes_;
  ImagePuller images_;
  ActionRunner actions_;
  Prober prober_;
  Backoff crash_backoff_{10s, 5min, 10min};
  client::EventBroadcaster broadcaster_;
  client::EventRecorder events_;
  client::InformerFactory informers_;
  std::shared_ptr<client::Informer> pod_informer_, service_informer_;
  NodeReporter node_;
  GarbageCollector garbage_;
  PodServices services_;

  mutable std::mutex mu_;
  std::deque<std::pair<api::ObjectPtr, bool>> queue_;  // pod, removed
  AsyncEvent queue_event_;
  std::map<std::string, std::shared_ptr<PodWorker>> workers_;
  TaskGroup workers_tasks_, tasks_;
};

Task<Result<std::string>> Kubelet::Impl::pods_json() {
  std::vector<api::ObjectPtr> pods;
  {
    std::lock_guard lock(mu_);
    for (const auto& [uid, worker] : workers_) {
      if (auto pod = worker->pod()) pods.push_back(std::move(pod));
    }
  }
  std::string out = R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":[)";
  for (std::size_t i = 0; i < pods.size(); ++i) {
    if (i > 0) out += ',';
    out += api::encode_json(*pods[i], api::TypeMetaMode::kOmit);
  }
  co_return out + "]}";
}

Task<Result<ContainerView>> Kubelet::Impl::find_container(ContainerRef ref, bool previous) {
  const auto worker = find_by_name(ref.namespace_, ref.pod, ref.uid);
  if (!worker) co_return fail(Code::kNotFound, fmt::format("pod \"{}\" not found", ref.pod));
  const auto object = worker->pod();
  const Pod pod = Pod::of(*object);
  std::string name = ref.container;
  if (name.empty() && !pod.spec().containers().empty()) name = pod.spec().containers()[0].name();
  Container spec;
  for (Container c : pod.spec().init_containers()) {
    if (c.name() == name) spec = c;
  }
  for (Container c : pod.spec().containers()) {
    if (c.name() == name) spec = c;
  }
  if (!spec)
    co_return fail(Code::kNotFound, fmt::format("container \"{}\" not found in pod \"{}\"", name, ref.pod));
  // A snapshot may lag behind what the API server just said; a fresh look is cheap.
  ObservationPtr seen = cache_.snapshot(worker->uid());
  const ObservedContainer* c = seen ? seen->newest(name) : nullptr;
  if (!c || !c->running()) {
    if (auto fresh = co_await cache_.refresh(worker->uid())) seen = std::move(*fresh);
    c = seen ? seen->newest(name) : nullptr;
  }
  if (previous) {
    // While the newest waits to be restarted, it is the one that ended last.
    const bool waiting = c && c->exited() && in_last_state(pod, c->status.id);
    if (!waiting) c = seen ? seen->previous(name) : nullptr;
    if (!c) {
      co_return fail(
          Code::kInvalidArgument,
          fmt::format("previous terminated container \"{}\" in pod \"{}\" not found", name, ref.pod));
    }
  }
  if (!c) {
    std::string why = "ContainerCreating";
    for (const auto& statuses : {pod.status().container_statuses(), pod.status().init_container_statuses()}) {
      for (ContainerStatus s : statuses) {
        if (s.name() == name && s.state().has_waiting()) why = s.state().waiting().reason();
      }
    }
    co_return fail(Code::kInvalidArgument,
                   fmt::format("container \"{}\" in pod \"{}\" is waiting to start: {}", name, ref.pod, why));
  }
  co_return ContainerView{c->status.id, name, c->status.log_path, c->running(), spec.tty(), spec.stdin_()};
}

Task<Result<PodView>> Kubelet::Impl::find_pod(std::string ns, std::string name, std::string uid) {
  const auto worker = find_by_name(ns, name, uid);
  if (!worker) co_return fail(Code::kNotFound, fmt::format("pod \"{}\" not found", name));
  const ObservationPtr seen = cache_.snapshot(worker->uid());
  const ObservedSandbox* sandbox = seen ? seen->ready_sandbox() : nullptr;
  if (!sandbox) co_return fail(Code::kNotFound, fmt::format("pod \"{}\" is not running", name));
  const bool host = Pod::of(*worker->pod()).spec().host_network();
  co_return PodView{sandbox->id, host ? options_.node_ip : sandbox->ips.empty() ? "" : sandbox->ips[0]};
}

Kubelet::Kubelet(KubeletOptions options, client::Transport& transport, cri::Runtime& runtime, Clock& clock,
                 Rng rng, Logger logger)
    : impl_(std::make_unique<Impl>(std::move(options), transport, runtime, clock, rng, logger)) {}
Kubelet::~Kubelet() = default;
Task<Result<void>> Kubelet::start() {
  return impl_->start();
}
Task<> Kubelet::stop() {
  return impl_->stop();
}
RuntimeAccess& Kubelet::runtime_access() {
  return *impl_;
}

namespace {

Task<> remove_pod_sandbox(cri::Runtime* runtime, std::string id, std::int64_t grace_s,
                          std::vector<std::string> running, Logger log) {
  for (const auto& c : running) (void)co_await runtime->stop_container(c, grace_s);
  auto r = co_await runtime->stop_sandbox(id);
  if (r) r = co_await runtime->remove_sandbox(id);
  if (!r) log.warn("removing a sandbox failed", {{"sandbox", id}, {"error", r.error()}});
}

}  // namespace

Task<> remove_all_pods(cri::Runtime& runtime, std::string data_dir, std::int64_t grace_s, Executor pool,
                       Logger logger) {
  auto sandboxes = co_await runtime.list_sandboxes("");
  auto containers = co_await runtime.list_containers("");
  if (!sandboxes || !containers) {
    logger.warn("the container runtime does not answer",
                {{"error", (sandboxes ? containers.error() : sandboxes.error())}});
  } else {
    const Executor ex = co_await boost::asio::this_coro::executor;
    TaskGroup group;
    for (const auto& s : *sandboxes) {
      std::vector<std::string> running;
      for (const auto& c : *containers) {
        if (c.pod_sandbox_id == s.id && c.state == cri::ContainerState::kRunning) running.push_back(c.id);
      }
      group.spawn(ex, remove_pod_sandbox(&runtime, s.id, grace_s, std::move(running), logger));
    }
    co_await group.join();
  }
  (void)co_await run_blocking(pool, [data_dir] {
    (void)unmount_below(data_dir + "/pods");
    (void)remove_tree(data_dir + "/pods");
    (void)remove_tree(data_dir + "/pods-logs");
    Cgroups::of_host(cgroup_root(data_dir))->remove_all();
    return 0;
  });
}

}  // namespace keelson::kubelet
