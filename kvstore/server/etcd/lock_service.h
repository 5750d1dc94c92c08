// v3lockpb.Lock and v3electionpb.Election: locks and elections run by the server for clients that have no
// recipes of their own (the key layout is that of etcd's client library: both can compete for one name).
//
// A lock is held as long as its lease lives: a holder that outlives it may act beside the next one. Guard
// what it does by comparing the returned key's create revision in its transactions.
#pragma once

#include "kvstore/server/etcd/context.h"
#include "net/grpc.h"

namespace keelson::kvstore::etcd {

// Lock, Unlock. `c` outlives the router. A client that leaves while it waits does not get the lock.
void register_lock(ServiceContext& c, net::GrpcRouter& router);
// Campaign, Proclaim, Leader, Observe, Resign.
void register_election(ServiceContext& c, net::GrpcRouter& router);

}  // namespace keelson::kvstore::etcd
