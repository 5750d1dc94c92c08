// Replica: one whole member below gRPC, as a single-threaded, deterministic object: consensus, log, state
// machine, leases, members, alarms, users, snapshots. It has no threads, no timers, no sockets and no
// coroutines: its owner feeds it and calls step(). ReplicatedStore (replicated_store.h) is the owner in
// production, chaos/sim the one in virtual time.
//
//   auto r = *Replica::open(deps, options);        recovers; a member that is alone leads already
//   r->set_transport(&transport);
//   loop:
//     r->receive(message) | r->receive_app(from, bytes) | r->unreachable(…) | r->snapshot_sent(…)
//     r->submit(pending)
//     every options.tick:  r->tick();
//     while (r->step()) {}                          after any of the above; take new input in between
//     now and then (100 ms; at once when flush_due()):  r->flush_now()
//     r->failed(), r->removed(): then it is over: r->stop(), destroy
//   A crash in the simulator: destroy it without stop(), drop unsynced writes, open() again.
//
//   submit ─▶ Node ─▶ Ready: messages ─▶ transport, entries ─▶ WAL + fsync ─▶ messages ─▶ apply ─▶ publish ─▶
//   watches ─▶ Pending::finish()                                                          └▶ backend.commit,
//   flush
//
// Where a request ends: a command where its entry is applied, with the id in its bytes finding the Pending
// again. What was never proposed (no leader), or given back by a leader that handed over, is proposed when
// there is one. What else was proposed is never proposed again: it is applied, or its time runs out, or a new
// leader's first entry is applied before it, or the connection to the leader broke and it was not applied
// within an election timeout: it may yet have happened, and the error says so (kUnavailable).
//
// A log that is damaged in the middle: open() succeeds where the others may have what is lost; repairing()
// until they have given it (replica_repair.cc). Meanwhile node() stands still, without a leader.
//
// Snapshots from other members: the transport asks receive_snapshot() for a sink (any thread), streams into
// it, and after SnapshotSink::finish() hands the kSnapshot message to receive().
//
// Thread rule: one thread, the owner's; except what says "any thread".
#pragma once

#include <atomic>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rng.h"
#include "kvstore/backend/backend.h"
#include "kvstore/backend/snapshot.h"
#include "kvstore/mvcc/auth_store.h"
#include "kvstore/mvcc/state.h"
#include "kvstore/mvcc/watch_hub.h"
#include "kvstore/server/app_message.h"
#include "kvstore/server/cluster_state.h"
#include "kvstore/server/command.h"
#include "kvstore/server/hash_ring.h"
#include "kvstore/server/log_repair.h"
#include "kvstore/server/member.h"
#include "kvstore/server/metrics.h"
#include "kvstore/server/pending.h"
#include "kvstore/server/published.h"
#include "kvstore/server/replica_failpoints.h"
#include "raft/core/node.h"
#include "raft/transport/transport.h"
#include "raft/wal/wal.h"

namespace keelson::kvstore {

// Planted bugs for the simulator's canaries; all off otherwise. Only tests set one.
struct ReplicaFaults {
  raft::CoreFaults core;
  raft::WalFaults wal;
  bool snapshot_without_leases = false;  // a snapshot received loses its leases
  bool apply_twice_after_crash = false;  // recovery applies the last entry in the backend once more
  bool event_lost_at_resync = false;     // watches go on behind an installed snapshot without what it skipped
  bool lease_expired_by_stale_leader = false;  // who once led goes on expiring leases by its own clock
  bool compaction_drops_live_version = false;  // the newest version at the compacted revision is dropped
  bool hash_skipped = false;                   // hashes are not compared
};

enum class AutoCompaction : std::uint8_t { kOff, kPeriodic, kRevision };

struct ReplicaOptions {
  std::string data_dir;
  std::string wal_dir;  // empty: data_dir + "/wal"
  std::string name = "default";
  std::vector<std::string> client_urls;  // published once the member is part of its cluster

  // ---- For a new data dir; an old one knows its own.
  std::uint64_t id = 0;          // member_id(…); 0: of a member that is alone, of no address
  std::uint64_t cluster_id = 0;  // cluster_id(…); 0: from the members
  // The first members, this one among them; with `join` those of the running cluster, to answer them. Empty:
  // alone.
  std::vector<MemberInfo> members;
  std::string cluster_token = "etcd-cluster";  // makes the ids of members that are added
  bool join = false;                           // of a running cluster: waits to be told who votes
  // Forgets all other members, whatever the data dir says (etcd's --force-new-cluster).
  bool force_new_cluster = false;

  // ---- Time. A tick is the heartbeat.
  Duration tick = std::chrono::milliseconds(100);
  int election_ticks = 10;
  bool pre_vote = true;
  raft::ReadMode read_mode = raft::ReadMode::kQuorum;
  std::size_t max_append_bytes = std::size_t{1} << 20;  // of entries in one message to a member
  Duration lease_checkpoint_interval = std::chrono::minutes(5);
  Duration progress_interval = std::chrono::seconds(5);  // of watches that asked for notifications

  // ---- Limits
  std::uint64_t quota_bytes = std::uint64_t{2} << 30;  // 0: none
  std::size_t max_pending = 20000;                     // more answer "too many requests"
  std::size_t watch_buffer_events = 65536;             // a watcher further behind is cancelled
  std::uint64_t wal_segment_bytes = std::uint64_t{16} << 20;
  // Entries kept in memory and log for members that lag, once they are durable in the backend; none without
  // other members.
  std::size_t keep_entries = 5000;
  std::size_t keep_bytes = std::size_t{32} << 20;
  std::size_t max_learners = 1;  // etcd's
  bool strict_reconfig_check = true;
  AutoCompaction auto_compaction = AutoCompaction::kOff;
  Duration auto_compaction_period{};       // kPeriodic
  Revision auto_compaction_revisions = 0;  // kRevision
  // A compaction goes on by so many keys at once. The flushes set its pace: so many between two of them,
  // fewer where there is much to be removed.
  std::size_t compaction_keys_per_step = 1000;
  std::size_t compaction_keys_per_flush = 8000;
  Duration slow_apply = std::chrono::milliseconds(100);  // what takes longer is logged; 0: nothing is
  std::uint64_t hash_every = 64;                         // entries between two hashes that are compared

  bool in_memory_backend = false;                       // tests: LevelDB in memory
  BackgroundWork background = BackgroundWork::kThread;  // of LevelDB; the simulator: kDrained
  ReplicaFaults faults;
};

// All but failpoints and the callbacks is REQUIRED and outlives the Replica.
struct ReplicaDeps {
  FileSystem* fs = nullptr;
  Clock* clock = nullptr;  // now() and wall() only
  Rng* rng = nullptr;      // seeded from the system in production, or request ids repeat
  StoreMetrics* metrics = nullptr;
  Logger logger;
  Failpoints* failpoints = nullptr;  // tests of whole processes; null: none
  // Something flush() should write soon; the owner may poll flush_due() instead.
  std::function<void()> on_flush_due;
  // A compaction was applied, before which `before` was compacted: versions are dropped once what it returns
  // (null: at once) is false.
  std::function<std::shared_ptr<std::atomic<bool>>(Revision before, Revision revision)> on_compaction;
};

class Replica {
 public:
  // Opens or makes the data dir and recovers. Errors: kFailedPrecondition (locked by another), kDataLoss
  // (corrupt, beyond repair; names file and offset, and says what to do), kInternal (I/O).
  static Result<std::unique_ptr<Replica>> open(ReplicaDeps deps, ReplicaOptions options);
  // REQUIRES: nobody uses published().mvcc() any more (watches are gone). Does not wait, flush or say
  // goodbye.
  ~Replica();
  Replica(const Replica&) = delete;
  Replica& operator=(const Replica&) = delete;

  // Tells it of all peers. Outlives the Replica; REQUIRED before the first step() with other members.
  void set_transport(raft::Transport* transport);

  // ---- Input
  void receive(raft::Message message);
  void receive_app(raft::NodeId from, Bytes payload);
  void unreachable(raft::NodeId id, bool reset);
  void snapshot_sent(raft::NodeId to, bool delivered);
  // What was handed on to `id` may not have arrived. A broken connection (`reset`) means that too.
  void proposals_lost(raft::NodeId id);
  // `by` says that this member was removed from the cluster for good.
  void told_removed(raft::NodeId by);
  // Always finished some day, by step(), tick() or stop(), or before this returns.
  void submit(PendingPtr p);
  // options.tick has passed.
  void tick();
  // Does what is due, for at most about 5 ms of applying. True: there is more to do, call again.
  bool step();
  // Proposes to replace several members in one step, through a joint state. Not part of etcd's API: for tests
  // and tools. Errors: it does not lead, or another change is under way.
  Result<void> replace_members(std::vector<MemberInfo> joining, const std::vector<std::uint64_t>& leaving);
  // Finishes everything with `why`, ends watches. Nothing is served after it.
  void stop(const Error& why);

  // ---- The backend. flush() may run on another thread, one at a time; its answer is handed back on the
  // owner's.
  bool flush_due() const { return flush_due_; }
  Result<std::uint64_t> flush();  // any thread
  void flushed(const Result<std::uint64_t>& index);
  void flush_now() { flushed(flush()); }
  // Any thread: a compaction has versions to remove. It goes on with the flushes: soon, where nobody waits.
  bool compacting() const { return published_.mvcc()->backend->compacting(); }
  // Any thread: makes the log's next segment ahead of time.
  Result<void> prepare_spare();

  // ---- Snapshots. Any thread: where to put the snapshot that `message` announces.
  Result<std::unique_ptr<raft::SnapshotSink>> receive_snapshot(const raft::Message& message);

  // ---- Looking
  // Why it stopped by itself: a disk that cannot be trusted. Everything answers kUnavailable from then on.
  const std::optional<Error>& failed() const { return failed_; }
  bool removed() const { return removed_; }  // it is no member any more
  bool fenced() const { return fenced_; }    // it differs from a quorum (DESIGN.md §4)
  // It has applied its own publication: clients may be told that it serves.
  bool ready() const { return ready_; }
  const Published& published() const { return published_; }  // any thread
  WatchHub& hub() { return hub_; }                           // any thread
  const ReplicaOptions& options() const { return options_; }
  // After which requests are given up.
  Duration request_timeout() const { return request_timeout_; }
  // A step may be made to pause.
  bool may_pause() const { return points_.enabled; }
  std::uint64_t id() const { return id_; }
  const raft::Node& node() const { return *node_; }
  State& state() { return *mvcc_->state; }
  raft::Index applied() const { return applied_; }
  // The backend has it on disk.
  raft::Index durable() const { return durable_; }
  // Snapshots of other members that took the place of everything here, in this life.
  std::uint64_t installs() const { return installs_; }
  // The log is damaged, and waits for what the others have of it.
  bool repairing() const { return repair_ != nullptr; }
  // Damage to the log that was mended in this life: by open() or from the others.
  std::uint64_t repairs() const { return repairs_; }
  // Over everything that members must agree on, at applied().
  std::uint64_t agreement_hash() const;
  // Tests: changes this member's state behind everybody's back, as a broken memory would.
  void plant_divergence(const std::string& key);

 private:
  struct Loaded;
  class Sink;
  using Pendings = std::vector<PendingPtr>;
  using RecordHashes = std::map<std::string, std::uint64_t, std::less<>>;  // of system records, by name

  Replica(ReplicaDeps deps, ReplicaOptions options);

  // ---- recovery (replica_open.cc)
  Result<void> recover();
  Result<raft::WalRecovery> open_log(bool alone);
  Result<void> identify(bool known, const raft::WalRecovery& found, MemberIdentity& identity);
  Result<void> bootstrap(bool known, MemberIdentity& identity);
  raft::Restored restored(raft::WalRecovery& found, raft::Membership members) const;
  raft::Restored restored_without_log(const raft::WalRecovery& found) const;
  void forget_others(raft::Restored& restored, ClusterState& cluster) const;
  void start_node(raft::Restored restored);
  Result<void> catch_up();
  Error advise(Error why) const;
  Backend::Options backend_options(const std::string& dir) const;
  static Result<Loaded> load(const Backend::Options& options, MonoTime now, bool leases);

  // ---- a damaged log (replica_repair.cc)
  void begin_repair(raft::WalRecovery found);
  void ask_for_entries();
  void handle_fetched(raft::NodeId from, AppMessage m);
  void repair_from(const raft::Message& message);
  void end_repair(raft::WalRecovery mended, const char* from);
  void handle_fetch(raft::NodeId from, const AppMessage& m);

  // ---- the loop (replica.cc)
  bool busy() const;
  bool may_compact() const;
  void handle_ready();
  Result<void> persist(const raft::Ready& ready);
  void send(std::vector<raft::Message> messages);
  void send_ahead(std::vector<raft::Message> messages);
  void note_role();
  void stop_leading();
  void note_alone();
  void fail_with(const Error& error);
  void refuse(const Error& why);
  void finish_all(const Error& why);
  void want_flush();
  MonoTime now() const { return deps_.clock->now(); }

  // ---- applying (replica_apply.cc)
  void apply_some();
  void apply_entry(const raft::Entry& entry);
  void begin_term(raft::Term term);
  Result<void> authorize(const Command& command) const;
  void apply_command(const Command& command, raft::Index index, Outcome& outcome);
  void apply_compaction(Revision revision, Outcome& outcome);
  void apply_txn(const Command& command, Outcome& outcome);
  void apply_lease(const Command& command, Outcome& outcome);
  void apply_alarm(const Command& command, Outcome& outcome);
  void apply_member(const Command& command, Outcome& outcome);
  void apply_conf_change(const raft::Entry& entry);
  void commit_effects();
  void publish_applied();
  void cluster_changed();
  void save_members();
  void save_record(std::string_view name, std::string bytes);
  void run_compaction();
  void finish_compaction();

  // ---- requests (replica_requests.cc)
  Result<void> admit(const Pending& p);
  void propose(PendingPtr p);
  void propose_waiting();
  void take_returned(std::vector<raft::Returned> returned);
  bool propose_own(std::string command);
  void ask_reads();
  void take_read_states(const std::vector<raft::ReadState>& states);
  void finish_reads();
  void finish_read(const PendingPtr& p);
  void retry_reads();
  void route(PendingPtr p);
  void route_waiting();
  void forward(const PendingPtr& p);
  void reroute_forwarded();
  void execute(PendingPtr p);
  void keep_alive(const PendingPtr& p);
  void time_out();
  void time_out_lost();
  Error timeout_of(const Pending& p) const;
  void finish(const PendingPtr& p, const Error& why);
  std::uint64_t next_request() { return next_request_++; }
  void handle_request(raft::NodeId from, AppMessage m);
  void handle_reply(AppMessage m);
  void finish_forwarded();
  void send_app(raft::NodeId to, const AppMessage& m);

  // ---- members (replica_members.cc)
  void change_members(PendingPtr p);
  void finish_member(const PendingPtr& p);
  Result<raft::ConfChange> plan_change(Pending& p);
  Result<void> check_add(const MemberChange& change) const;
  Result<void> check_remove(std::uint64_t id) const;
  Result<void> check_promote(std::uint64_t id) const;
  std::size_t connected_since(MonoTime since) const;
  void move_leader(PendingPtr p);
  void check_transfers();
  void set_peers();
  void publish_self();
  void end_removed();

  // ---- snapshots and the log's length (replica_snapshot.cc)
  void send_snapshot(raft::Message message);
  Result<void> install(const raft::SnapshotMeta& meta);
  void drop_unwanted_snapshot();
  void compact_log();
  void drop_entries(raft::Index first);
  void note_entries(const std::vector<raft::Entry>& entries);

  // ---- what ticks do (replica_maintain.cc)
  void expire_leases();
  void checkpoint_leases();
  bool check_quota();
  void watch_quota();
  bool set_no_space(bool raised);
  void share_hashes();
  void judge_hashes();
  void fence();
  void step_down();
  void auto_compact();
  void report_metrics();

  ReplicaDeps deps_;
  const ReplicaOptions options_;
  const ReplicaFailpoints points_;
  const Duration request_timeout_;
  std::unique_ptr<FileLock> lock_;
  std::optional<BackendDirs> dirs_;
  std::unique_ptr<raft::Wal> wal_;
  std::unique_ptr<raft::Node> node_;
  raft::Transport* transport_ = nullptr;
  std::uint64_t id_ = 0;
  std::unique_ptr<LogRepair> repair_;  // while the log is damaged
  MonoTime next_reminder_{};
  std::uint64_t repairs_ = 0;

  // ---- replicated state, as of applied_
  MvccPtr mvcc_;
  AuthStore auth_;
  ClusterState cluster_;
  raft::Index applied_;
  raft::Term applied_term_;
  BackendMeta meta_;
  RecordHashes record_hashes_;
  bool corrupt_ = false;  // alarms
  bool no_space_ = false;
  std::uint64_t cluster_hash_ = 0;  // of cluster_ and auth_, for agreement_hash()
  std::uint64_t auth_hash_ = 0;

  Effects effects_;
  std::deque<raft::Entry> to_apply_;
  Pendings applied_requests_;  // finished by commit_effects()
  Pendings compact_waiters_;
  WatchHub hub_;
  Published published_;

  // ---- requests under way
  std::uint64_t next_request_ = 1;
  std::deque<PendingPtr> unproposed_;                       // wait for a leader
  std::unordered_map<std::uint64_t, PendingPtr> proposed_;  // wait to be applied
  Pendings unrouted_;                                       // for the leader, who is not known
  std::map<std::uint64_t, PendingPtr> forwarded_;           // the leader has them
  Pendings reads_;                                          // no round yet
  struct Round {
    MonoTime started{};
    Pendings reads;
  };
  std::map<std::uint64_t, Round> rounds_;
  Pendings reads_to_apply_;  // wait for Pending::index
  Pendings held_;            // keep-alives of leases whose revocation is proposed
  Pendings transfers_;

  // ---- leading
  raft::Role role_ = raft::Role::kFollower;
  raft::NodeId leader_;
  raft::Term term_;
  bool led_ = false;  // has been leader
  std::uint64_t installs_ = 0;
  bool leading_ = false;                  // leader, and everything of earlier terms is applied
  MonoTime leader_since_{};               // when leader_ became known
  MonoTime leader_lost_{};                // when a leader was last lost
  std::set<LeaseId> revoking_;            // proposed in this term
  std::multiset<LeaseId> checkpointing_;  // likewise
  MonoTime next_checkpoint_{};
  bool was_full_ = false;  // the quota was exceeded since the alarm was last cleared
  MonoTime room_at_{};     // when there will have been room for long enough to end the alarm
  MonoTime next_alarm_{};

  // ---- members
  std::map<std::uint64_t, int> leaving_;  // removed peers, and for how many ticks they are still told
  std::map<std::uint64_t, std::vector<std::string>> peers_;  // as the transport knows them
  bool published_self_ = false;                              // proposed, and the answer is awaited

  // ---- hashes
  HashRing hashes_{raft::NodeId()};
  raft::Index hash_sent_;
  raft::Index hash_idle_;  // applied at the last tick
  raft::Index hash_warned_;
  MonoTime next_hash_{};
  MonoTime next_corrupt_{};
  MonoTime next_refusal_log_{};  // raft asks again with every heartbeat

  // ---- log and backend
  std::deque<std::uint32_t> entry_bytes_;  // of the entries the node holds
  raft::Index first_held_;                 // the first of them
  std::size_t log_bytes_ = 0;
  raft::Index durable_;                          // the backend has this on disk
  std::vector<raft::Message> snapshots_wanted_;  // until the backend is flushed
  std::weak_ptr<Mvcc> retired_;                  // replaced by a snapshot, maybe still read
  bool old_db_ = false;                          // its files are still there
  std::atomic<bool> receiving_{false};           // a Sink exists
  mutable std::mutex incoming_mu_;
  std::unique_ptr<Loaded> incoming_;  // a snapshot received, ready to be installed
  std::unique_ptr<Loaded> installing_;
  bool snapshot_given_ = false;  // to the node, which may not want it

  MonoTime next_progress_{};
  MonoTime next_sizes_{};
  MonoTime next_timeouts_{};
  std::shared_ptr<std::atomic<bool>> compaction_hold_;  // no version is dropped while it is true
  std::size_t compaction_keys_ = 0;                     // looked at since the last flush
  struct RevisionAt {
    MonoTime at{};
    Revision revision = 0;
  };
  std::deque<RevisionAt> revisions_;  // for periodic compaction
  MonoTime next_auto_compaction_{};

  std::optional<Error> failed_;
  bool stopped_ = false;
  bool left_ = false;  // it is no member any more, as of applied_
  bool removed_ = false;
  bool fenced_ = false;
  bool ready_ = false;
  std::atomic<bool> flush_due_{false};
};

}  // namespace keelson::kvstore
