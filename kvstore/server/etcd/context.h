// What every service of the etcd v3 API is given: the member, and the means to ask who calls.
//
//   EtcdApi (api.h) owns the router and the built-in services; Auth, Lock and Election register themselves on
//   the same router. A service:  register_kv(ServiceContext&, net::GrpcRouter&).
//
// Metrics, the hasleader check and the learner check are done for every method by ApiInterceptor
// (interceptor.h): a service does not see them.
//
// Thread rule: any thread; immutable while serving.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "kvstore/server/etcd/api_failpoints.h"
#include "kvstore/server/member.h"
#include "net/grpc.h"

namespace keelson::kvstore::etcd {

// What this build says it is: clients (kube-apiserver) decide features by it.
inline constexpr std::string_view kServerVersion = "3.7.1";
inline constexpr std::string_view kClusterVersion = "3.7.0";

struct ApiOptions {
  std::size_t max_request_bytes = 3 << 19;  // --max-request-bytes; gRPC takes 512 KiB more
  std::size_t max_txn_ops = 128;            // --max-txn-ops
  Duration watch_progress_interval = std::chrono::minutes(10);  // --watch-progress-notify-interval
  Duration election_timeout = std::chrono::seconds(1);          // --election-timeout
  Duration warning_unary_duration{};  // --warning-unary-request-duration: slower calls are logged; 0: none
  bool extensive_metrics = false;                               // --metrics=extensive
  bool json_gateway = true;                                     // --enable-grpc-gateway
  bool client_cert_auth = false;                                // --client-cert-auth
  std::vector<std::string> cors = {"*"};                        // --cors
  std::vector<std::string> host_whitelist = {"*"};              // --host-whitelist
  Failpoints* failpoints = nullptr;                             // null: none; outlives the API

  std::size_t max_message_bytes() const { return max_request_bytes + (512 << 10); }
};

// Names the caller of a request: by its token, or by its certificate. Implemented by auth_service.h.
class Authenticator {
 public:
  virtual ~Authenticator() = default;
  // An empty user while auth is off, and where the caller has shown nothing. kUnauthenticated
  // ("etcdserver: invalid auth token") for a token that is not known. Does not wait: called for every
  // request.
  virtual Result<Identity> identify(const net::GrpcCall& call) = 0;
  // The log index at which the token of `request` was assigned, where this member has not applied it yet:
  // identify() would not know it. nullopt: nothing to wait for.
  virtual std::optional<std::uint64_t> awaits(const net::Request& request) { return std::nullopt; }
};

// Everybody is nobody: for stores without auth and for tests.
class NoAuthenticator final : public Authenticator {
 public:
  Result<Identity> identify(const net::GrpcCall&) override { return Identity{}; }
};

// References outlive the services.
struct ServiceContext {
  Member& member;
  Clock& clock;
  Logger logger;
  Authenticator& authenticator;
  ApiOptions options;
  ApiFailpoints points{options.failpoints};
};

// The caller, when auth is off or it is someone: etcd's requireAuthInfo. "etcdserver: user name is empty".
Result<Identity> require_user(const ServiceContext& c, const net::GrpcCall& call);
// The caller, when auth is off or it has the role root. "etcdserver: permission denied".
Result<Identity> require_admin(const ServiceContext& c, const net::GrpcCall& call);

}  // namespace keelson::kvstore::etcd
