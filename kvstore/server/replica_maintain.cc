// Replica: what is done now and then: leases, quota, hashes, compaction, metrics.
#include <algorithm>

#include "kvstore/server/errors.h"
#include "kvstore/server/member_id.h"
#include "kvstore/server/replica_internal.h"

namespace keelson::kvstore {
namespace {

constexpr std::size_t kRevokesPerTick = 1000;
constexpr std::size_t kCheckpointsPerTick = 1000;
constexpr std::size_t kHashesPerMessage = 32;
constexpr Duration kRoomLasts = std::chrono::seconds(3);
constexpr Duration kRevisionCompactionEvery = std::chrono::minutes(5);  // etcd's

}  // namespace

// Only a leader that has committed in its term looks at the clock; what it proposes cannot be committed by a
// leader that has been replaced.
void Replica::expire_leases() {
  const bool stale = options_.faults.lease_expired_by_stale_leader && led_;
  if ((!leading_ && !stale) || fenced_) return;
  for (LeaseId id : mvcc_->state->leases().expired(now(), kRevokesPerTick)) {
    if (!revoking_.insert(id).second) continue;
    std::string command = encode_lease_revoke(id);
    const bool sent =
        leading_ ? propose_own(std::move(command)) : node_->propose(Bytes(std::move(command))).has_value();
    if (!sent) {
      revoking_.erase(id);
      break;
    }
    deps_.metrics->leases_expired.Increment();
  }
}

void Replica::checkpoint_leases() {
  if (!leading_ || now() < next_checkpoint_) return;
  const Duration every = options_.lease_checkpoint_interval;
  next_checkpoint_ = now() + every;
  auto due = mvcc_->state->leases().due_checkpoints(now(), every, kCheckpointsPerTick);
  if (due.size() == kCheckpointsPerTick) next_checkpoint_ = now();
  if (due.empty() || !propose_own(encode_lease_checkpoint(due))) return;
  for (const auto& c : due) checkpointing_.insert(c.id);
}

// Every member looks after its own alarm, as in etcd: it has the bytes. The alarm is raised by the first
// request that finds no room, so one that was disarmed stays so until then.
bool Replica::check_quota() {
  if (options_.quota_bytes == 0 || mvcc_->state->stored_bytes() <= options_.quota_bytes) return true;
  was_full_ = true;
  set_no_space(true);
  return false;
}

// Ends the alarm once there has been room for a while: who made room by hand, as with etcd, still finds an
// alarm to disarm. One that somebody raised by hand stays until it is disarmed.
void Replica::watch_quota() {
  if (!was_full_ || leader_ == raft::NodeId() || fenced_) return;
  if (mvcc_->state->stored_bytes() > options_.quota_bytes) {
    room_at_ = now() + kRoomLasts;
    return;
  }
  if (now() < std::max(room_at_, next_alarm_)) return;
  if (!set_no_space(false)) was_full_ = false;
}

// False: the alarm is as wanted already.
bool Replica::set_no_space(bool raised) {
  const Alarm mine{id_, AlarmType::kNoSpace};
  const bool is_raised = std::ranges::find(cluster_.alarms, mine) != cluster_.alarms.end();
  if (is_raised == raised) return false;
  if (now() >= next_alarm_ && node_->propose(Bytes(encode_alarm(mine, raised))).has_value()) {
    next_alarm_ = now() + 2 * options_.election_ticks * options_.tick;
  }
  return true;
}

void Replica::share_hashes() {
  if (options_.faults.hash_skipped || cluster_.members.size() < 2) return;
  // Where nothing moves, members stand at the same index.
  if (applied_ == hash_idle_ && hashes_.since(raft::Index(applied_.value() - 1), 1).empty() &&
      applied_ != raft::Index()) {
    hashes_.note(applied_, agreement_hash());
  }
  hash_idle_ = applied_;
  AppMessage m;
  m.kind = AppMessage::Kind::kHashes;
  m.hashes = hashes_.since(hash_sent_, kHashesPerMessage);
  if (m.hashes.empty()) {
    if (now() < next_hash_) return;
    m.hashes = hashes_.since(raft::Index(), 1);  // once more: the last message may be lost
    if (m.hashes.empty()) return;
  }
  next_hash_ = now() + std::chrono::seconds(5);
  hash_sent_ = std::max(hash_sent_, m.hashes.back().index);
  for (const auto& [id, member] : cluster_.members) {
    if (id != id_) send_app(raft::NodeId(id), m);
  }
  judge_hashes();
}

void Replica::judge_hashes() {
  if (options_.faults.hash_skipped || fenced_) {
    if (fenced_ && role_ == raft::Role::kLeader) step_down();
    return;
  }
  const auto finding = hashes_.verdict(node_->membership());
  switch (finding.verdict) {
    case HashRing::Verdict::kAgreed:
      break;
    case HashRing::Verdict::kWeDiffer:
      deps_.logger.error("this member's state differs from a quorum's: it is fenced",
                         {{"index", finding.index.value()}});
      fence();
      break;
    case HashRing::Verdict::kTheyDiffer:
      if (finding.index <= hash_warned_) break;
      hash_warned_ = finding.index;
      for (raft::NodeId id : finding.differing) {
        deps_.logger.error("a member's state differs from the quorum's",
                           {{"member", id_text(id.value())}, {"index", finding.index.value()}});
      }
      break;
    case HashRing::Verdict::kNoQuorum:
      if (corrupt_ || role_ != raft::Role::kLeader || now() < next_corrupt_) break;
      next_corrupt_ = now() + options_.election_ticks * options_.tick;
      deps_.logger.error("members' states differ, and none has a quorum: no more writes",
                         {{"index", finding.index.value()}});
      propose_own(encode_alarm({finding.differing.front().value(), AlarmType::kCorrupt}, true));
      break;
  }
}

void Replica::fence() {
  fenced_ = true;
  note_alone();
  refuse(corrupt_error());
  finish_all(timeout_error());
  hub_.cancel_all(corrupt_error());
  step_down();
}

// A fenced leader hands over to somebody else.
void Replica::step_down() {
  if (role_ != raft::Role::kLeader) return;
  raft::Progress best;
  for (const auto& p : node_->status().progress) {
    if (!p.learner && p.id.value() != id_ && p.recent_active && p.match >= best.match) best = p;
  }
  if (best.id == raft::NodeId()) return;
  if (auto r = node_->transfer_leadership(best.id); !r) {
    deps_.logger.warn("fenced, but still leading", {{"error", r.error()}});
  }
}

void Replica::auto_compact() {
  if (options_.auto_compaction == AutoCompaction::kOff || !leading_) return;
  const MonoTime at = now();
  const Revision newest = mvcc_->state->working_revision();
  Revision target = 0;
  if (options_.auto_compaction == AutoCompaction::kRevision) {
    if (next_auto_compaction_ == MonoTime{}) next_auto_compaction_ = at + kRevisionCompactionEvery;
    if (at < next_auto_compaction_) return;
    next_auto_compaction_ = at + kRevisionCompactionEvery;
    target = newest - options_.auto_compaction_revisions;
  } else {
    // etcd looks ten times per period, at most once per six minutes apart.
    const Duration period = options_.auto_compaction_period;
    const Duration look = std::min<Duration>(period, std::chrono::hours(1)) / 10;
    if (at < next_auto_compaction_) return;
    next_auto_compaction_ = at + look;
    revisions_.push_back({at, newest});
    while (!revisions_.empty() && revisions_.front().at + period <= at) {
      target = revisions_.front().revision;
      revisions_.pop_front();
    }
  }
  if (target <= mvcc_->state->compacted().load(std::memory_order_relaxed) || target > newest) return;
  deps_.logger.info("automatic compaction", {{"revision", target}});
  propose_own(encode_compact(target));
}

void Replica::report_metrics() {
  StoreMetrics& m = *deps_.metrics;
  const State& state = *mvcc_->state;
  m.has_leader.Set(leader_ != raft::NodeId() ? 1 : 0);
  m.is_leader.Set(role_ == raft::Role::kLeader ? 1 : 0);
  m.is_learner.Set(published_.learner() ? 1 : 0);
  m.committed.Set(static_cast<double>(node_->commit().value()));
  m.applied.Set(static_cast<double>(applied_.value()));
  m.pending.Set(static_cast<double>(proposed_.size() + unproposed_.size()));
  m.watchers.Set(static_cast<double>(hub_.watchers()));
  m.revision.Set(static_cast<double>(meta_.revision));
  m.compact_revision.Set(static_cast<double>(meta_.compacted));
  m.leases.Set(static_cast<double>(state.leases().size()));
  m.quota.Set(static_cast<double>(options_.quota_bytes));
  m.auth_revision.Set(static_cast<double>(auth_.view()->revision));
  if (now() < next_sizes_) return;
  next_sizes_ = now() + std::chrono::seconds(1);
  const std::uint64_t in_use = state.stored_bytes();
  m.db_size.Set(static_cast<double>(std::max(in_use, mvcc_->backend->disk_bytes())));
  m.db_in_use.Set(static_cast<double>(in_use));
}

}  // namespace keelson::kvstore
