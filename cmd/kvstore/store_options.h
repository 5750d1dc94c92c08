// What the flags mean for the store and for its API. Pure.
#pragma once

#include "base/error.h"
#include "cmd/kvstore/config.h"
#include "kvstore/server/etcd/context.h"
#include "kvstore/server/replicated_store.h"

namespace keelson::cmd {

// Timing, limits and names; not the data dir, the members or what it runs on. kInvalidArgument: a policy.
Result<kvstore::ReplicatedStoreOptions> store_options(const KvstoreConfig& config);

kvstore::etcd::ApiOptions api_options(const KvstoreConfig& config);

}  // namespace keelson::cmd
