// ReplicatedStore: a Member in this process: a Replica with the threads, timers and coroutines around it. One
// class for a member that is alone (`keelson up`, an apiserver with its own store) and for one of many.
//
//   txn() ─ encode ─▶ mailbox ─▶ store thread: Replica (raft, log + fsync in groups, apply) ─▶ answer,
//   watches
//                                              └▶ background thread: ticks, writes to LevelDB
//   range() ─▶ newest published root, on the caller's thread; in a cluster after a read index, which all who
//              wait share
//
// A failed fsync, or a log or backend that cannot be written, stops the member: everything answers
// kUnavailable from then on, failed() says why, and nothing is retried.
//
// Data dir: LOCK · wal/ (docs/formats/wal.md) · db/, db-N/, CURRENT_DB (docs/formats/backend.md). Two
// processes never open one data dir.
//
// Thread rule: any thread. REQUIRES of the destructor: stop() was called and every WatchStream is gone.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "kvstore/server/member.h"
#include "kvstore/server/replica.h"

namespace prometheus {
class Registry;
}

namespace keelson::kvstore {

struct ReplicatedStoreOptions {
  std::string data_dir;
  FileSystem* fs = nullptr;  // null: posix_file_system()
  Clock* clock = nullptr;    // REQUIRED; outlives the store
  Logger logger;
  prometheus::Registry* metrics = nullptr;  // null: none; outlives the store
  Failpoints* failpoints = nullptr;         // null: none; outlives the store
  std::uint64_t seed = 0;                   // of the Rng; 0: from the operating system
  bool in_memory_backend = false;           // tests: LevelDB in memory instead of in data_dir
  std::uint64_t wal_segment_bytes = std::uint64_t{16} << 20;
  std::size_t max_txn_ops = 128;
  std::size_t max_request_bytes = 3 << 19;  // 1.5 MiB, as etcd's --max-request-bytes
  std::size_t max_pending_writes = 20000;   // more answer kResourceExhausted
  std::size_t watch_buffer_events = 65536;  // a watcher further behind is cancelled
  Duration progress_interval = std::chrono::seconds(5);
  // The transport's threads are not those that serve clients: store_thread.h.
  bool transport_apart = false;
  // Everything else of the member: identity, first members, timing, limits. The fields above win over its.
  ReplicaOptions member;
  // Called once, on the store thread: the member has stopped by itself.
  std::function<void(Error)> on_failure;
  // Called once, on the store thread: it was removed from its cluster, and serves nobody any more.
  std::function<void()> on_removed;
  // Called once, on the store thread: it has applied its own publication, clients may come.
  std::function<void()> on_ready;
};

class ReplicatedStore final : public Member, public raft::TransportSink {
 public:
  // Opens or creates the data dir and recovers: LevelDB up to its applied index, then the log's tail.
  // Blocking. Errors: kFailedPrecondition (locked by another process), kDataLoss (corruption; the message
  // names file and offset), kInternal (I/O).
  static Result<std::unique_ptr<ReplicatedStore>> open(ReplicatedStoreOptions options);
  ~ReplicatedStore() override;

  // Starts the threads. Before it work waits. `transport` (outlives stop()) is REQUIRED with other members;
  // its sink is this object, and may be called as soon as the store is open.
  void start(raft::Transport* transport = nullptr);
  // Refuses new work (kUnavailable), ends every watch, finishes what is queued, flushes, joins the threads.
  // Blocking; may be called twice. Not from a thread that runs the executors of waiting coroutines unless
  // others run them too. The transport stops before it, or drops what comes after.
  void stop();
  // Why the member stopped by itself; nullopt while it runs.
  std::optional<Error> failed() const;
  // Its own publication is applied.
  bool ready() const;
  std::uint64_t id() const;
  std::uint64_t cluster() const;  // the cluster's id
  // Who the members are, as this one has applied it.
  std::shared_ptr<const ClusterState> cluster_state() const;

  // ---- Store and Member
  Task<Result<RangeResult>> range(RangeRequest request) override;
  Task<Result<RangeResult>> range(RangeRequest request, Identity who) override;
  std::optional<Result<RangeResult>> range_now(const RangeRequest& request) override;
  std::optional<Result<RangeResult>> range_now(const RangeRequest& request, const Identity& who) override;
  Task<Result<TxnResult>> txn(TxnRequest request) override;
  Task<Result<TxnResult>> txn(TxnRequest request, Identity who) override;
  Task<Result<void>> compact(Revision revision) override;
  Task<Result<void>> compact(Revision revision, bool physical) override;
  Task<Result<std::unique_ptr<WatchStream>>> watch(WatchRequest request) override;
  Task<Result<LeaseInfo>> lease_grant(LeaseId id, std::int64_t ttl_s) override;
  Task<Result<LeaseInfo>> lease_grant(LeaseId id, std::int64_t ttl_s, Identity who) override;
  Task<Result<void>> lease_revoke(LeaseId id) override;
  Task<Result<Revision>> lease_revoke(LeaseId id, Identity who) override;
  Task<Result<LeaseInfo>> lease_keep_alive(LeaseId id) override;
  Task<Result<LeaseInfo>> lease_time_to_live(LeaseId id, bool keys) override;
  Task<Result<std::vector<LeaseId>>> leases() override;
  Revision current_revision() const override;

  Header header() const override;
  Task<Result<void>> linearize() override;
  Task<Result<HashKv>> hash_kv(Revision revision) override;
  MemberStatus status() const override;
  bool is_learner() const override;
  std::uint64_t leader() const override;
  std::uint64_t applied_index() const override;
  Task<Result<std::vector<MemberInfo>>> member_list(bool linearizable) override;
  Task<Result<std::vector<MemberInfo>>> member_add(std::vector<std::string> peer_urls, bool learner) override;
  Task<Result<std::vector<MemberInfo>>> member_remove(std::uint64_t id) override;
  Task<Result<std::vector<MemberInfo>>> member_update(std::uint64_t id,
                                                      std::vector<std::string> peer_urls) override;
  Task<Result<std::vector<MemberInfo>>> member_promote(std::uint64_t id) override;
  Task<Result<void>> move_leader(std::uint64_t target) override;
  Task<Result<std::vector<Alarm>>> alarms() override;
  Task<Result<std::vector<Alarm>>> alarm_activate(Alarm alarm) override;
  Task<Result<std::vector<Alarm>>> alarm_deactivate(Alarm alarm) override;
  Task<Result<std::unique_ptr<SnapshotReader>>> snapshot() override;
  Task<Result<AuthReply>> auth(AuthCommand command, Identity who) override;
  std::shared_ptr<const AuthView> auth_view() const override;

  // ---- TransportSink
  void on_messages(std::vector<raft::Message> messages) override;
  void on_app(raft::NodeId from, Bytes payload) override;
  void on_unreachable(raft::NodeId id, bool reset) override;
  void on_snapshot_sent(raft::NodeId to, bool delivered) override;
  void on_proposals_lost(raft::NodeId id) override;
  void on_removed(raft::NodeId by) override;
  Result<std::unique_ptr<raft::SnapshotSink>> on_snapshot(const raft::Message& message) override;

  Revision compact_revision() const;
  // Incremental hash of the live state at the newest applied index (DESIGN.md §4).
  std::uint64_t state_hash() const;

 private:
  class Impl;
  explicit ReplicatedStore(std::unique_ptr<Impl> impl);
  Task<Result<std::vector<MemberInfo>>> change_members(MemberChange change);
  Task<Result<std::vector<Alarm>>> change_alarm(Alarm alarm, bool activate);
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::kvstore
