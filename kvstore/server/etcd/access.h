// What etcd checks of plain HTTP requests before it looks at them: the Host header (against DNS rebinding),
// client certificates at the gateway, and CORS.
#pragma once

#include "kvstore/server/etcd/context.h"
#include "net/http.h"

namespace keelson::kvstore::etcd {

// Hands the request on to `next`, its reply with CORS headers, or answers it.
Task<> with_access_control(ServiceContext* context, net::Exchange* exchange, net::Handler* next);

}  // namespace keelson::kvstore::etcd
