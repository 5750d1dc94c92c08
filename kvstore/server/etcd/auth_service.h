// etcdserverpb.Auth: signing in, users, roles, permissions, on and off. Changes go through the log, listings
// are linearizable. Field numbers: etcd api/etcdserverpb/rpc.proto.
#pragma once

#include "base/task.h"
#include "kvstore/server/etcd/auth_tokens.h"
#include "kvstore/server/etcd/context.h"
#include "kvstore/server/etcd/password.h"
#include "net/grpc.h"

namespace keelson::kvstore::etcd {

struct AuthServiceOptions {
  Executor workers;  // bcrypt runs here
  int bcrypt_cost = kBcryptCostDefault;
};

// Adds the 17 methods. `c` and `tokens` (the same as c.authenticator) outlive the router.
void register_auth(ServiceContext& c, TokenAuthenticator& tokens, AuthServiceOptions options,
                   net::GrpcRouter& router);

}  // namespace keelson::kvstore::etcd
