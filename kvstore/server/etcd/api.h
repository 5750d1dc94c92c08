// EtcdApi: the etcd v3 API of one member: gRPC services, JSON gateway, health and metrics, as one Handler for
// net::Server, TLS or plain.
//
//   EtcdApi api(member, clock, logger, authenticator, options, &registry);
//   register_auth(api.context(), api.router()); …     services of others, before seal()
//   api.seal();                                       router and interceptor are complete
//   api.start(executor);
//   Server::listen(…, api, …)                         the client URLs; api.metrics_handler() for
//                                                     --listen-metrics-urls
//   … stop the servers, then co_await api.stop();
//
// Thread rule: construction, seal(), start() and stop() from one thread; handle() by any server.
#pragma once

#include <memory>

#include "base/async.h"
#include "kvstore/server/etcd/context.h"
#include "net/grpc.h"
#include "net/http.h"

namespace prometheus {
class Registry;
}

namespace keelson::kvstore::etcd {

class EtcdApi final : public net::Handler {
 public:
  // `registry`: what /metrics shows beside the API's own; may be null. All references outlive the API.
  EtcdApi(Member& member, Clock& clock, Logger logger, Authenticator& authenticator, ApiOptions options,
          prometheus::Registry* registry);
  ~EtcdApi() override;

  ServiceContext& context();
  net::GrpcRouter& router();

  // No more services after this. REQUIRES: before the first handle().
  void seal();
  // Starts what runs beside requests, on `ex`.
  void start(Executor ex);
  // REQUIRES: no handle() is under way.
  Task<> stop();

  // gRPC, /v3/… (JSON), /health, /livez, /readyz, /version, /metrics, /debug/vars; CORS and the host
  // whitelist as etcd has them. A request with a token of another member waits until it is applied here.
  Task<> handle(net::Exchange& exchange) override;
  // The same without waiting.
  Task<> handle_now(net::Exchange& exchange);
  // /health, /livez, /readyz and /metrics alone.
  net::Handler& metrics_handler();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::kvstore::etcd
