// The built-in services of the etcd v3 API: each registers its methods on the router. `context` outlives it.
#pragma once

#include "kvstore/server/etcd/context.h"
#include "net/grpc.h"

namespace keelson::kvstore::etcd {

class LeaderMonitor;

// etcdserverpb.KV: Range, RangeStream, Put, DeleteRange, Txn, Compact.
void register_kv(ServiceContext& context, net::GrpcRouter& router);
// etcdserverpb.Watch. Streams that ask for a leader are ended by `monitor` when it is lost.
void register_watch(ServiceContext& context, LeaderMonitor& monitor, net::GrpcRouter& router);
// etcdserverpb.Lease: LeaseGrant, LeaseRevoke, LeaseKeepAlive, LeaseTimeToLive, LeaseLeases.
void register_lease(ServiceContext& context, LeaderMonitor& monitor, net::GrpcRouter& router);
// etcdserverpb.Cluster: MemberAdd, MemberRemove, MemberUpdate, MemberList, MemberPromote.
void register_cluster(ServiceContext& context, net::GrpcRouter& router);
// etcdserverpb.Maintenance: Alarm, Status, Defragment, Hash, HashKV, Snapshot, MoveLeader, Downgrade.
void register_maintenance(ServiceContext& context, net::GrpcRouter& router);
// grpc.health.v1.Health: Check, Watch.
void register_health(ServiceContext& context, net::GrpcRouter& router);

}  // namespace keelson::kvstore::etcd
