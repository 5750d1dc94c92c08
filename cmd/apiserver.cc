// `keelson apiserver`: the API server alone, over a store in the same process (--data-dir) or a remote one (--etcd-servers).
#include <arpa/inet.h>
#include <fmt/format.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <signal.h>

#include <cstdio>

#include "api/object.h"
#include "apiserver/api_server.h"
#include "base/async.h"
#include "base/flags.h"
#include "base/rng.h"
#include "cmd/api_store.h"
#include "cmd/command.h"
#include "cmd/pki.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"

namespace keelson::cmd {
namespace {

struct ApiServerFlags {
  std::string data_dir = "/var/lib/keelson";
  std::string bind_address = "127.0.0.1";
  int secure_port = 6443;
  std::string advertise_address;
  std::string tls_cert_file, tls_private_key_file, client_ca_file;
  std::string token_auth_file;
  bool anonymous_auth = false;
  std::string authorization_mode = "Fixed";
  std::vector<std::string> issuers, key_files, audiences;
  std::string signing_key_file;
  std::vector<std::string> enable_plugins, disable_plugins;
  std::string service_range = "10.96.0.0/16";
  std::string node_ports = "30000-32767";
  std::string kubelet_ca_file, kubelet_cert_file, kubelet_key_file;
  std::chrono::nanoseconds compaction = std::chrono::minutes(5);
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(60);
  int io_threads = 2;
  int verbosity = 0;
  ApiStoreFlags store;
};

void add_flags(FlagSet& set, ApiServerFlags& f) {
  set.add("data-dir", &f.data_dir, "where the store and generated keys are kept");
  set.add("bind-address", &f.bind_address, "address to listen on");
  set.add("secure-port", &f.secure_port, "HTTPS port");
  set.add("advertise-address", &f.advertise_address, "what the Service kubernetes leads to; default: the bind address");
  set.add("tls-cert-file", &f.tls_cert_file, "serving certificate; default: generated under <data-dir>/pki");
  set.add("tls-private-key-file", &f.tls_private_key_file, "its key");
  set.add("client-ca-file", &f.client_ca_file, "CA of client certificates; default: the generated one");
  set.add("token-auth-file", &f.token_auth_file, "CSV file of bearer tokens: token,user,uid,\"group1,group2\"");
  set.add("anonymous-auth", &f.anonymous_auth, "let requests without credentials be system:anonymous");
  set.add("authorization-mode", &f.authorization_mode, "Fixed or AlwaysAllow");
  set.add("service-account-issuer", &f.issuers, "issuer of service account tokens; the first one signs");
  set.add("service-account-signing-key-file", &f.signing_key_file, "private key that signs service account tokens");
  set.add("service-account-key-file", &f.key_files, "keys that verify service account tokens");
  set.add("api-audiences", &f.audiences, "audiences of this server; default: the issuer");
  set.add("enable-admission-plugins", &f.enable_plugins, "admission plugins beside the default ones");
  set.add("disable-admission-plugins", &f.disable_plugins, "default admission plugins to leave out");
  set.add("service-cluster-ip-range", &f.service_range, "IPv4 range of Services' cluster IPs");
  set.add("service-node-port-range", &f.node_ports, "ports of NodePort Services");
  set.add("kubelet-certificate-authority", &f.kubelet_ca_file, "CA of kubelets' serving certificates");
  set.add("kubelet-client-certificate", &f.kubelet_cert_file, "client certificate towards kubelets");
  set.add("kubelet-client-key", &f.kubelet_key_file, "its key");
  f.store.add_to(set);
  set.add("etcd-compaction-interval", &f.compaction, "how often superseded versions are dropped; 0: never");
  set.add("request-timeout", &f.request_timeout, "longest time of a request that is no watch");
  set.add("io-threads", &f.io_threads, "threads that serve connections");
  set.add("v", &f.verbosity, "log verbosity: 2 logs reads too");
}

// The first IPv4 address of this host that others can reach: what upstream advertises where it binds to none in particular.
std::string reachable_address() {
  ifaddrs* all = nullptr;
  std::string out;
  if (getifaddrs(&all) != 0) return out;
  for (ifaddrs* i = all; i && out.empty(); i = i->ifa_next) {
    if (!i->ifa_addr || i->ifa_addr->sa_family != AF_INET || (i->ifa_flags & IFF_LOOPBACK) || !(i->ifa_flags & IFF_UP)) continue;
    char text[INET_ADDRSTRLEN];
    if (inet_ntop(AF_INET, &reinterpret_cast<sockaddr_in*>(i->ifa_addr)->sin_addr, text, sizeof text)) out = text;
  }
  freeifaddrs(all);
  return out;
}

Result<std::string> file_or_empty(const std::string& path) {
  if (path.empty()) return std::string();
  return read_file(path);
}

Result<void> fill_identity(const ApiServerFlags& f, apiserver::Options& o, Clock& clock) {
  PkiOptions pki;
  pki.dir = f.data_dir + "/pki";
  pki.server_ips = {"127.0.0.1", o.advertise_address.empty() ? f.bind_address : o.advertise_address};
  pki.server_names = {"localhost"};
  pki.node_name = "apiserver";
  auto own = TRY(ensure_pki(pki, clock));
  net::TlsServerConfig tls;
  tls.certificate_chain_pem = f.tls_cert_file.empty() ? own.apiserver.certificate_pem : TRY(read_file(f.tls_cert_file));
  tls.private_key_pem = f.tls_cert_file.empty() ? own.apiserver.key_pem : TRY(read_file(f.tls_private_key_file));
  tls.client_ca_pem = f.client_ca_file.empty() ? own.ca_pem : TRY(read_file(f.client_ca_file));
  o.tls = std::move(tls);
  o.service_account_signing_key_pem =
      f.signing_key_file.empty() ? own.service_account_key_pem : TRY(read_file(f.signing_key_file));
  for (auto& file : f.key_files) o.service_account_key_pem += TRY(read_file(file));
  o.kubelet_ca_pem = TRY(file_or_empty(f.kubelet_ca_file));
  o.kubelet_client_certificate_pem =
      f.kubelet_cert_file.empty() ? own.apiserver_kubelet.certificate_pem : TRY(read_file(f.kubelet_cert_file));
  o.kubelet_client_key_pem = f.kubelet_cert_file.empty() ? own.apiserver_kubelet.key_pem : TRY(read_file(f.kubelet_key_file));
  return {};
}

Result<apiserver::Options> make_options(const ApiServerFlags& f, Clock& clock) {
  apiserver::Options o;
  o.bind_address = f.bind_address;
  o.secure_port = static_cast<std::uint16_t>(f.secure_port);
  o.advertise_address = f.advertise_address;
  if (o.advertise_address.empty() && (f.bind_address.starts_with("127.") || f.bind_address == "0.0.0.0"))
    o.advertise_address = reachable_address();
  o.token_auth_file = TRY(file_or_empty(f.token_auth_file));
  o.anonymous_auth = f.anonymous_auth;
  o.authorization_mode = f.authorization_mode;
  if (!f.issuers.empty()) o.service_account_issuers = f.issuers;
  o.api_audiences = f.audiences;
  o.enable_admission_plugins = f.enable_plugins;
  o.disable_admission_plugins = f.disable_plugins;
  o.service_cluster_ip_range = f.service_range;
  if (std::sscanf(f.node_ports.c_str(), "%d-%d", &o.node_port_first, &o.node_port_last) != 2 ||
      o.node_port_first < 1 || o.node_port_last > 65535 || o.node_port_first > o.node_port_last)
    return fail(Code::kInvalidArgument, fmt::format("--service-node-port-range={}: want FIRST-LAST", f.node_ports));
  o.compaction_interval = f.compaction;
  o.request_timeout = f.request_timeout;
  o.log_reads = f.verbosity >= 2;
  if (auto ok = fill_identity(f, o, clock); !ok) return std::unexpected(ok.error());
  return o;
}

Task<> start_server(apiserver::ApiServer* server, Result<void>* out) { *out = co_await server->start(); }
Task<> stop_server(apiserver::ApiServer* server) { co_await server->stop(); }
Task<> start_store(ApiStore* store, Result<void>* out) { *out = co_await store->start(); }
Task<> stop_store(ApiStore* store) { co_await store->stop(); }

int report(const Error& error) {
  std::fprintf(stderr, "keelson apiserver: %s\n", error.message.c_str());
  return 1;
}

}  // namespace

int run_apiserver(std::vector<std::string> args) {
  ApiServerFlags flags;
  FlagSet set("keelson apiserver [flags]");
  add_flags(set, flags);
  if (auto ok = set.parse(args); !ok) {
    std::fprintf(stderr, "keelson apiserver: %s\n", ok.error().message.c_str());
    return 2;
  }
  if (set.help_wanted()) {
    std::fputs(set.help().c_str(), stdout);
    return 0;
  }
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  signal(SIGPIPE, SIG_IGN);

  net::AsioClock clock;
  Logger logger = Logger::to_stderr(flags.verbosity >= 4 ? LogLevel::kDebug : LogLevel::kInfo).named("apiserver");
  for (auto& w : set.warnings()) logger.warn(w);
  auto options = make_options(flags, clock);
  if (!options) return report(options.error());

  net::IoPool pool(static_cast<std::size_t>(std::max(flags.io_threads, 1)), 2);
  ApiStoreParts store_parts;
  store_parts.data_dir = flags.data_dir + "/store";
  store_parts.clock = &clock;
  store_parts.logger = logger.named("store");
  store_parts.home = pool.next();
  store_parts.on_failure = [logger](Error error) {
    logger.error("the store stopped", {{"error", error}});
    std::fprintf(stderr, "keelson apiserver: the store stopped: %s\n", error.message.c_str());
    std::_Exit(1);
  };
  auto store = ApiStore::open(flags.store, std::move(store_parts));
  if (!store) return report(store.error());
  options->store_is_local = (*store)->local();
  pool.start();
  Result<void> ready;
  block_on(pool.workers(), start_store(store->get(), &ready));
  if (!ready) {
    block_on(pool.workers(), stop_store(store->get()));
    pool.stop();
    return report(ready.error());
  }

  apiserver::Parts parts;
  parts.store = &(*store)->store();
  parts.clock = &clock;
  parts.logger = logger;
  parts.io = pool.executors();
  parts.workers = pool.workers();
  parts.seed = os_entropy();
  parts.store_health = [s = store->get()] { return s->health(); };
  auto server = apiserver::ApiServer::make(std::move(*options), std::move(parts));
  int code = 0;
  if (!server) {
    code = report(server.error());
  } else {
    Result<void> started;
    block_on(pool.workers(), start_server(server->get(), &started));
    if (!started) {
      code = report(started.error());
    } else {
      int signal_number = 0;
      sigwait(&signals, &signal_number);
      logger.info("stopping", {{"signal", signal_number}});
    }
    block_on(pool.workers(), stop_server(server->get()));
  }
  block_on(pool.workers(), stop_store(store->get()));
  if (server) server->reset();
  pool.stop();
  return code;
}

}  // namespace keelson::cmd
