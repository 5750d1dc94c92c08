#include "kvstore/server/replicated_store.h"

#include <algorithm>
#include <boost/asio/thread_pool.hpp>

#include "base/blocking.h"
#include "base/check.h"
#include "kvstore/server/errors.h"
#include "kvstore/server/hash_memory.h"
#include "kvstore/server/snapshot_file.h"
#include "kvstore/server/store_thread.h"
#include "kvstore/server/watch_stream.h"

namespace keelson::kvstore {

class ReplicatedStore::Impl {
 public:
  explicit Impl(ReplicatedStoreOptions o)
      : options(std::move(o)),
        fs(options.fs != nullptr ? *options.fs : posix_file_system()),
        metrics(options.metrics),
        rng(options.seed != 0 ? options.seed : os_entropy()) {
    CHECK(options.clock != nullptr);
    ids = rng.fork();
  }

  ReplicatedStoreOptions options;
  FileSystem& fs;
  StoreMetrics metrics;
  Rng rng;
  std::mutex ids_mu;
  Rng ids{1};  // of leases that the store names
  std::unique_ptr<Replica> replica;
  std::shared_ptr<StoreThread> thread;
  // For what blocks: snapshots, hashes. Shared with their readers, which may be the last to go.
  std::shared_ptr<boost::asio::thread_pool> workers = std::make_shared<boost::asio::thread_pool>(2);
  std::atomic<std::uint64_t> next_file{1};
  std::shared_ptr<HashMemory> hashes = std::make_shared<HashMemory>();

  // On the store's thread, also while it recovers. What a compaction says goodbye to is hashed first.
  HashMemory::Hold remember_hash(Revision before, Revision revision) {
    if (!thread) return nullptr;
    auto hold = hashes->begin(revision);
    thread->background(
        HashMemory::compute(hashes, *options.clock, published().mvcc(), before, revision, hold));
    return hold;
  }

  const Published& published() const { return replica->published(); }

  LeaseId fresh_lease_id() {
    std::lock_guard lock(ids_mu);
    return static_cast<LeaseId>(ids.next() >> 1 | 1);
  }

  // Errors are those of the outcome, which has none then.
  Task<Result<Outcome>> submit(PendingPtr p) {
    co_await wait_for(p, [this, p] {
      if (auto r = thread->submit(p); !r) {
        p->outcome.error = std::move(r.error());
        p->finish();
      }
    });
    if (p->outcome.error) co_return std::unexpected(std::move(*p->outcome.error));
    co_return std::move(p->outcome);
  }
  Task<Result<Outcome>> submit_command(std::string command, bool grows = false) {
    auto p = std::make_shared<Pending>();
    p->command = std::move(command);
    p->grows = grows;
    return submit(std::move(p));
  }

  Result<RangeResult> read(const RangeRequest& request) {
    metrics.ranges.Increment();
    const MvccPtr mvcc = published().mvcc();
    const SnapshotPtr snapshot = mvcc->state->snapshot();
    return read_range(snapshot->view(), mvcc->state->read_context(), request);
  }
  // Everything acknowledged to anybody is published here.
  bool linearizable_now() const { return published().alone() && !thread->stuck(); }
  // Nothing has to be waited for.
  bool may_read_now(bool serializable) const { return serializable || linearizable_now(); }
};

namespace {

// What LevelDB holds in memory is not counted; etcdctl divides by the size.
constexpr std::uint64_t kDbSizeMin = 4096;

bool puts(const TxnRequest& request) {
  for (const auto* ops : {&request.success, &request.failure}) {
    for (const auto& op : *ops) {
      if (op.kind == TxnOp::Kind::kPut || (op.kind == TxnOp::Kind::kTxn && puts(*op.txn))) return true;
    }
  }
  return false;
}

bool all_serializable(const TxnRequest& request) {
  for (const auto* ops : {&request.success, &request.failure}) {
    for (const auto& op : *ops) {
      if (op.kind == TxnOp::Kind::kRange ? !op.range.serializable
                                         : op.kind != TxnOp::Kind::kTxn || !all_serializable(*op.txn)) {
        return false;
      }
    }
  }
  return true;
}

constexpr std::string_view kSnapshotFile = "snapshot-";

// What a crash in the middle of a snapshot() has left.
void remove_snapshot_files(FileSystem& fs, const std::string& dir) {
  const auto names = fs.list(dir);
  if (!names) return;
  for (const auto& name : *names) {
    if (name.starts_with(kSnapshotFile) && name.ends_with(".tmp")) (void)fs.remove(dir + "/" + name);
  }
}

ReplicaOptions replica_options(const ReplicatedStoreOptions& o) {
  ReplicaOptions r = o.member;
  r.data_dir = o.data_dir;
  r.in_memory_backend = o.in_memory_backend;
  r.wal_segment_bytes = o.wal_segment_bytes;
  r.max_pending = o.max_pending_writes;
  r.watch_buffer_events = o.watch_buffer_events;
  r.progress_interval = o.progress_interval;
  return r;
}

}  // namespace

ReplicatedStore::ReplicatedStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReplicatedStore::~ReplicatedStore() {
  stop();
}

Result<std::unique_ptr<ReplicatedStore>> ReplicatedStore::open(ReplicatedStoreOptions options) {
  auto impl = std::make_unique<Impl>(std::move(options));
  Impl* i = impl.get();
  ReplicaDeps deps;
  deps.fs = &i->fs;
  deps.clock = i->options.clock;
  deps.rng = &i->rng;
  deps.metrics = &i->metrics;
  deps.logger = i->options.logger;
  deps.failpoints = i->options.failpoints;
  deps.on_flush_due = [i] {
    if (i->thread) i->thread->flush_soon();
  };
  deps.on_compaction = [i](Revision before, Revision revision) { return i->remember_hash(before, revision); };
  impl->replica = TRY(Replica::open(std::move(deps), replica_options(i->options)));
  remove_snapshot_files(i->fs, i->options.data_dir);
  impl->thread = std::make_shared<StoreThread>(
      *impl->replica, *i->options.clock, i->options.logger,
      StoreThread::Hooks{i->options.on_failure, i->options.on_removed, i->options.on_ready},
      i->options.transport_apart);
  return std::unique_ptr<ReplicatedStore>(new ReplicatedStore(std::move(impl)));
}

void ReplicatedStore::start(raft::Transport* transport) {
  if (transport != nullptr) impl_->replica->set_transport(transport);
  impl_->thread->start();
}
void ReplicatedStore::stop() {
  impl_->thread->stop();
}
std::optional<Error> ReplicatedStore::failed() const {
  return impl_->thread->failed();
}
bool ReplicatedStore::ready() const {
  return impl_->thread->ready();
}
std::uint64_t ReplicatedStore::id() const {
  return impl_->replica->id();
}
std::uint64_t ReplicatedStore::cluster() const {
  return impl_->published().cluster_id();
}

std::shared_ptr<const ClusterState> ReplicatedStore::cluster_state() const {
  return impl_->published().cluster();
}

// ---- Reads

std::optional<Result<RangeResult>> ReplicatedStore::range_now(const RangeRequest& request) {
  return range_now(request, Identity::internal());
}

// The API has checked who asks, on the view it got before: reads are allowed or not by what was then.
std::optional<Result<RangeResult>> ReplicatedStore::range_now(const RangeRequest& request,
                                                              const Identity& who) {
  if (auto ok = validate(request); !ok) return std::unexpected(ok.error());
  if (auto why = impl_->published().refusal()) return std::unexpected(*why);
  if (!impl_->may_read_now(request.serializable)) return std::nullopt;
  return impl_->read(request);
}

Task<Result<RangeResult>> ReplicatedStore::range(RangeRequest request) {
  return range(std::move(request), Identity::internal());
}

Task<Result<RangeResult>> ReplicatedStore::range(RangeRequest request, Identity who) {
  if (auto now = range_now(request, who)) co_return std::move(*now);
  CO_TRY(co_await linearize());
  co_return impl_->read(request);
}

Task<Result<void>> ReplicatedStore::linearize() {
  if (auto why = impl_->published().refusal()) co_return std::unexpected(*why);
  if (impl_->linearizable_now()) co_return Result<void>();
  auto p = std::make_shared<Pending>();
  p->op = Pending::Op::kRead;
  CO_TRY(co_await impl_->submit(std::move(p)));
  co_return Result<void>();
}

// ---- Writes

Task<Result<TxnResult>> ReplicatedStore::txn(TxnRequest request) {
  return txn(std::move(request), Identity::internal());
}

Task<Result<TxnResult>> ReplicatedStore::txn(TxnRequest request, Identity who) {
  CO_TRY(validate(request, impl_->options.max_txn_ops));
  if (is_read_only(request)) {
    if (auto why = impl_->published().refusal()) co_return std::unexpected(*why);
    if (!impl_->may_read_now(all_serializable(request))) CO_TRY(co_await linearize());
    const MvccPtr mvcc = impl_->published().mvcc();
    const SnapshotPtr snapshot = mvcc->state->snapshot();
    co_return State::read_only_txn(snapshot->view(), mvcc->state->read_context(), request);
  }
  std::string command = encode_txn(request, who);
  if (command.size() > impl_->options.max_request_bytes) co_return fail(request_too_large_error());
  Outcome out = CO_TRY(co_await impl_->submit_command(std::move(command), puts(request)));
  co_return std::move(out.txn);
}

Task<Result<void>> ReplicatedStore::compact(Revision revision) {
  return compact(revision, false);
}

Task<Result<void>> ReplicatedStore::compact(Revision revision, bool physical) {
  auto p = std::make_shared<Pending>();
  p->command = encode_compact(revision);
  p->physical = physical;
  CO_TRY(co_await impl_->submit(std::move(p)));
  co_return Result<void>();
}

Task<Result<std::unique_ptr<WatchStream>>> ReplicatedStore::watch(WatchRequest request) {
  if (auto why = impl_->published().refusal()) co_return std::unexpected(*why);
  // etcd: no key at all means from the first one on; a range "\0".."\0" is everything.
  if (request.key.empty()) request.key.assign(1, '\0');
  EmbeddedWatch::Options options;
  options.buffer_events = impl_->options.watch_buffer_events;
  options.on_slow = [i = impl_.get()] { i->metrics.slow_watchers.Increment(); };
  auto source = [i = impl_.get()] {
    MvccPtr mvcc = i->published().mvcc();
    const State* state = mvcc->state.get();
    return std::shared_ptr<const State>(std::move(mvcc), state);
  };
  auto stream = std::make_unique<EmbeddedWatch>(std::move(source), impl_->replica->hub(), std::move(request),
                                                std::move(options));
  // stop() may have cancelled everybody just before this one came.
  if (auto why = impl_->published().refusal()) co_return std::unexpected(*why);
  co_return std::unique_ptr<WatchStream>(std::move(stream));
}

// ---- Leases

Task<Result<LeaseInfo>> ReplicatedStore::lease_grant(LeaseId id, std::int64_t ttl_s) {
  return lease_grant(id, ttl_s, Identity::internal());
}
Task<Result<LeaseInfo>> ReplicatedStore::lease_grant(LeaseId id, std::int64_t ttl_s, Identity who) {
  if (id == 0) id = impl_->fresh_lease_id();
  Outcome out = CO_TRY(co_await impl_->submit_command(encode_lease_grant(id, ttl_s, who), true));
  co_return std::move(out.lease);
}

Task<Result<void>> ReplicatedStore::lease_revoke(LeaseId id) {
  CO_TRY(co_await lease_revoke(id, Identity::internal()));
  co_return Result<void>();
}
Task<Result<Revision>> ReplicatedStore::lease_revoke(LeaseId id, Identity who) {
  Outcome out = CO_TRY(co_await impl_->submit_command(encode_lease_revoke(id, who)));
  co_return out.lease.revision;
}

Task<Result<LeaseInfo>> ReplicatedStore::lease_keep_alive(LeaseId id) {
  auto p = std::make_shared<Pending>();
  p->op = Pending::Op::kKeepAlive;
  p->lease = id;
  Outcome out = CO_TRY(co_await impl_->submit(std::move(p)));
  co_return std::move(out.lease);
}

Task<Result<LeaseInfo>> ReplicatedStore::lease_time_to_live(LeaseId id, bool keys) {
  auto p = std::make_shared<Pending>();
  p->op = Pending::Op::kTimeToLive;
  p->lease = id;
  p->lease_keys = keys;
  Outcome out = CO_TRY(co_await impl_->submit(std::move(p)));
  co_return std::move(out.lease);
}

// The table of leases is the store thread's.
Task<Result<std::vector<LeaseId>>> ReplicatedStore::leases() {
  auto p = std::make_shared<Pending>();
  p->op = Pending::Op::kRead;
  p->list_leases = true;
  Outcome out = CO_TRY(co_await impl_->submit(std::move(p)));
  co_return std::move(out.leases);
}

Revision ReplicatedStore::current_revision() const {
  return impl_->published().revision();
}
Revision ReplicatedStore::compact_revision() const {
  return impl_->published().mvcc()->state->compacted().load();
}
std::uint64_t ReplicatedStore::state_hash() const {
  return impl_->published().mvcc()->state->snapshot()->state_hash();
}

// ---- The member

Header ReplicatedStore::header() const {
  const Published& p = impl_->published();
  return {p.cluster_id(), id(), p.revision(), p.term()};
}

bool ReplicatedStore::is_learner() const {
  return impl_->published().learner();
}
std::uint64_t ReplicatedStore::applied_index() const {
  return impl_->published().applied();
}
std::uint64_t ReplicatedStore::leader() const {
  return impl_->published().leader();
}

MemberStatus ReplicatedStore::status() const {
  const Published& p = impl_->published();
  const MvccPtr mvcc = p.mvcc();
  MemberStatus s;
  s.leader = p.leader();
  s.raft_index = p.committed();
  s.raft_term = p.term();
  s.raft_applied_index = p.applied();
  s.db_size = std::max(mvcc->backend->disk_bytes(), kDbSizeMin);
  s.db_size_in_use = s.db_size;
  s.db_quota = impl_->replica->options().quota_bytes;
  s.learner = p.learner();
  if (s.leader == 0) s.errors.push_back(no_leader_error().message);
  for (const Alarm& a : p.cluster()->alarms) {
    s.errors.push_back("memberID:" + std::to_string(a.member_id) +
                       (a.type == AlarmType::kNoSpace ? " alarm:NOSPACE " : " alarm:CORRUPT "));
  }
  return s;
}

Task<Result<HashKv>> ReplicatedStore::hash_kv(Revision revision) {
  if (auto why = impl_->published().refusal()) co_return std::unexpected(*why);
  if (auto known = co_await impl_->hashes->find(revision)) co_return *known;
  const MvccPtr mvcc = impl_->published().mvcc();
  auto hash = [mvcc, revision] { return hash_versions(*mvcc->backend, *mvcc->state, revision); };
  co_return co_await run_blocking(impl_->workers->get_executor(), std::move(hash));
}

Task<Result<std::vector<MemberInfo>>> ReplicatedStore::member_list(bool linearizable) {
  if (linearizable) CO_TRY(co_await linearize());
  co_return impl_->published().cluster()->list();
}

Task<Result<std::vector<MemberInfo>>> ReplicatedStore::change_members(MemberChange change) {
  auto p = std::make_shared<Pending>();
  p->op = Pending::Op::kMember;
  p->change = std::move(change);
  Outcome out = CO_TRY(co_await impl_->submit(p));
  auto all = std::move(out.members);
  const auto it = std::ranges::find(all, p->new_member, &MemberInfo::id);
  if (it != all.end()) std::rotate(it, it + 1, all.end());
  co_return all;
}

Task<Result<std::vector<MemberInfo>>> ReplicatedStore::member_add(std::vector<std::string> peer_urls,
                                                                  bool learner) {
  return change_members(
      {learner ? MemberChange::Op::kAddLearner : MemberChange::Op::kAdd, 0, std::move(peer_urls)});
}
Task<Result<std::vector<MemberInfo>>> ReplicatedStore::member_remove(std::uint64_t id) {
  return change_members({MemberChange::Op::kRemove, id, {}});
}
Task<Result<std::vector<MemberInfo>>> ReplicatedStore::member_update(std::uint64_t id,
                                                                     std::vector<std::string> peer_urls) {
  return change_members({MemberChange::Op::kUpdate, id, std::move(peer_urls)});
}
Task<Result<std::vector<MemberInfo>>> ReplicatedStore::member_promote(std::uint64_t id) {
  return change_members({MemberChange::Op::kPromote, id, {}});
}

Task<Result<void>> ReplicatedStore::move_leader(std::uint64_t target) {
  auto p = std::make_shared<Pending>();
  p->op = Pending::Op::kMoveLeader;
  p->target = target;
  CO_TRY(co_await impl_->submit(std::move(p)));
  co_return Result<void>();
}

Task<Result<std::vector<Alarm>>> ReplicatedStore::alarms() {
  co_return impl_->published().cluster()->alarms;
}
Task<Result<std::vector<Alarm>>> ReplicatedStore::change_alarm(Alarm alarm, bool activate) {
  Outcome out = CO_TRY(co_await impl_->submit_command(encode_alarm(alarm, activate)));
  co_return std::move(out.alarms);
}
Task<Result<std::vector<Alarm>>> ReplicatedStore::alarm_activate(Alarm alarm) {
  return change_alarm(alarm, true);
}
Task<Result<std::vector<Alarm>>> ReplicatedStore::alarm_deactivate(Alarm alarm) {
  return change_alarm(alarm, false);
}

Task<Result<std::unique_ptr<SnapshotReader>>> ReplicatedStore::snapshot() {
  if (auto why = impl_->published().refusal()) co_return std::unexpected(*why);
  const std::string path = impl_->options.data_dir + "/" + std::string(kSnapshotFile) +
                           std::to_string(impl_->next_file.fetch_add(1)) + ".tmp";
  co_return co_await make_snapshot_file(impl_->workers, impl_->workers->get_executor(),
                                        impl_->published().mvcc(), impl_->fs, path);
}

Task<Result<AuthReply>> ReplicatedStore::auth(AuthCommand command, Identity who) {
  Outcome out = CO_TRY(co_await impl_->submit_command(encode_auth(command, who)));
  co_return std::move(out.auth);
}
std::shared_ptr<const AuthView> ReplicatedStore::auth_view() const {
  return impl_->published().auth();
}

// ---- TransportSink

void ReplicatedStore::on_messages(std::vector<raft::Message> messages) {
  impl_->thread->messages(std::move(messages));
}
void ReplicatedStore::on_app(raft::NodeId from, Bytes payload) {
  impl_->thread->post([from, payload = std::move(payload)](Replica& r) { r.receive_app(from, payload); });
}
void ReplicatedStore::on_unreachable(raft::NodeId id, bool reset) {
  impl_->thread->post([id, reset](Replica& r) { r.unreachable(id, reset); });
}
void ReplicatedStore::on_snapshot_sent(raft::NodeId to, bool delivered) {
  impl_->thread->post([to, delivered](Replica& r) { r.snapshot_sent(to, delivered); });
}
void ReplicatedStore::on_proposals_lost(raft::NodeId id) {
  impl_->thread->post([id](Replica& r) { r.proposals_lost(id); });
}
void ReplicatedStore::on_removed(raft::NodeId by) {
  impl_->thread->post([by](Replica& r) { r.told_removed(by); });
}
Result<std::unique_ptr<raft::SnapshotSink>> ReplicatedStore::on_snapshot(const raft::Message& message) {
  return impl_->replica->receive_snapshot(message);
}

}  // namespace keelson::kvstore
