// The first members of a cluster: from --initial-cluster or DNS SRV records, with the ids etcd would give
// them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "cmd/kvstore/config.h"
#include "kvstore/server/member.h"

namespace keelson::cmd {

struct InitialCluster {
  std::uint64_t cluster_id = 0;
  std::uint64_t self = 0;
  std::vector<kvstore::MemberInfo> members;  // sorted by id
};

// What --initial-cluster (or DNS) says, with ids for a new cluster. kInvalidArgument in etcd's words: this
// member is not in it, or with other peer URLs than --initial-advertise-peer-urls. Blocks on name service
// with --discovery-srv.
Result<InitialCluster> initial_cluster(const KvstoreConfig& config);

// This member alone, as --initial-cluster would name it.
std::string self_as_cluster(const KvstoreConfig& config);

// The same for --initial-cluster-state=existing: ids are those of the running cluster's `members`, which must
// be the same members by their peer URLs.
Result<InitialCluster> existing_cluster(const KvstoreConfig& config, const InitialCluster& wanted,
                                        std::uint64_t cluster_id,
                                        const std::vector<kvstore::MemberInfo>& members);

// With the feature gate SetMemberLocalAddr: the first advertised peer address that is no loopback, for
// connections to come from. Empty: the kernel's choice.
std::string member_local_address(const KvstoreConfig& config, const Logger& logger);

}  // namespace keelson::cmd
