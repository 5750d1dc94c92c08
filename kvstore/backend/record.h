// The keys and records of the backend's database (docs/formats/backend.md). For kvstore/backend only. Thread
// rule: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "kvstore/backend/backend.h"

namespace keelson::kvstore::record {

inline constexpr std::string_view kFormat = "keelson-kv-1";
inline constexpr std::string_view kFormatKey = "f";
inline constexpr std::string_view kMetaKey = "m";
// Of a snapshot under way: how far it was received.
inline constexpr std::string_view kProgressKey = "p";
inline constexpr char kLeasePrefix = 'l';
inline constexpr char kSystemPrefix = 's';
inline constexpr char kVersionPrefix = 'v';

std::string version_key(FullRevision rev);
std::string lease_key(LeaseId id);
std::string system_key(std::string_view name);
// A version record whole; the views are into `value`. kDataLoss when it is malformed.
Result<DecodedVersion> parse_version(std::string_view key, std::string_view value);

std::string encode_meta(const BackendMeta& meta);
bool decode_meta(std::string_view bytes, BackendMeta& meta);
std::string encode_lease(const LeaseChange& lease);
// `key` and `bytes` of a lease record.
bool decode_lease(std::string_view key, std::string_view bytes, LeaseChange& lease);

}  // namespace keelson::kvstore::record
