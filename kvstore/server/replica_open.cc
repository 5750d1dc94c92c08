// Replica: how it comes up: the backend's state, then the log, then what the log has beyond the state.
#include <algorithm>

#include "base/check.h"
#include "kvstore/server/member_id.h"
#include "kvstore/server/replica_internal.h"

namespace keelson::kvstore {
namespace {

constexpr unsigned kLoadThreads = 2;  // beside the one that takes over what they read

// A log that holds a membership change holds only committed ones before it: leaders propose one at a time. So
// a commit index that was not yet durable can be told again, and the member never falls back behind the
// membership that its log supposes.
raft::Index committed_by_changes(const std::vector<raft::Entry>& entries) {
  raft::Index before;
  raft::Index last;
  for (const auto& e : entries) {
    if (e.type != raft::EntryType::kConfChange) continue;
    before = last;
    last = e.index;
  }
  return before;
}

raft::Membership membership_of(const std::vector<MemberInfo>& members) {
  raft::Membership m;
  for (const auto& info : members) (info.learner ? m.learners : m.voters).emplace_back(info.id);
  std::ranges::sort(m.voters);
  std::ranges::sort(m.learners);
  return m;
}

}  // namespace

Result<std::unique_ptr<Replica>> Replica::open(ReplicaDeps deps, ReplicaOptions options) {
  CHECK(deps.fs != nullptr && deps.clock != nullptr && deps.rng != nullptr && deps.metrics != nullptr);
  std::unique_ptr<Replica> r(new Replica(std::move(deps), std::move(options)));
  TRY(r->recover());
  return r;
}

Replica::Replica(ReplicaDeps deps, ReplicaOptions options)
    : deps_(std::move(deps)),
      options_(std::move(options)),
      points_(deps_.failpoints),
      request_timeout_(std::chrono::seconds(5) + 2 * options_.election_ticks * options_.tick),
      next_request_(deps_.rng->next() | 1) {}

Replica::~Replica() = default;

Backend::Options Replica::backend_options(const std::string& dir) const {
  Backend::Options o;
  o.dir = dir;
  o.in_memory = options_.in_memory_backend;
  o.fs = deps_.fs;
  o.background = options_.background;
  o.failpoints = deps_.failpoints;
  return o;
}

std::uint64_t records_hash(const LeaseTable& leases,
                           const std::map<std::string, std::uint64_t, std::less<>>& records) {
  std::uint64_t h = leases.hash();
  for (const auto& [name, hash] : records) h = mix_hash(h, hash);
  return std::max<std::uint64_t>(h, 1);
}

Result<Replica::Loaded> Replica::load(const Backend::Options& options, MonoTime now, bool leases) {
  Loaded out;
  out.dir = options.dir;
  out.mvcc = std::make_shared<Mvcc>();
  out.mvcc->backend = TRY(Backend::open(options));
  out.mvcc->state = std::make_unique<State>(out.mvcc->backend.get());
  State& state = *out.mvcc->state;
  Result<void> records;
  Backend::Loader loader;
  loader.lease = [&](LeaseId id, std::int64_t ttl_s, std::int64_t remaining_s) {
    if (leases) state.load_lease(id, ttl_s, now, remaining_s);
  };
  loader.system = [&](std::string_view name, std::string_view bytes) {
    out.records.insert_or_assign(std::string(name), hash_record(name, bytes));
    const auto take = [&]() -> Result<void> {
      if (name == kMembersRecord) {
        out.has_members = true;
        return decode_members(bytes, out.cluster);
      }
      if (name == kMembershipRecord) out.cluster.raft = TRY(raft::decode_membership(bytes));
      if (name == kAlarmsRecord) out.cluster.alarms = TRY(decode_alarms(bytes));
      if (name == kAuthRecord) return out.auth.load(bytes);
      return {};
    };
    if (auto r = take(); !r && records) records = std::move(r);
  };
  const bool threads = options.background == BackgroundWork::kThread;
  if (threads) {
    loader.threads = kLoadThreads;
    loader.versions = [&](std::vector<LoadedVersion> versions) { state.load_versions(std::move(versions)); };
  } else {
    loader.version = [&](const ItemFields& f, std::string_view key, std::string_view value) {
      state.load_version(f, key, value);
    };
  }
  out.meta = TRY(out.mvcc->backend->load(loader));
  TRY(std::move(records));
  if (state.working_revision() > out.meta.revision || state.state_hash() != out.meta.state_hash) {
    return fail(Code::kDataLoss,
                "backend in " + options.dir + " is corrupt: its versions do not hash to what was recorded");
  }
  if (leases && out.meta.records_hash != 0 &&
      records_hash(state.leases(), out.records) != out.meta.records_hash) {
    return fail(Code::kDataLoss,
                "backend in " + options.dir + " is corrupt: its records do not hash to what was recorded");
  }
  state.finish_load(out.meta.revision, out.meta.compacted, out.meta.compaction_done,
                    threads ? run_on_two_threads : run_in_turn);
  return out;
}

Result<void> Replica::recover() {
  const MonoTime begin = now();
  TRY(deps_.fs->make_dirs(options_.data_dir));
  lock_ = TRY(deps_.fs->lock(options_.data_dir + "/LOCK"));
  dirs_ = TRY(BackendDirs::open(*deps_.fs, options_.data_dir));
  TRY(dirs_->remove_old());
  Loaded loaded = TRY(load(backend_options(dirs_->current()), begin, true));
  mvcc_ = loaded.mvcc;
  mvcc_->state->set_fault_drops_live_version(options_.faults.compaction_drops_live_version);
  meta_ = loaded.meta;
  auth_ = std::move(loaded.auth);
  record_hashes_ = std::move(loaded.records);
  durable_ = raft::Index(meta_.applied_index);
  if (meta_.snapshot_index != 0 && meta_.snapshot_index == meta_.applied_index) {
    deps_.logger.info("Recovering from snapshot backend", {{"index", meta_.snapshot_index}});
  }

  MemberIdentity identity;
  identity.cluster = std::move(loaded.cluster);
  const bool known = loaded.has_members;
  const bool alone = known ? identity.cluster.members.size() < 2 : options_.members.size() < 2;
  raft::WalRecovery found = TRY(open_log(alone));
  TRY(identify(known, found, identity));
  id_ = identity.id;
  cluster_ = std::move(identity.cluster);
  hashes_ = HashRing(raft::NodeId(id_));
  applied_ = raft::Index(meta_.applied_index);
  applied_term_ = raft::Term(meta_.applied_term);
  std::size_t replayed = 0;
  if (found.damaged) {
    start_node(restored_without_log(found));
    begin_repair(std::move(found));
  } else {
    raft::Restored r = restored(found, cluster_.raft);
    if (options_.force_new_cluster) forget_others(r, cluster_);
    if (options_.faults.apply_twice_after_crash && r.snapshot_index < applied_) {
      applied_ = r.applied = raft::Index(applied_.value() - 1);
    }
    if (!r.entries.empty()) replayed = r.entries.back().index - applied_;
    start_node(std::move(r));
  }
  cluster_changed();
  was_full_ = std::ranges::find(cluster_.alarms, Alarm{id_, AlarmType::kNoSpace}) != cluster_.alarms.end();
  auth_hash_ = hash_text(auth_.encode());
  hub_.resync(mvcc_->state->revision(), false);
  published_.mvcc_ = mvcc_;
  published_.auth_ = auth_.view();
  publish_applied();
  TRY(catch_up());
  publish_self();
  deps_.logger.info("store recovered", {{"member", id_text(id_)},
                                        {"revision", mvcc_->state->revision()},
                                        {"applied", applied_.value()},
                                        {"keys", mvcc_->state->keys()},
                                        {"replayed", replayed},
                                        {"seconds", std::chrono::duration<double>(now() - begin).count()}});
  return {};
}

Result<raft::WalRecovery> Replica::open_log(bool alone) {
  const raft::Index applied(meta_.applied_index);
  raft::WalOptions w;
  w.dir = options_.wal_dir.empty() ? options_.data_dir + "/wal" : options_.wal_dir;
  w.segment_bytes = options_.wal_segment_bytes;
  w.applied = applied;
  w.applied_term = raft::Term(meta_.applied_term);
  const std::uint64_t keep = alone ? 0 : options_.keep_entries;
  // The first entry is never kept: a new member, which does not know the first members, must get a snapshot.
  if (applied.value() > 0) w.keep_from = raft::Index(applied.value() > keep ? applied.value() - keep : 1);
  if (options_.faults.apply_twice_after_crash && applied.value() > 1) {
    w.keep_from = std::min(*w.keep_from, raft::Index(applied.value() - 1));
  }
  if (meta_.snapshot_index != 0 && meta_.snapshot_index == meta_.applied_index) {
    w.snapshot_index = applied;
    w.snapshot_term = w.applied_term;
  }
  // Also of a member that is alone: what it has applied it need not ask for.
  w.repairable = !options_.faults.wal.torn_means_truncate;
  w.on_sync = [this](double s) { deps_.metrics->wal_fsync.Observe(s); };
  w.clock = deps_.clock;
  w.faults = options_.faults.wal;
  auto opened = raft::Wal::open(*deps_.fs, std::move(w));
  if (!opened) return fail(alone ? opened.error() : advise(opened.error()));
  wal_ = std::move(opened->wal);
  return std::move(opened->recovery);
}

// Who this member is, and who the others are.
Result<void> Replica::identify(bool known, const raft::WalRecovery& found, MemberIdentity& identity) {
  if (found.membership.empty() && !found.damaged) return bootstrap(known, identity);
  if (!found.membership.empty()) {
    MemberIdentity first = TRY(decode_identity(found.membership));
    identity.id = first.id;
    if (!known) identity.cluster = std::move(first.cluster);
  }
  if (!found.damaged) {
    if (found.damage.empty()) return {};
    ++repairs_;
    deps_.metrics->log_repairs.Increment();
    deps_.logger.warn("write-ahead log was damaged and is mended: nothing of it is missing",
                      {{"damage", found.damage}});
    return {};
  }
  const std::string corrupt = "write-ahead log is corrupt: " + found.damage;
  if (found.membership.empty()) return fail(advise({Code::kDataLoss, corrupt}));
  if (identity.cluster.members.size() < 2 || options_.force_new_cluster) {
    return fail(Code::kDataLoss, corrupt + ": there is no other member to have entries " +
                                     std::to_string(found.damaged->first.value()) + "-" +
                                     std::to_string(found.damaged->last.value()) +
                                     " from: restore the data from a snapshot");
  }
  return {};
}

// What to do about a log that cannot be mended.
Error Replica::advise(Error why) const {
  if (why.code == Code::kDataLoss) {
    why.message +=
        ": the other members cannot mend this: remove this member from the cluster, delete its data "
        "and add it anew";
  }
  return why;
}

raft::Restored Replica::restored(raft::WalRecovery& found, raft::Membership members) const {
  raft::Restored r;
  r.hard_state = found.hard_state;
  r.hard_state.term = std::max(found.hard_state.term, found.last_term);
  r.hard_state.commit = std::max({found.hard_state.commit, applied_, committed_by_changes(found.entries)});
  r.snapshot_index = found.base;
  r.snapshot_term = found.base_term;
  r.entries = std::move(found.entries);
  r.applied = applied_;
  r.membership = std::move(members);
  return r;
}

// What stands in for the node until the log is repaired: it knows no entries.
raft::Restored Replica::restored_without_log(const raft::WalRecovery& found) const {
  raft::Restored r;
  r.hard_state = found.hard_state;
  r.hard_state.term = std::max({found.hard_state.term, found.last_term, applied_term_});
  r.hard_state.commit = r.snapshot_index = r.applied = applied_;
  r.snapshot_term = applied_term_;
  r.membership = cluster_.raft;
  return r;
}

// --force-new-cluster.
void Replica::forget_others(raft::Restored& restored, ClusterState& cluster) const {
  std::erase_if(cluster.members, [&](const auto& m) { return m.first != id_; });
  cluster.members[id_].id = id_;
  cluster.members[id_].learner = false;
  cluster.raft = restored.membership = membership_of({cluster.members[id_]});
  for (auto& e : restored.entries) {
    if (e.type == raft::EntryType::kConfChange) e = {e.term, e.index, Bytes(), raft::EntryType::kNormal};
  }
}

void Replica::start_node(raft::Restored restored) {
  first_held_ = restored.snapshot_index.next();
  entry_bytes_.clear();
  log_bytes_ = 0;
  note_entries(restored.entries);
  raft::NodeConfig config;
  config.id = raft::NodeId(id_);
  config.election_ticks = options_.election_ticks;
  config.pre_vote = options_.pre_vote;
  config.read_mode = options_.read_mode;
  config.max_append_bytes = options_.max_append_bytes;
  config.faults = options_.faults.core;
  node_ = std::make_unique<raft::Node>(config, std::move(restored), *deps_.rng);
}

// A data dir that has not known members yet: a new one, or one of first light, whose member is alone.
Result<void> Replica::bootstrap(bool known, MemberIdentity& identity) {
  identity.id = options_.id != 0 ? options_.id : member_id({}, "keelson");
  if (!known) {
    auto& cluster = identity.cluster;
    std::vector<MemberInfo> members = options_.members;
    if (members.empty()) members.push_back({.id = identity.id});
    std::vector<std::uint64_t> ids;
    for (const auto& m : members) {
      ids.push_back(m.id);
      cluster.members[m.id] = m;
    }
    cluster.cluster_id = options_.cluster_id != 0 ? options_.cluster_id : cluster_id(ids);
    if (!options_.join) cluster.raft = membership_of(members);
  }
  wal_->set_membership(raft::Index(), encode(identity));
  return wal_->sync();
}

// Applies what is known to be committed; a member that is alone leads at once and knows it of everything.
Result<void> Replica::catch_up() {
  const auto& m = node_->membership();
  if (!repair_ && !m.joint() && m.voters == std::vector{raft::NodeId(id_)}) node_->campaign();
  for (;;) {
    while (step()) {
    }
    if (failed_) return fail(*failed_);
    if (to_apply_.empty() && !node_->has_ready()) break;
    flush_now();  // the backend is full
  }
  if (options_.force_new_cluster) flush_now();
  if (failed_) return fail(*failed_);
  return {};
}

}  // namespace keelson::kvstore
