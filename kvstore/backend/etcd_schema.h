// etcd's schema of a bbolt file (etcd 3.7, server/storage/schema): buckets, keys and values, as etcd_writer.h
// and etcd_reader.h use them.
//
//   key              revision: main u64 · '_' · sub u64, big endian, + 't' for a tombstone → mvccpb.KeyValue
//   lease            lease id u64 big endian → leasepb.Lease
//   meta             consistent_index, term (u64 big endian) · confState (JSON) · storageVersion ("3.7.0") ·
//                    scheduledCompactRev, finishedCompactRev (a revision)
//   members          id in hexadecimal → JSON · members_removed: id → "removed"
//   cluster          clusterVersion ("3.7.0")
//   alarm            AlarmMember → nothing
//   auth             authEnabled (1 byte), authRevision (u64 big endian) · authUsers, authRoles: name →
//   authpb
//
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/etcd_member.h"
#include "base/wire.h"
#include "kvstore/mvcc/item.h"

namespace keelson::kvstore {

struct EtcdAlarm {
  std::uint64_t member_id = 0;
  std::uint32_t type = 0;  // etcdserverpb.AlarmType
};

// Who takes part, as etcd keeps it beside the data.
struct EtcdCluster {
  std::vector<EtcdMember> members;
  std::vector<std::uint64_t> removed;
  // raftpb.ConfState
  std::vector<std::uint64_t> voters, voters_outgoing, learners, learners_next;
  bool auto_leave = false;
  std::vector<EtcdAlarm> alarms;
};

namespace etcd_schema {

inline constexpr std::string_view kVersion = "3.7.0";
inline constexpr std::size_t kRevisionBytes = 17;
inline constexpr std::size_t kDigestBytes = 32;  // of SHA-256

inline std::string u64(std::uint64_t v) {
  std::string out(8, '\0');
  for (int i = 0; i < 8; ++i) out[static_cast<std::size_t>(i)] = static_cast<char>(v >> (56 - 8 * i));
  return out;
}

inline std::uint64_t get_u64(std::string_view s) {
  std::uint64_t v = 0;
  for (char c : s.substr(0, 8)) v = v << 8 | static_cast<unsigned char>(c);
  return v;
}

inline std::string revision_key(FullRevision rev, bool tombstone) {
  std::string out = u64(static_cast<std::uint64_t>(rev.main)) + '_' + u64(rev.sub);
  if (tombstone) out += 't';
  return out;
}

// A version as mvccpb.KeyValue; a tombstone has its key alone.
inline void append_key_value(std::string& out, const ItemFields& f, std::string_view key,
                             std::string_view value) {
  wire::Writer kv(out);
  kv.bytes(1, key);
  if (f.tombstone) return;
  kv.sint(2, f.create);
  kv.sint(3, f.rev.main);
  kv.sint(4, f.version);
  if (!value.empty()) kv.bytes(5, value);
  if (f.lease != 0) kv.sint(6, f.lease);
}

// False for what is no revision. A sub revision is u32 here, so a greater one is none.
inline bool parse_revision_key(std::string_view key, FullRevision& rev, bool& tombstone) {
  if (key.size() != kRevisionBytes && key.size() != kRevisionBytes + 1) return false;
  if (key[8] != '_') return false;
  tombstone = key.size() > kRevisionBytes && key.back() == 't';
  const std::uint64_t main = get_u64(key);
  const std::uint64_t sub = get_u64(key.substr(9));
  if (main > INT64_MAX || sub > UINT32_MAX) return false;
  rev = {static_cast<Revision>(main), static_cast<std::uint32_t>(sub)};
  return true;
}

}  // namespace etcd_schema
}  // namespace keelson::kvstore
