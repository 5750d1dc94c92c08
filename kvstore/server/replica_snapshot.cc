// Replica: snapshots to and from other members, and how long the log is kept.
//
// A snapshot is the backend as of its last flush. Received, it becomes a second database; installing it is
// the switch of a pointer (BackendDirs), then the log starts anew behind it. A crash in between is mended
// when the log is opened: the database says of which entry it was made.
#include <algorithm>

#include "base/check.h"
#include "kvstore/server/errors.h"
#include "kvstore/server/member_id.h"
#include "kvstore/server/replica_internal.h"

namespace keelson::kvstore {
namespace {
constexpr Duration kRefusalLogEvery = std::chrono::seconds(10);

class Source final : public raft::SnapshotSource {
 public:
  explicit Source(std::shared_ptr<const BackendSnapshot> s) : stream_(std::move(s)) {}
  Result<std::string> read(std::uint64_t offset, std::size_t max) override {
    return stream_.read(offset, max);
  }

 private:
  SnapshotStream stream_;
};

}  // namespace

class Replica::Sink final : public raft::SnapshotSink {
 public:
  Sink(Replica& replica, std::unique_ptr<SnapshotBuilder> builder, Backend::Options options)
      : replica_(replica), builder_(std::move(builder)), options_(std::move(options)) {}
  ~Sink() override { replica_.receiving_.store(false); }

  std::uint64_t received() const override { return builder_->received(); }
  Result<void> write(std::string_view piece) override { return builder_->write(piece); }
  Result<void> finish() override {
    TRY(builder_->finish());
    builder_.reset();
    const bool leases = !replica_.options_.faults.snapshot_without_leases;
    auto loaded = std::make_unique<Loaded>(TRY(load(options_, replica_.now(), leases)));
    std::lock_guard lock(replica_.incoming_mu_);
    replica_.incoming_ = std::move(loaded);
    return {};
  }

 private:
  Replica& replica_;
  std::unique_ptr<SnapshotBuilder> builder_;
  const Backend::Options options_;
};

Result<std::unique_ptr<raft::SnapshotSink>> Replica::receive_snapshot(const raft::Message& message) {
  if (!message.snapshot) return fail(Code::kInvalidArgument, "no snapshot in the message");
  if (published_.refusal()) return fail(stopped_error());
  if (receiving_.exchange(true)) return fail(Code::kUnavailable, "another snapshot is being received");
  const auto refuse = [&](Error why) {
    receiving_.store(false);
    return fail(std::move(why));
  };
  std::string dir;
  {
    std::lock_guard lock(incoming_mu_);
    if (installing_ || old_db_)
      return refuse({Code::kUnavailable, "the last snapshot is still being installed"});
    incoming_.reset();  // not wanted by the node
    dir = dirs_->next();
  }
  Backend::Options options = backend_options(dir);
  auto builder =
      SnapshotBuilder::open(options, message.snapshot->index.value(), message.snapshot->term.value());
  if (!builder) return refuse(builder.error());
  return std::make_unique<Sink>(*this, std::move(*builder), std::move(options));
}

void Replica::send_snapshot(raft::Message message) {
  auto snapshot = mvcc_->backend->snapshot();
  const auto give_up = [&](const Error& why) {
    if (now() >= next_refusal_log_) {
      next_refusal_log_ = now() + kRefusalLogEvery;
      deps_.logger.warn("no snapshot for a member", {{"to", id_text(message.to.value())}, {"error", why}});
    }
    node_->report_snapshot(message.to, false);
  };
  if (!snapshot) return give_up(snapshot.error());
  const BackendMeta& meta = (*snapshot)->meta();
  if (message.snapshot && meta.applied_index < message.snapshot->index.value()) {
    snapshots_wanted_.push_back(std::move(message));
    want_flush();
    return;
  }
  auto record = (*snapshot)->system(kMembershipRecord);
  if (!record) return give_up(record.error());
  raft::Membership members = node_->membership();
  if (*record) {
    auto decoded = raft::decode_membership(**record);
    if (!decoded) return give_up(decoded.error());
    members = std::move(*decoded);
  }
  message.snapshot =
      raft::SnapshotMeta{raft::Index(meta.applied_index), raft::Term(meta.applied_term), std::move(members)};
  deps_.logger.info("sending a snapshot",
                    {{"to", id_text(message.to.value())}, {"index", meta.applied_index}});
  deps_.metrics->snapshots_sent.Increment();
  transport_->send_snapshot(std::move(message), std::make_unique<Source>(std::move(*snapshot)));
}

// The node has taken the snapshot: it takes the place of everything. REQUIRES: receive() has found its state.
Result<void> Replica::install(const raft::SnapshotMeta& meta) {
  std::unique_ptr<Loaded> loaded;
  points_.before_save_snap.hit();
  {
    std::lock_guard lock(incoming_mu_);
    CHECK(installing_ && installing_->meta.applied_index == meta.index.value());
    // 1. The database is this one, whatever the log says.
    TRY(dirs_->switch_to_next());
    loaded = std::move(installing_);
    old_db_ = true;
  }
  points_.after_save_snap.hit();
  // 2. The log goes on behind it.
  std::optional<raft::WalRecovery> mended;
  if (repair_) mended = TRY(wal_->repair_from_snapshot(meta.index, meta.term));
  MemberIdentity identity{id_, loaded->cluster};
  wal_->set_membership(meta.index, encode(identity));
  if (mended) {
    TRY(wal_->sync());
  } else {
    TRY(wal_->reset_to(meta.index, meta.term));
  }
  points_.after_wal_release.hit();
  points_.before_apply_snap.hit();
  points_.before_open_snapshot.hit();
  // 3. So does everything here.
  retired_ = mvcc_;
  mvcc_ = std::move(loaded->mvcc);
  mvcc_->state->set_fault_drops_live_version(options_.faults.compaction_drops_live_version);
  mvcc_->state->leases().renew_all(now());
  meta_ = loaded->meta;
  auth_ = std::move(loaded->auth);
  record_hashes_ = std::move(loaded->records);
  auth_hash_ = hash_text(auth_.encode());
  cluster_ = std::move(loaded->cluster);
  applied_ = meta.index;
  applied_term_ = meta.term;
  durable_ = meta.index;
  to_apply_.clear();
  compaction_hold_.reset();
  compaction_keys_ = 0;
  effects_ = {};
  entry_bytes_.clear();
  log_bytes_ = 0;
  first_held_ = meta.index.next();
  hashes_.reset();
  hash_sent_ = meta.index;
  {
    std::lock_guard lock(published_.mu_);
    published_.mvcc_ = mvcc_;
    published_.auth_ = auth_.view();
  }
  publish_applied();
  cluster_changed();
  deps_.logger.info("applySnapshot: opened snapshot backend", {{"index", meta.index.value()}});
  points_.after_open_snapshot.hit();
  set_peers();
  if (mended) end_repair(std::move(*mended), "snapshot");
  note_alone();
  // Whose entries the snapshot may hold, nobody can tell any more.
  for (auto& [id, p] : std::exchange(proposed_, {})) finish(p, timeout_connection_lost_error());
  for (auto& p : std::exchange(compact_waiters_, {})) p->finish();
  const Revision now_at = mvcc_->state->revision();
  hub_.resync(now_at, !options_.faults.event_lost_at_resync);
  ++installs_;
  deps_.metrics->snapshots_installed.Increment();
  deps_.logger.info("applied snapshot", {{"index", meta.index.value()}, {"revision", now_at}});
  finish_reads();
  finish_forwarded();
  points_.after_apply_snap.hit();
  return {};
}

// The node did not take the snapshot it was told of: it knew as much already.
void Replica::drop_unwanted_snapshot() {
  snapshot_given_ = false;
  std::unique_ptr<Loaded> unwanted;
  std::lock_guard lock(incoming_mu_);
  unwanted = std::move(installing_);
}

// ---- The log

// Remembers how large the entries are that the node has been given. The first replaces what had its index.
void Replica::note_entries(const std::vector<raft::Entry>& entries) {
  if (entries.empty()) return;
  const std::uint64_t first = entries.front().index.value();
  CHECK(first >= first_held_.value() && first - first_held_.value() <= entry_bytes_.size());
  while (first_held_.value() + entry_bytes_.size() > first) {
    log_bytes_ -= entry_bytes_.back();
    entry_bytes_.pop_back();
  }
  for (const auto& e : entries) {
    const auto bytes = static_cast<std::uint32_t>(e.data.size() + sizeof(raft::Entry));
    entry_bytes_.push_back(bytes);
    log_bytes_ += bytes;
  }
}

// The node forgets the entries before `first`. REQUIRES: they are applied.
void Replica::drop_entries(raft::Index first) {
  if (first <= first_held_) return;
  while (first_held_ < first && !entry_bytes_.empty()) {
    log_bytes_ -= entry_bytes_.front();
    entry_bytes_.pop_front();
    first_held_ = first_held_.next();
  }
  node_->compact(raft::Index(first_held_.value() - 1));
}

void Replica::compact_log() {
  const bool alone = cluster_.members.size() < 2;
  const std::size_t keep = alone ? 0 : options_.keep_entries;
  if (wal_->segments() > 2 && durable_ < applied_) want_flush();
  if (old_db_ && retired_.expired()) {
    std::lock_guard lock(incoming_mu_);
    old_db_ = false;
    if (auto r = dirs_->remove_old(); !r) {
      deps_.logger.warn("the replaced database stays", {{"error", r.error()}});
    }
  }
  // A little late, so that it is not done for every entry.
  if (entry_bytes_.size() <= keep + keep / 4 && log_bytes_ <= options_.keep_bytes) return;
  std::size_t count = 0;
  std::size_t bytes = log_bytes_;
  while (count < entry_bytes_.size() && first_held_.value() + count <= durable_.value() &&
         (entry_bytes_.size() - count > keep || bytes > options_.keep_bytes)) {
    bytes -= entry_bytes_[count++];
  }
  if (count == 0) return;
  const raft::Index last(first_held_.value() + count - 1);
  const raft::Term term = node_->term_at(last);
  node_->applied(applied_);
  drop_entries(last.next());
  if (wal_->segments() > 1) wal_->drop_prefix(last, term);
}

}  // namespace keelson::kvstore
