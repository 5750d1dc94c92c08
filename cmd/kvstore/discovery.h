// v3 discovery (--discovery-token, --discovery-endpoints): members that do not know each other yet meet under
// a token in another cluster that speaks the etcd v3 API. Somebody has put there how many they are. Keys and
// values are etcd's (its documentation, "Discovery service protocol"):
//
//   /_etcd/registry/TOKEN/_config/size     how many
//   /_etcd/registry/TOKEN/members/ID       NAME=URL,… of one
#pragma once

#include <cstdint>
#include <string>

#include "base/clock.h"
#include "base/log.h"
#include "cmd/kvstore/config.h"
#include "net/io_pool.h"

namespace keelson::cmd {

// Registers `own` ("NAME=URL,…") as `self` and waits until all are there: the first of them, as
// --initial-cluster would name them. Blocks, and goes on asking while the service does not answer.
// kNotFound, kInvalidArgument: the size is missing, or no number; kFailedPrecondition: others were first;
// kCancelled: a signal asks the process to end.
// REQUIRES: SIGINT and SIGTERM are blocked; `pool` runs.
Result<std::string> discover_cluster(const DiscoveryConfig& config, std::uint64_t self, std::string own,
                                     net::IoPool& pool, Clock& clock, const Logger& logger);

}  // namespace keelson::cmd
