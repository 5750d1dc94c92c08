#include "kvstore/server/etcd/api.h"

#include <algorithm>

#include "base/check.h"
#include "kvstore/server/etcd/access.h"
#include "kvstore/server/etcd/api_metrics.h"
#include "kvstore/server/etcd/gateway.h"
#include "kvstore/server/etcd/http_endpoints.h"
#include "kvstore/server/etcd/leader_monitor.h"
#include "kvstore/server/etcd/services.h"

namespace keelson::kvstore::etcd {

struct EtcdApi::Impl {
  Impl(Member& member, Clock& clock, Logger logger, Authenticator& authenticator, ApiOptions options,
       prometheus::Registry* r)
      : context{member, clock, std::move(logger), authenticator, std::move(options)},
        router(clock, context.options.max_message_bytes()),
        monitor(context),
        registry(r) {}

  ServiceContext context;
  net::GrpcRouter router;
  LeaderMonitor monitor;
  prometheus::Registry* const registry;
  std::unique_ptr<ApiMetrics> metrics;
  std::unique_ptr<Gateway> gateway;
  std::unique_ptr<HttpEndpoints> endpoints;
  std::unique_ptr<HttpEndpoints> metrics_endpoints;
  TaskGroup group;
};

EtcdApi::EtcdApi(Member& member, Clock& clock, Logger logger, Authenticator& authenticator,
                 ApiOptions options, prometheus::Registry* registry)
    : impl_(std::make_unique<Impl>(member, clock, std::move(logger), authenticator, std::move(options),
                                   registry)) {
  register_kv(impl_->context, impl_->router);
  register_watch(impl_->context, impl_->monitor, impl_->router);
  register_lease(impl_->context, impl_->monitor, impl_->router);
  register_cluster(impl_->context, impl_->router);
  register_maintenance(impl_->context, impl_->router);
  register_health(impl_->context, impl_->router);
}
EtcdApi::~EtcdApi() = default;

ServiceContext& EtcdApi::context() {
  return impl_->context;
}
net::GrpcRouter& EtcdApi::router() {
  return impl_->router;
}
net::Handler& EtcdApi::metrics_handler() {
  return *impl_->metrics_endpoints;
}

void EtcdApi::seal() {
  Impl& m = *impl_;
  CHECK(m.metrics == nullptr);
  m.metrics = std::make_unique<ApiMetrics>(m.context, m.router);
  m.router.intercept(*m.metrics);
  if (m.context.options.json_gateway) {
    m.gateway = std::make_unique<Gateway>(m.context, m.router, *m.metrics);
  }
  m.endpoints = std::make_unique<HttpEndpoints>(m.context, *m.metrics, m.registry, false);
  m.metrics_endpoints = std::make_unique<HttpEndpoints>(m.context, *m.metrics, m.registry, true);
}

void EtcdApi::start(Executor ex) {
  impl_->group.spawn(std::move(ex), impl_->monitor.run());
}

Task<> EtcdApi::stop() {
  return impl_->group.stop();
}

namespace {

constexpr Duration kAppliedWait = std::chrono::seconds(5);
constexpr Duration kAppliedPoll = std::chrono::milliseconds(5);

// Until the caller's token is known here too, at most kAppliedWait: it may have been made by another member.
Task<> wait_for_token(ServiceContext* c, net::Exchange* x) {
  const MonoTime end = c->clock.now() + kAppliedWait;
  while (c->authenticator.awaits(x->request()) && c->clock.now() < end && !x->is_closed()) {
    co_await c->clock.sleep_for(kAppliedPoll);
  }
}

Task<> handle_later(EtcdApi* api, ServiceContext* c, net::Exchange* x) {
  co_await wait_for_token(c, x);
  co_await api->handle_now(*x);
}

}  // namespace

Task<> EtcdApi::handle(net::Exchange& x) {
  if (impl_->context.authenticator.awaits(x.request())) return handle_later(this, &impl_->context, &x);
  return handle_now(x);
}

Task<> EtcdApi::handle_now(net::Exchange& x) {
  if (net::is_grpc(x.request())) return impl_->router.handle(x);
  const auto path = x.request().path();
  if (impl_->gateway && (path.starts_with("/v3/") || path.starts_with("/v3beta/"))) {
    return with_access_control(&impl_->context, &x, impl_->gateway.get());
  }
  return with_access_control(&impl_->context, &x, impl_->endpoints.get());
}

}  // namespace keelson::kvstore::etcd
