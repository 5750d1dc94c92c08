#include "cmd/kvstore/member_process.h"

#include <fmt/format.h>
#include <prometheus/registry.h>
#include <sys/mman.h>

#include <algorithm>
#include <thread>

#include "base/async.h"
#include "cmd/files.h"
#include "cmd/kvstore/cluster.h"
#include "cmd/kvstore/comma_list.h"
#include "cmd/kvstore/data_dir.h"
#include "cmd/kvstore/discovery.h"
#include "cmd/kvstore/listeners.h"
#include "cmd/kvstore/notify_ready.h"
#include "cmd/kvstore/ready_gate.h"
#include "cmd/kvstore/source_check.h"
#include "cmd/kvstore/store_options.h"
#include "cmd/kvstore/tls.h"
#include "kvstore/server/etcd/api.h"
#include "kvstore/server/etcd/auth_service.h"
#include "kvstore/server/etcd/lock_service.h"
#include "kvstore/server/member_id.h"
#include "kvstore/server/replicated_store.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"
#include "raft/transport/http_transport.h"

namespace keelson::cmd {
namespace {

constexpr Duration kFetchTimeout = std::chrono::seconds(3);
constexpr Duration kStopGrace = std::chrono::milliseconds(500);

// Connections cost more than the store: more threads than half the cores only take time from each other.
std::size_t io_threads() {
  return std::clamp<std::size_t>(std::thread::hardware_concurrency() / 2, 1, 8);
}

// What other members are told.
std::vector<raft::PeerMember> peer_members(const std::vector<kvstore::MemberInfo>& members) {
  std::vector<raft::PeerMember> out;
  for (const auto& m : members) out.push_back({m.id, m.name, m.peer_urls, m.client_urls, m.learner});
  return out;
}

std::vector<std::string> urls_of_others(const InitialCluster& cluster) {
  std::vector<std::string> out;
  for (const auto& m : cluster.members) {
    if (m.id != cluster.self) out.insert(out.end(), m.peer_urls.begin(), m.peer_urls.end());
  }
  return out;
}

Task<> store_result(Task<Result<raft::MemberList>> task, Result<raft::MemberList>* out) {
  *out = co_await std::move(task);
}

}  // namespace

struct MemberProcess::Impl {
  Impl(KvstoreConfig c, Logger l, Failpoints* f, std::function<void(MemberEnd)> end)
      : config(std::move(c)),
        logger(std::move(l)),
        failpoints(f),
        on_end(std::move(end)),
        pool(io_threads(), 2) {}

  Result<void> prepare_tls();
  Result<InitialCluster> first_members();
  Result<InitialCluster> discovered_members();
  Result<void> open_store();
  Result<void> start_peers();
  Result<void> build_api();
  Result<void> start_clients();
  void ended(MemberEnd end);
  void serve_clients();
  Task<> hand_over();
  Task<> stop_serving();

  const KvstoreConfig config;
  const Logger logger;
  Failpoints* const failpoints;
  const std::function<void(MemberEnd)> on_end;
  net::AsioClock clock;
  net::IoPool pool;
  net::IoPool peer_pool{1, 1};  // what goes to other members does not wait for what serves clients
  prometheus::Registry registry;
  DataDir data_dir;
  TlsFiles client_files, peer_files;
  std::optional<net::TlsClientConfig> to_peers;
  std::string local_address;

  std::unique_ptr<kvstore::ReplicatedStore> store;
  std::unique_ptr<raft::HttpTransport> transport;
  std::unique_ptr<SourceCheck> source_check;
  std::unique_ptr<Listeners> peers, clients;
  std::unique_ptr<kvstore::etcd::TokenAuthenticator> authenticator;
  std::unique_ptr<kvstore::etcd::EtcdApi> api;
  std::unique_ptr<ReadyGate> gate;
  bool api_started = false;
  std::atomic<bool> end_told{false};
};

Result<void> MemberProcess::Impl::prepare_tls() {
  const std::string fixtures = config.data_dir + "/fixtures";
  client_files = TRY(with_generated(config.client_tls, fixtures + "/client", config.listen_client_urls,
                                    config.self_signed_cert_validity, clock));
  peer_files = TRY(with_generated(config.peer_tls, fixtures + "/peer", config.listen_peer_urls,
                                  config.self_signed_cert_validity, clock));
  to_peers = TRY(client_tls(peer_files));
  local_address = member_local_address(config, logger);
  return {};
}

// Of a member that does not know its cluster yet.
Result<InitialCluster> MemberProcess::Impl::first_members() {
  if (config.discovery.wanted()) return discovered_members();
  InitialCluster wanted = TRY(initial_cluster(config));
  if (config.initial_cluster_state == "new") return wanted;
  Result<raft::MemberList> list = fail(Code::kUnavailable, "nobody was asked");
  block_on(pool.next(), store_result(raft::fetch_members(urls_of_others(wanted),
                                                         {.tls = to_peers, .local_address = local_address},
                                                         kFetchTimeout, clock, logger),
                                     &list));
  if (!list) {
    return fail(list.error().code, "cannot fetch the members of the cluster from " +
                                       join_list(urls_of_others(wanted)) + ": " + list.error().message);
  }
  std::vector<kvstore::MemberInfo> members;
  for (const auto& m : list->members)
    members.push_back({m.id, m.name, m.peer_urls, m.client_urls, m.learner});
  return existing_cluster(config, wanted, list->cluster_id, members);
}

Result<InitialCluster> MemberProcess::Impl::discovered_members() {
  KvstoreConfig named = config;
  named.initial_cluster = self_as_cluster(config);
  const std::uint64_t self = TRY(initial_cluster(named)).self;
  named.initial_cluster =
      TRY(discover_cluster(config.discovery, self, named.initial_cluster, pool, clock, logger));
  return initial_cluster(named);
}

Result<void> MemberProcess::Impl::open_store() {
  data_dir = TRY(find_data_dir(config, posix_file_system()));
  kvstore::ReplicatedStoreOptions o = TRY(store_options(config));
  o.data_dir = data_dir.member;
  o.member.wal_dir = data_dir.wal;
  if (data_dir.used && config.discovery.wanted()) {
    logger.warn("discovery token is ignored since cluster already initialized; valid logs are found");
  }
  // Who has lived already knows its cluster: the flags' say no more.
  const auto cluster = data_dir.used ? initial_cluster(config) : first_members();
  if (cluster) {
    o.member.id = cluster->self;
    o.member.cluster_id = cluster->cluster_id;
    o.member.members = cluster->members;
  } else if (!data_dir.used) {
    return std::unexpected(cluster.error());
  }
  o.clock = &clock;
  o.logger = logger;
  o.metrics = &registry;
  o.failpoints = failpoints;
  o.transport_apart = true;
  o.on_failure = [this](Error error) { ended({.removed = false, .failure = std::move(error)}); };
  o.on_removed = [this] { ended({.removed = true, .failure = {}}); };
  o.on_ready = [this] { serve_clients(); };
  store = TRY(kvstore::ReplicatedStore::open(std::move(o)));
  return {};
}

Result<void> MemberProcess::Impl::start_peers() {
  raft::HttpTransportOptions o;
  o.self = raft::NodeId(store->id());
  o.cluster_id = store->cluster();
  o.peer_urls = texts(config.initial_advertise_peer_urls);
  o.tls = to_peers;
  o.local_address = local_address;
  o.sink = store.get();
  o.executors = peer_pool.executors();
  o.workers = peer_pool.workers();
  o.clock = &clock;
  o.logger = logger.named("transport");
  o.metrics = &registry;
  o.members = [this] { return peer_members(store->cluster_state()->list()); };
  o.version_json = [] {
    return fmt::format(R"({{"etcdserver":"{}","etcdcluster":"{}"}})", kvstore::etcd::kServerVersion,
                       kvstore::etcd::kClusterVersion);
  };
  o.is_removed = [this](raft::NodeId id) { return store->cluster_state()->removed.contains(id.value()); };
  transport = raft::HttpTransport::create(std::move(o));
  Listeners::Admission admit;
  if (!peer_files.skip_client_san_verification) {
    source_check = std::make_unique<SourceCheck>(std::make_unique<net::SystemNames>(), clock);
    admit = [check = source_check.get()](auto connection) { return check->admit(std::move(connection)); };
  }
  peers = std::make_unique<Listeners>(config, "peer endpoint", peer_files, peer_pool.executors(), clock,
                                      logger.named("peers"), std::move(admit));
  return peers->listen(config.listen_peer_urls, transport->handler());
}

Result<void> MemberProcess::Impl::build_api() {
  auto tokens = TRY(kvstore::etcd::parse_auth_token(config.auth_token,
                                                    [](const std::string& path) { return read_file(path); }));
  tokens.simple_ttl = std::chrono::seconds(config.auth_token_ttl_s);
  authenticator = std::make_unique<kvstore::etcd::TokenAuthenticator>(
      *store, clock, logger, std::move(tokens), config.client_tls.client_cert_auth);
  kvstore::etcd::ApiOptions o = api_options(config);
  o.failpoints = failpoints;
  api = std::make_unique<kvstore::etcd::EtcdApi>(*store, clock, logger.named("api"), *authenticator,
                                                 std::move(o), &registry);
  kvstore::etcd::register_auth(
      api->context(), *authenticator,
      {.workers = pool.workers(), .bcrypt_cost = static_cast<int>(config.bcrypt_cost)}, api->router());
  kvstore::etcd::register_lock(api->context(), api->router());
  kvstore::etcd::register_election(api->context(), api->router());
  api->seal();
  gate = std::make_unique<ReadyGate>(*api, clock);
  return {};
}

Result<void> MemberProcess::Impl::start_clients() {
  if (client_files.empty() && std::ranges::any_of(config.listen_metrics_urls, &Url::tls)) {
    return fail(Code::kInvalidArgument,
                "client TLS key/cert (--cert-file, --key-file) must be provided for metrics secure url");
  }
  clients = std::make_unique<Listeners>(config, "client endpoint", client_files, pool.executors(), clock,
                                        logger.named("clients"));
  TRY(clients->listen(config.listen_client_urls, *gate));
  TRY(clients->listen(config.listen_client_http_urls, *gate));
  TRY(clients->listen(config.listen_metrics_urls, api->metrics_handler()));
  return {};
}

void MemberProcess::Impl::ended(MemberEnd end) {
  if (!end_told.exchange(true)) on_end(std::move(end));
}

void MemberProcess::Impl::serve_clients() {
  gate->open();
  logger.info("ready to serve client requests", {{"member", kvstore::id_text(store->id())},
                                                 {"cluster", kvstore::id_text(store->cluster())},
                                                 {"urls", join_list(texts(config.listen_client_urls))}});
  for (const Url& url : config.listen_client_urls) {
    logger.info(url.tls() ? "serving client traffic securely"
                          : "serving client traffic insecurely; this is strongly discouraged!",
                {{"address", url.text()}});
  }
  notify_ready();
}

// To the voter that has answered for longest, so that nobody has to wait for an election.
Task<> MemberProcess::Impl::hand_over() {
  if (store->leader() != store->id()) co_return;
  std::uint64_t target = 0;
  MonoTime since = MonoTime::max();
  for (const auto& m : store->cluster_state()->list()) {
    if (m.id == store->id() || m.learner) continue;
    const auto active = transport->active_since(raft::NodeId(m.id));
    if (!active || *active >= since) continue;
    target = m.id;
    since = *active;
  }
  if (target == 0) co_return;
  logger.info("handing over leadership", {{"to", kvstore::id_text(target)}});
  if (auto moved = co_await store->move_leader(target); !moved) {
    logger.warn("leadership was not handed over",
                {{"to", kvstore::id_text(target)}, {"error", moved.error()}});
  }
}

Task<> MemberProcess::Impl::stop_serving() {
  if (clients) co_await clients->stop(kStopGrace);
  if (api_started) co_await api->stop();
  if (peers) co_await peers->stop(kStopGrace);
  if (transport) co_await transport->stop();
}

MemberProcess::MemberProcess(KvstoreConfig config, Logger logger, Failpoints* failpoints,
                             std::function<void(MemberEnd)> on_end)
    : impl_(std::make_unique<Impl>(std::move(config), std::move(logger), failpoints, std::move(on_end))) {}
MemberProcess::~MemberProcess() = default;

Result<void> MemberProcess::start() {
  Impl& i = *impl_;
  if (i.config.memory_mlock && ::mlockall(MCL_CURRENT | MCL_FUTURE) != 0) {
    return fail(Code::kFailedPrecondition, "--memory-mlock: the memory cannot be locked: raise `ulimit -l`");
  }
  i.pool.start();
  i.peer_pool.start();
  TRY(i.prepare_tls());
  TRY(i.open_store());
  TRY(i.build_api());
  TRY(i.start_peers());
  TRY(i.start_clients());
  i.api->start(i.pool.next());
  i.api_started = true;
  i.store->start(i.transport.get());
  return {};
}

void MemberProcess::tend() {
  Impl& i = *impl_;
  if (i.clients) i.clients->reload();
  if (!i.peers || !i.peers->reload()) return;
  if (auto fresh = client_tls(i.peer_files)) i.transport->set_tls(std::move(*fresh));
}

void MemberProcess::stop() {
  Impl& i = *impl_;
  if (i.api_started && !i.end_told) {
    block_on(i.pool.next(), i.hand_over());
  }
  block_on(i.pool.next(), i.stop_serving());
  if (i.store) i.store->stop();
  i.clients.reset();
  i.peers.reset();
  i.peer_pool.stop();
  i.pool.stop();
}

}  // namespace keelson::cmd
