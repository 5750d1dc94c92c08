// One log line with what the member was told, under the keys that etcd's "starting an etcd server" has: logs
// are searched for them.
#pragma once

#include "base/log.h"
#include "cmd/kvstore/config.h"

namespace keelson::cmd {

void log_config(const KvstoreConfig& config, const Logger& logger);

}  // namespace keelson::cmd
