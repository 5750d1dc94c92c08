// DNS SRV discovery (--discovery-srv; RFC 2782): the peers as _etcd-server-ssl._tcp and _etcd-server._tcp
// name them.
#pragma once

#include <string>

#include "base/error.h"
#include "cmd/kvstore/config.h"

namespace keelson::cmd {

// The records as --initial-cluster would say it: this member's own under its name, the others numbered.
// kUnavailable when the name service has none. Blocks.
Result<std::string> cluster_from_srv(const KvstoreConfig& config);

}  // namespace keelson::cmd
