// Ids of members and clusters, computed as etcd computes them, so that clusters made with the same flags have
// the same ids everywhere (etcd server, membership). Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::kvstore {

// The first eight bytes of SHA-1 over the sorted peer URLs, the cluster token and, for a member that is added
// later, the time.
std::uint64_t member_id(std::vector<std::string> peer_urls, const std::string& token,
                        std::optional<std::int64_t> unix_seconds = std::nullopt);

// Over the sorted ids of the first members.
std::uint64_t cluster_id(std::vector<std::uint64_t> members);

// As etcd writes ids: lower-case hexadecimal without leading zeros.
std::string id_text(std::uint64_t id);

}  // namespace keelson::kvstore
