// EmbeddedStore: the store of a process that is its only member: a ReplicatedStore without a transport
// (replicated_store.h).
#pragma once

#include "kvstore/server/replicated_store.h"

namespace keelson::kvstore {

using EmbeddedStore = ReplicatedStore;
using EmbeddedStoreOptions = ReplicatedStoreOptions;

}  // namespace keelson::kvstore
