// ApiServer: everything of the API server over one store, wired together: watch cache, registry, admission, sign-in, pipeline,
// HTTP front, the cluster's own furniture, compaction.
//
//   auto server = TRY(ApiServer::make(options, parts));
//   CO_TRY(co_await server->start());      // cache loaded, furniture there, listening
//   Endpoint& local = server->endpoint();  // components in the same process
//   co_await server->stop();
//
// Thread rule: make(), start() and stop() from one task; endpoint() from any thread between start() and stop().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apiserver/endpoint.h"
#include "auth/authenticator.h"
#include "base/clock.h"
#include "base/log.h"
#include "kvstore/store.h"
#include "net/server.h"

namespace keelson::apiserver {

struct StaticReply;

struct Options {
  std::string bind_address = "127.0.0.1";
  std::uint16_t secure_port = 6443;  // 0: a free one
  std::optional<net::TlsServerConfig> tls;
  // What the Service `kubernetes` leads to; empty: bind_address.
  std::string advertise_address;

  std::string token_auth_file;  // contents, CSV
  std::vector<std::shared_ptr<auth::TokenAuthenticator>> more_tokens;  // e.g. of in-process components
  bool anonymous_auth = false;
  std::string authorization_mode = "Fixed";  // or AlwaysAllow
  std::vector<std::string> service_account_issuers{"https://kubernetes.default.svc"};
  std::string service_account_signing_key_pem;
  std::string service_account_key_pem;  // keys that verify; empty: the signing key
  std::vector<std::string> api_audiences;  // empty: the first issuer

  std::vector<std::string> enable_admission_plugins, disable_admission_plugins;
  std::string service_cluster_ip_range = "10.96.0.0/16";
  int node_port_first = 30000, node_port_last = 32767;

  std::string kubelet_ca_pem, kubelet_client_certificate_pem, kubelet_client_key_pem;

  Duration compaction_interval = std::chrono::minutes(5);  // 0: never
  Duration request_timeout = std::chrono::seconds(60);
  bool store_is_local = true;
  bool log_reads = false;
};

struct Parts {
  kvstore::Store* store = nullptr;
  Clock* clock = nullptr;
  Logger logger;
  std::vector<Executor> io;  // connections are spread over these
  Executor workers;          // long encodes, cache feeding
  std::uint64_t seed = 0;    // of names and uids
  // Answers `get componentstatuses`, beside the store's own; may be empty.
  std::function<Task<std::vector<api::ObjectPtr>>()> component_statuses;
  // A deliberate end of the process' health, e.g. the store's failure; an empty text is well.
  std::function<std::string()> store_health;
  // Prometheus text of the process' other parts, put behind our own on /metrics; may be empty.
  std::function<std::string()> more_metrics;
};

class ApiServer {
 public:
  // kInvalidArgument: what is wrong with the options.
  static Result<std::unique_ptr<ApiServer>> make(Options options, Parts parts);
  ~ApiServer();

  Task<Result<void>> start();
  Task<> stop();

  std::uint16_t port() const;
  Endpoint& endpoint();
  auth::Authenticator& authenticator();
  // The cluster IP of the Service `kubernetes`.
  std::string kubernetes_service_ip() const;
  bool ready() const;

 private:
  struct Impl;
  explicit ApiServer(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::apiserver
