#include "kvstore/server/etcd/errors.h"
#include "kvstore/server/etcd/leader_monitor.h"
#include "kvstore/server/etcd/services.h"
#include "kvstore/server/etcd/watch_session.h"

namespace keelson::kvstore::etcd {
namespace {

Task<Result<void>> watch(ServiceContext* c, LeaderMonitor* monitor, net::GrpcCall* call) {
  WatchSession session(*c, *call);
  const auto registration = monitor->watch(*call, [&session] { session.stop(no_leader_error()); });
  co_return co_await session.run();
}

}  // namespace

void register_watch(ServiceContext& context, LeaderMonitor& monitor, net::GrpcRouter& router) {
  router.stream("/etcdserverpb.Watch/Watch",
                [c = &context, m = &monitor](net::GrpcCall& call) { return watch(c, m, &call); });
}

}  // namespace keelson::kvstore::etcd
