#include "kvstore/backend/etcd_writer.h"

#include <leveldb/iterator.h>

#include <algorithm>
#include <map>

#include "base/wire.h"
#include "kvstore/backend/backend_db.h"
#include "kvstore/backend/bbolt_writer.h"
#include "kvstore/backend/record.h"

namespace keelson::kvstore {
namespace {

using Pairs = std::map<std::string, std::string>;

std::string hex(std::uint64_t id) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  for (; id != 0 || out.empty(); id >>= 4) out.insert(out.begin(), kDigits[id & 15]);
  return out;
}

std::string conf_state_json(const EtcdCluster& c) {
  std::string out = "{";
  const std::pair<const char*, const std::vector<std::uint64_t>*> lists[] = {
      {"voters", &c.voters},
      {"learners", &c.learners},
      {"voters_outgoing", &c.voters_outgoing},
      {"learners_next", &c.learners_next}};
  for (const auto& [name, ids] : lists) {
    if (ids->empty()) continue;
    out += '"' + std::string(name) + "\":[";
    for (std::size_t i = 0; i < ids->size(); ++i) out += (i > 0 ? "," : "") + std::to_string((*ids)[i]);
    out += "],";
  }
  return out + "\"auto_leave\":" + (c.auto_leave ? "true" : "false") + "}";
}

Result<void> write_bucket(BboltWriter& w, std::string_view name, const Pairs& pairs) {
  TRY(w.begin_bucket(name));
  for (const auto& [key, value] : pairs) TRY(w.put(key, value));
  return {};
}

Pairs alarm_pairs(const EtcdCluster& cluster) {
  Pairs out;
  for (const auto& a : cluster.alarms) {
    std::string key;
    wire::Writer w(key);
    if (a.member_id != 0) w.uint(1, a.member_id);
    if (a.type != 0) w.uint(2, a.type);
    if (!key.empty()) out[key];
  }
  return out;
}

Pairs meta_pairs(const BackendMeta& meta, const EtcdCluster& cluster) {
  Pairs out;
  out["consistent_index"] = etcd_schema::u64(meta.applied_index);
  out["term"] = etcd_schema::u64(meta.applied_term);
  out["confState"] = conf_state_json(cluster);
  out["storageVersion"] = etcd_schema::kVersion;
  if (meta.compacted > 0) {
    const auto rev = etcd_schema::revision_key({meta.compacted, 0}, false);
    out["scheduledCompactRev"] = rev;
    if (meta.compaction_done) out["finishedCompactRev"] = rev;
  }
  return out;
}

// The versions, in the order they have in both databases.
Result<void> write_versions(BboltWriter& w, const BackendSnapshot& snapshot) {
  TRY(w.begin_bucket("key"));
  std::string value;
  Result<void> result;
  Backend::Loader loader;
  loader.version = [&](const ItemFields& f, std::string_view key, std::string_view bytes) {
    if (!result) return;
    value.clear();
    etcd_schema::append_key_value(value, f, key, bytes);
    result = w.put(etcd_schema::revision_key(f.rev, f.tombstone), value);
  };
  TRY(snapshot.load(loader));
  return result;
}

Result<void> write_leases(BboltWriter& w, const BackendSnapshot& snapshot) {
  TRY(w.begin_bucket("lease"));
  Result<void> result;
  Backend::Loader loader;
  loader.lease = [&](LeaseId id, std::int64_t ttl_s, std::int64_t remaining_s) {
    if (!result) return;
    std::string value;
    wire::Writer lease(value);
    lease.sint(1, id);
    lease.sint(2, ttl_s);
    if (remaining_s != 0) lease.sint(3, remaining_s);
    result = w.put(etcd_schema::u64(static_cast<std::uint64_t>(id)), value);
  };
  TRY(snapshot.load(loader));
  return result;
}

}  // namespace

Result<std::uint64_t> write_etcd_file(const BackendSnapshot& snapshot, const EtcdCluster& cluster,
                                      const AuthView& auth, FileSystem& fs, const std::string& path) {
  auto w = TRY(BboltWriter::create(fs, path));
  Pairs users;
  Pairs roles;
  Pairs members;
  Pairs removed;
  for (const auto& [name, user] : auth.users) users[name] = encode(user);
  for (const auto& [name, role] : auth.roles) roles[name] = encode(role);
  for (const auto& m : cluster.members) append_json(members[hex(m.id)], m);
  for (std::uint64_t id : cluster.removed) removed[hex(id)] = "removed";
  TRY(write_bucket(*w, "alarm", alarm_pairs(cluster)));
  TRY(write_bucket(*w, "auth",
                   {{"authEnabled", std::string(1, auth.enabled ? '\1' : '\0')},
                    {"authRevision", etcd_schema::u64(auth.revision)}}));
  TRY(write_bucket(*w, "authRoles", roles));
  TRY(write_bucket(*w, "authUsers", users));
  TRY(write_bucket(*w, "cluster", {{"clusterVersion", std::string(etcd_schema::kVersion)}}));
  TRY(write_versions(*w, snapshot));
  TRY(write_leases(*w, snapshot));
  TRY(write_bucket(*w, "members", members));
  TRY(write_bucket(*w, "members_removed", removed));
  TRY(write_bucket(*w, "meta", meta_pairs(snapshot.meta(), cluster)));
  return w->finish();
}

}  // namespace keelson::kvstore
