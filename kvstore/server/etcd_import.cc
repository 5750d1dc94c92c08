#include "kvstore/server/etcd_import.h"

#include <algorithm>
#include <limits>

#include "kvstore/mvcc/auth_store.h"
#include "kvstore/mvcc/state.h"
#include "raft/wal/wal.h"

namespace keelson::kvstore {
namespace {

// What all members of the new cluster begin with: as if a leader had sent it.
constexpr std::uint64_t kFirstIndex = 1;
constexpr std::uint64_t kFirstTerm = 1;
constexpr std::size_t kFlushBytes = 16 << 20;

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

ClusterState new_cluster(const EtcdImportOptions& options) {
  ClusterState out;
  out.cluster_id = options.cluster_id;
  for (const auto& m : options.members) {
    out.members[m.id] = m;
    out.raft.voters.emplace_back(m.id);
  }
  std::ranges::sort(out.raft.voters);
  return out;
}

Result<EtcdImported> import_state(EtcdReader& reader, FileSystem& fs, const std::string& dir,
                                  const ClusterState& cluster, std::uint64_t bump) {
  auto backend = TRY(Backend::open({.dir = dir, .fs = &fs}));
  State state(backend.get());
  BackendMeta meta;
  Effects effects;
  Result<void> flushed;
  auto flush = [&]() -> Result<void> {
    meta.state_hash = state.state_hash();
    backend->commit(meta, std::exchange(effects.leases, {}), {});
    TRY(backend->flush());
    return {};
  };
  Backend::Loader loader;
  loader.lease = [&](LeaseId id, std::int64_t ttl_s, std::int64_t remaining_s) {
    state.load_lease(id, ttl_s, {}, remaining_s);
    effects.leases.push_back({id, ttl_s, remaining_s});
  };
  loader.version = [&](const ItemFields& f, std::string_view key, std::string_view value) {
    state.load_version(f, key, value);
    backend->stage(Item::make(f, key, value));
    if (flushed && backend->pending_bytes() > kFlushBytes) flushed = flush();
  };
  const auto found = TRY(reader.load(loader));
  TRY(std::move(flushed));
  meta.revision = std::max(found.revision, state.working_revision());
  meta.compacted = found.compacted;
  meta.compaction_done = found.compaction_done;
  if (bump > 0) {
    if (bump > static_cast<std::uint64_t>(std::numeric_limits<Revision>::max() - meta.revision))
      return fail(Code::kInvalidArgument, "--bump-revision: the revision would overflow");
    meta.revision += static_cast<Revision>(bump);
    meta.compacted = meta.revision;
    meta.compaction_done = false;
  }
  meta.applied_index = meta.snapshot_index = kFirstIndex;
  meta.applied_term = kFirstTerm;
  std::vector<Alarm> alarms;
  for (const auto& a : TRY(reader.alarms())) {
    if (cluster.members.contains(a.member_id))
      alarms.push_back({a.member_id, static_cast<AlarmType>(a.type)});
  }
  backend->put_system(kMembersRecord, encode_members(cluster));
  backend->put_system(kMembershipRecord, raft::encode(cluster.raft));
  backend->put_system(kAlarmsRecord, encode_alarms(alarms));
  backend->put_system(kAuthRecord, encode(TRY(reader.auth())));
  TRY(flush());
  state.finish_load(meta.revision, meta.compacted, meta.compaction_done);
  return EtcdImported{meta.revision, state.keys()};
}

Result<void> make_log(FileSystem& fs, const std::string& dir, const EtcdImportOptions& options,
                      const ClusterState& cluster) {
  constexpr raft::Index kIndex(kFirstIndex);
  constexpr raft::Term kTerm(kFirstTerm);
  raft::WalOptions w;
  w.dir = dir;
  auto opened = TRY(raft::Wal::open(fs, std::move(w)));
  opened.wal->set_membership(kIndex, encode(MemberIdentity{options.id, cluster}));
  opened.wal->set_hard_state({kTerm, raft::NodeId(), kIndex});
  return opened.wal->reset_to(kIndex, kTerm);
}

}  // namespace

Result<EtcdImported> import_etcd(EtcdReader& reader, FileSystem& fs, const EtcdImportOptions& options) {
  auto there = fs.list(options.data_dir);
  if (there ? !there->empty() : there.error().code != Code::kNotFound)
    return fail(Code::kAlreadyExists, "data-dir \"" + options.data_dir + "\" not empty or could not be read");
  const std::string tmp = options.data_dir + ".restoring";
  if (fs.exists(tmp))
    return fail(Code::kAlreadyExists, tmp + " is left from a restore that was cut off: remove it");
  TRY(fs.make_dirs(tmp));
  const ClusterState cluster = new_cluster(options);
  const auto imported = TRY(import_state(reader, fs, tmp + "/db", cluster, options.bump_revision));
  TRY(make_log(fs, tmp + "/wal", options, cluster));
  TRY(fs.sync_dir(tmp));
  if (there) TRY(fs.remove_dir(options.data_dir));
  TRY(fs.rename(tmp, options.data_dir));
  TRY(fs.sync_dir(parent_of(options.data_dir)));
  return imported;
}

}  // namespace keelson::kvstore
