#include "cmd/all_in_one.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <mutex>

#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include "api/gen/core_v1.h"
#include "base/async.h"
#include "base/rng.h"
#include "client/event_recorder.h"
#include "client/informer.h"
#include "cmd/kubelet_host.h"
#include "cmd/local_transport.h"
#include "cmd/node_address.h"
#include "controllers/manager.h"
#include "proxy/iptables.h"
#include "proxy/proxier.h"
#include "scheduler/scheduler.h"

namespace keelson::cmd {
namespace {

using namespace std::chrono_literals;

// Instances are told apart in Leases by host and data directory; a restarted process is the same instance, since the store's lock
// lets only one run: it takes its own Lease up at once.
Result<std::string> instance_id(const std::string& data_dir, const std::string& node) {
  const std::string path = data_dir + "/instance-id";
  auto id = read_file(path);
  if (!id) {
    id = Rng(os_entropy()).uuid();
    TRY(write_file(path, *id, 0600));
  }
  return node + "_" + *id;
}

Result<void> check_host() {
  if (::geteuid() != 0) {
    return fail(Code::kFailedPrecondition, "keelson up needs root: it runs containers and writes iptables rules; start it with sudo");
  }
  return {};
}

// A row of `kubectl get componentstatuses`.
api::ObjectPtr component_status(std::string_view name, const std::string& why_not) {
  auto object = api::Object::make(api::core_v1::ComponentStatus::kind_info());
  auto status = api::core_v1::ComponentStatusMut::of(*object);
  status.mutable_metadata().set_name(name);
  auto condition = status.add_conditions();
  condition.set_type("Healthy");
  condition.set_status(why_not.empty() ? "True" : "False");
  condition.set_message(why_not.empty() ? "ok" : why_not);
  return api::freeze(std::move(object));
}

struct Role {
  Role(apiserver::Endpoint& endpoint, auth::UserInfo user, std::string agent) : transport(endpoint, std::move(user), std::move(agent)) {}
  LocalTransport transport;
};

}  // namespace

struct AllInOne::Impl {
  Impl(AllInOneOptions options, net::IoPool& p, Clock& c, Logger l)
      : o(std::move(options)), pool(p), clock(c), log(std::move(l)), rng(os_entropy()) {}

  AllInOneOptions o;
  net::IoPool& pool;
  Clock& clock;
  Logger log;
  Rng rng;
  ClusterPki pki;
  std::string identity;
  AsyncEvent failed;
  std::string failure;

  prometheus::Registry registry;  // of the store
  std::unique_ptr<ApiStore> store;
  std::unique_ptr<apiserver::ApiServer> api;
  std::unique_ptr<Role> manager_role, scheduler_role, kubelet_role, proxy_role;
  std::mutex manager_mu;  // held to read or replace the pointer: /metrics and componentstatuses look from other threads
  std::shared_ptr<controllers::ControllerManager> manager;
  std::unique_ptr<client::InformerFactory> scheduler_informers, proxy_informers;
  std::unique_ptr<client::EventBroadcaster> scheduler_events;
  std::unique_ptr<scheduler::Scheduler> scheduler;
  std::unique_ptr<KubeletHost> kubelet;
  std::unique_ptr<proxy::Proxier> proxier;
  TaskGroup tasks;

  Result<void> prepare();
  Result<void> open_store();
  Result<void> make_api();
  Result<void> write_kubeconfig();
  void start_controllers();
  void start_scheduler();
  void start_proxy();
  Task<Result<void>> start_kubelet();
  Task<> keep_leading();
  Task<std::vector<api::ObjectPtr>> component_statuses();
  std::string metrics();
  std::shared_ptr<controllers::ControllerManager> current_manager() {
    std::lock_guard lock(manager_mu);
    return manager;
  }
  void fail_with(std::string why);
};

void AllInOne::Impl::fail_with(std::string why) {
  log.error("the process cannot go on", {{"reason", why}});
  failure = std::move(why);
  failed.set();
}

Result<void> AllInOne::Impl::prepare() {
  TRY(check_host());
  std::error_code ec;
  std::filesystem::create_directories(o.data_dir, ec);
  if (ec) return fail(Code::kFailedPrecondition, "cannot make the data directory " + o.data_dir + ": " + ec.message());
  ::chmod(o.data_dir.c_str(), 0700);
  TRY(proxy::Iptables(log).check());
  if (o.node_name.empty()) o.node_name = host_name();
  if (o.node_ip.empty()) o.node_ip = default_address();
  if (o.kubeconfig.empty()) o.kubeconfig = o.data_dir + "/kubeconfig";
  identity = TRY(instance_id(o.data_dir, o.node_name));
  return {};
}

Result<void> AllInOne::Impl::open_store() {
  ApiStoreParts parts;
  parts.data_dir = o.data_dir + "/store";
  parts.clock = &clock;
  parts.logger = log.named("store");
  parts.home = pool.next();
  parts.metrics = &registry;
  parts.on_failure = [this](Error e) { fail_with("the store failed: " + e.to_string()); };
  store = TRY(ApiStore::open(o.store, std::move(parts)));
  o.apiserver.store_is_local = store->local();
  return {};
}

Result<void> AllInOne::Impl::make_api() {
  // The first address of the service range is the Service `kubernetes`.
  const auto range = o.apiserver.service_cluster_ip_range;
  const auto slash = range.rfind('/');
  auto dot = range.rfind('.', slash);
  if (slash == std::string::npos || dot == std::string::npos) {
    return fail(Code::kInvalidArgument, "--service-cluster-ip-range: '" + range + "' is not an IPv4 range such as 10.96.0.0/16");
  }
  const std::string service_ip =
      range.substr(0, dot + 1) + std::to_string(std::atoi(range.substr(dot + 1, slash - dot - 1).c_str()) + 1);

  PkiOptions po{o.data_dir + "/pki", {"127.0.0.1", o.node_ip, service_ip}, {o.node_name}, o.node_name};
  pki = TRY(ensure_pki(po, clock));
  auto& a = o.apiserver;
  a.bind_address = o.bind_address;
  a.advertise_address = o.node_ip;
  a.secure_port = static_cast<std::uint16_t>(o.secure_port);
  a.tls = net::TlsServerConfig{pki.apiserver.certificate_pem, pki.apiserver.key_pem, pki.ca_pem, false};
  if (a.service_account_signing_key_pem.empty()) a.service_account_signing_key_pem = pki.service_account_key_pem;
  a.kubelet_ca_pem = pki.ca_pem;
  a.kubelet_client_certificate_pem = pki.apiserver_kubelet.certificate_pem;
  a.kubelet_client_key_pem = pki.apiserver_kubelet.key_pem;

  apiserver::Parts parts;
  parts.store = &store->store();
  parts.clock = &clock;
  parts.logger = log.named("apiserver");
  parts.io = pool.executors();
  parts.workers = pool.workers();
  parts.seed = rng.next();
  parts.store_health = [this] { return store->health(); };
  parts.more_metrics = [this] { return metrics(); };
  parts.component_statuses = [this] { return component_statuses(); };
  api = TRY(apiserver::ApiServer::make(a, std::move(parts)));
  return {};
}

// What the store, the controllers and the scheduler count, under etcd's and Kubernetes' names.
std::string AllInOne::Impl::metrics() {
  std::string out = prometheus::TextSerializer().Serialize(registry.Collect());
  if (auto m = current_manager()) m->write_metrics(out);
  if (scheduler) out += scheduler->metrics();
  return out;
}

Task<std::vector<api::ObjectPtr>> AllInOne::Impl::component_statuses() {
  const auto m = current_manager();
  std::vector<api::ObjectPtr> out;
  out.push_back(component_status("controller-manager", m && m->is_leader() ? "" : "it does not lead (yet)"));
  out.push_back(component_status("etcd-0", store->health()));
  out.push_back(component_status("scheduler", scheduler && scheduler->leading() ? "" : "it does not lead (yet)"));
  co_return out;
}

Result<void> AllInOne::Impl::write_kubeconfig() {
  const auto url = "https://" + o.node_ip + ":" + std::to_string(api->port());
  return write_file(o.kubeconfig, make_kubeconfig(url, pki.ca_pem, pki.admin, "kubernetes-admin", "keelson"), 0600);
}

void AllInOne::Impl::start_controllers() {
  if (!manager_role) manager_role = std::make_unique<Role>(api->endpoint(), auth::UserInfo{"system:kube-controller-manager", "", {}, {}}, "kube-controller-manager");
  controllers::ControllerManagerOptions mo;
  mo.root_ca_pem = pki.ca_pem;
  mo.identity = identity;
  auto fresh = std::make_shared<controllers::ControllerManager>(mo, manager_role->transport, pool.next(), clock, rng.fork(), log);
  fresh->start();
  std::lock_guard lock(manager_mu);
  manager = std::move(fresh);
}

void AllInOne::Impl::start_scheduler() {
  scheduler_role = std::make_unique<Role>(api->endpoint(), auth::UserInfo{"system:kube-scheduler", "", {}, {}}, "kube-scheduler");
  auto& t = scheduler_role->transport;
  const auto ex = pool.next();
  scheduler_informers = std::make_unique<client::InformerFactory>(t, ex, clock, rng.fork(), log);
  scheduler_events = std::make_unique<client::EventBroadcaster>(t, ex, clock, rng.fork(), log);
  scheduler_events->start();
  scheduler = std::make_unique<scheduler::Scheduler>(scheduler::SchedulerOptions{"default-scheduler", identity, true}, t,
                                                     *scheduler_informers, *scheduler_events, ex, clock, rng.fork(), log);
  scheduler->start();
  scheduler_informers->start();
}

void AllInOne::Impl::start_proxy() {
  proxy_role = std::make_unique<Role>(api->endpoint(), auth::UserInfo{"system:kube-proxy", "", {}, {}}, "kube-proxy");
  const auto ex = pool.next();
  proxy_informers = std::make_unique<client::InformerFactory>(proxy_role->transport, ex, clock, rng.fork(), log);
  proxy::ProxierOptions po;
  po.node_name = o.node_name;
  po.rules.cluster_cidr = o.cluster_cidr;
  po.rules.service_cidr = o.apiserver.service_cluster_ip_range;
  proxier = std::make_unique<proxy::Proxier>(po, *proxy_informers, ex, pool.workers(), clock, log);
  proxier->start();
  proxy_informers->start();
}

Task<Result<void>> AllInOne::Impl::start_kubelet() {
  kubelet_role = std::make_unique<Role>(
      api->endpoint(), auth::UserInfo{"system:node:" + o.node_name, "", {std::string(auth::kGroupNodes)}, {}}, "kubelet");
  KubeletHostOptions ko;
  ko.kubelet.node_name = o.node_name;
  ko.kubelet.node_ip = o.node_ip;
  ko.kubelet.data_dir = std::filesystem::absolute(o.data_dir).lexically_normal().string();
  ko.kubelet.pod_cidr = o.cluster_cidr;
  ko.kubelet.executor = pool.next();
  ko.kubelet.pool = pool.workers();
  ko.listen_address = o.node_ip;
  ko.tls = net::TlsServerConfig{pki.kubelet_server.certificate_pem, pki.kubelet_server.key_pem, pki.ca_pem, false};
  kubelet = std::make_unique<KubeletHost>(std::move(ko), kubelet_role->transport, pool.executors(), clock, rng.fork(), log);
  co_return co_await kubelet->start();
}

// A manager whose Lease was lost has ended its controllers; a new one takes its place.
Task<> AllInOne::Impl::keep_leading() {
  for (;;) {
    co_await manager->lost().wait();
    co_await manager->stop();
    start_controllers();
  }
}

AllInOne::AllInOne(AllInOneOptions options, net::IoPool& pool, Clock& clock, Logger logger)
    : impl_(std::make_unique<Impl>(std::move(options), pool, clock, std::move(logger))) {}

AllInOne::~AllInOne() = default;

Task<Result<void>> AllInOne::start() {
  auto& i = *impl_;
  CO_TRY(i.prepare());
  CO_TRY(i.open_store());
  CO_TRY(co_await i.store->start());
  CO_TRY(i.make_api());
  CO_TRY(co_await i.api->start());
  CO_TRY(i.write_kubeconfig());
  i.log.info("the API server is ready", {{"port", i.api->port()}, {"kubeconfig", i.o.kubeconfig}});
  i.start_controllers();
  i.start_scheduler();
  i.start_proxy();
  i.tasks.spawn(i.pool.next(), i.keep_leading());
  CO_TRY(co_await i.start_kubelet());
  i.log.info("all roles run", {{"node", i.o.node_name}, {"address", i.o.node_ip}});
  co_return Result<void>();
}

Task<> AllInOne::stop() {
  auto& i = *impl_;
  co_await i.tasks.stop();
  if (i.kubelet) co_await i.kubelet->stop();
  if (i.proxier) {
    co_await i.proxier->stop();
    co_await i.proxy_informers->stop();
  }
  if (i.scheduler) {
    co_await i.scheduler->stop();
    co_await i.scheduler_informers->stop();
    co_await i.scheduler_events->stop();
  }
  if (i.manager) co_await i.manager->stop();
  if (i.api) co_await i.api->stop();
  if (i.store) {
    co_await resume_on(i.pool.workers());
    co_await i.store->stop();
  }
}

AsyncEvent& AllInOne::failed() { return impl_->failed; }
const std::string& AllInOne::failure() const { return impl_->failure; }

}  // namespace keelson::cmd
