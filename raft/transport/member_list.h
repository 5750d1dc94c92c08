// The list of members as a member tells it to others on its peer port: GET /members, in etcd's form. A new
// member of a running cluster learns from it who is there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/etcd_member.h"
#include "base/log.h"
#include "base/task.h"
#include "net/client.h"

namespace keelson::raft {

using PeerMember = EtcdMember;

struct MemberList {
  std::uint64_t cluster_id = 0;
  std::vector<PeerMember> members;
};

std::string members_json(const std::vector<PeerMember>& members);
// Unknown fields are passed over. kInvalidArgument when it is no such list.
Result<std::vector<PeerMember>> parse_members_json(std::string_view json);

// Asks one member after the other (by their peer URLs) until one answers; `how` without its origin.
// kUnavailable: none did; the message says why each did not. `clock` outlives the task. REQUIRES: one thread
// runs the executor (IoPool::next(), not workers()).
Task<Result<MemberList>> fetch_members(std::vector<std::string> urls, net::ClientOptions how,
                                       Duration timeout_each, Clock& clock, Logger logger);

// Ids as they stand in headers and metric labels: hexadecimal without leading zeros.
std::string hex_id(std::uint64_t id);
std::optional<std::uint64_t> parse_hex_id(std::string_view text);

}  // namespace keelson::raft
