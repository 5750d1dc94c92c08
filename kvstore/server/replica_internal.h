// What the source files of Replica share. Not a public header.
#pragma once

#include "kvstore/server/replica.h"

namespace keelson::kvstore {

inline constexpr Duration kRetryAfter = std::chrono::milliseconds(500);  // of what is safe to ask again
inline constexpr Duration kHealthInterval = std::chrono::seconds(5);     // etcd's, of membership changes
inline constexpr std::size_t kBackendBytesMax = std::size_t{64} << 20;   // staged; then applying waits
inline constexpr std::size_t kRoundsMax = 4;                             // read index rounds under way

// A state read from a database, ready to be used.
struct Replica::Loaded {
  std::string dir;
  MvccPtr mvcc;
  BackendMeta meta;
  bool has_members = false;  // the database has a members record; else of first light, or new
  ClusterState cluster;
  AuthStore auth;
  RecordHashes records;  // of what was read
};

inline std::uint64_t mix_hash(std::uint64_t h, std::uint64_t v) {
  h ^= v + 0x9e3779b97f4a7c15ULL + (h << 6) + (h >> 2);
  h = (h ^ h >> 31) * 0xd6e8feb86659fd93ULL;
  return h ^ h >> 29;
}

// FNV-1a: for small records; the same on every machine.
inline std::uint64_t hash_text(std::string_view s) {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (unsigned char c : s) h = (h ^ c) * 0x100000001b3ULL;
  return h;
}

inline std::uint64_t hash_record(std::string_view name, std::string_view bytes) {
  return mix_hash(hash_text(name), hash_text(bytes));
}

// BackendMeta::records_hash.
std::uint64_t records_hash(const LeaseTable& leases,
                           const std::map<std::string, std::uint64_t, std::less<>>& records);

}  // namespace keelson::kvstore
