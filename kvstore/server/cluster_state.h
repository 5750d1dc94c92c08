// ClusterState: who the members are, beyond what consensus knows of them, and which alarms are up: part of
// the replicated state, changed by log entries alone. Pure value.
//
// raft::Membership says who votes; here are names and URLs. A member whose name is empty has never started.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kvstore/server/member.h"
#include "raft/core/membership.h"

namespace keelson::kvstore {

struct ClusterState {
  std::uint64_t cluster_id = 0;
  std::map<std::uint64_t, MemberInfo> members;  // MemberInfo::learner follows `raft`
  std::set<std::uint64_t> removed;              // ids that never come back
  raft::Membership raft;
  std::vector<Alarm> alarms;  // sorted by type, then member

  // In order of their ids.
  std::vector<MemberInfo> list() const;
  bool has_alarm(AlarmType type) const;
  // Takes over a new membership of consensus: who learns, who is gone.
  void set_raft(const raft::Membership& m);
};

// The named records of the backend (kvstore/backend/backend.h has their names). kDataLoss for malformed
// bytes.
std::string encode_members(const ClusterState& c);  // "members": cluster id, members, removed ids
Result<void> decode_members(std::string_view bytes, ClusterState& c);
std::string encode_alarms(const std::vector<Alarm>& alarms);  // "alarms"
Result<std::vector<Alarm>> decode_alarms(std::string_view bytes);

// All but the alarms in one, with the id of the member that keeps it: what a new log begins with.
struct MemberIdentity {
  std::uint64_t id = 0;
  ClusterState cluster;
};
std::string encode(const MemberIdentity& identity);
Result<MemberIdentity> decode_identity(std::string_view bytes);

}  // namespace keelson::kvstore
