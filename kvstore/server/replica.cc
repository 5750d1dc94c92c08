// Replica: its inputs and its loop.
#include "kvstore/server/replica.h"

#include <algorithm>

#include "base/check.h"
#include "kvstore/server/errors.h"
#include "kvstore/server/member_id.h"
#include "kvstore/server/replica_internal.h"

namespace keelson::kvstore {
namespace {

bool changes_members(const raft::Ready& r) {
  return std::ranges::any_of(r.committed,
                             [](const raft::Entry& e) { return e.type == raft::EntryType::kConfChange; });
}

}  // namespace

void Replica::set_transport(raft::Transport* transport) {
  transport_ = transport;
  set_peers();
}

void Replica::receive(raft::Message message) {
  if (failed_ || stopped_ || removed_) return;
  if (repair_) {
    if (message.type == raft::MessageType::kSnapshot) repair_from(message);
    return;
  }
  if (message.type == raft::MessageType::kSnapshot) {
    std::lock_guard lock(incoming_mu_);
    if (!message.snapshot || !incoming_ || incoming_->meta.applied_index != message.snapshot->index.value() ||
        incoming_->meta.applied_term != message.snapshot->term.value()) {
      return;  // we do not have what it stands for
    }
    installing_ = std::move(incoming_);
    snapshot_given_ = true;
  }
  node_->step(std::move(message));
}

void Replica::receive_app(raft::NodeId from, Bytes payload) {
  if (failed_ || stopped_ || removed_) return;
  auto m = decode_app_message(payload);
  if (!m) {
    deps_.logger.warn("message from a member is malformed", {{"from", id_text(from.value())}});
    return;
  }
  switch (m->kind) {
    case AppMessage::Kind::kRequest:
      handle_request(from, std::move(*m));
      break;
    case AppMessage::Kind::kReply:
      handle_reply(std::move(*m));
      break;
    case AppMessage::Kind::kHashes:
      for (const auto& h : m->hashes) hashes_.report(from, h);
      judge_hashes();
      break;
    case AppMessage::Kind::kRemoved:
      if (m->target == id_) told_removed(from);
      break;
    case AppMessage::Kind::kFetch:
      handle_fetch(from, *m);
      break;
    case AppMessage::Kind::kFetched:
      handle_fetched(from, std::move(*m));
      break;
  }
}

void Replica::told_removed(raft::NodeId by) {
  if (failed_ || stopped_ || removed_) return;
  deps_.logger.warn("a member says that this one was removed", {{"from", id_text(by.value())}});
  removed_ = true;
}

void Replica::unreachable(raft::NodeId id, bool reset) {
  if (failed_ || stopped_ || repair_) return;
  if (reset) proposals_lost(id);
  node_->report_unreachable(id);
  // The leader's process has ended, or its machine: no need to wait for the election timeout.
  const bool voter = node_->membership().is_voter(raft::NodeId(id_));
  if (reset && id == leader_ && role_ == raft::Role::kFollower && voter && !fenced_) node_->campaign();
}

void Replica::snapshot_sent(raft::NodeId to, bool delivered) {
  if (failed_ || stopped_) return;
  node_->report_snapshot(to, delivered);
}

bool Replica::may_compact() const {
  const bool held = compaction_hold_ && compaction_hold_->load(std::memory_order_acquire);
  return mvcc_->state->compacting() && !held && compaction_keys_ < options_.compaction_keys_per_flush &&
         mvcc_->backend->takes_removals();
}

bool Replica::busy() const {
  if (failed_ || stopped_) return false;
  const bool room = mvcc_->backend->pending_bytes() < kBackendBytesMax;
  return node_->has_ready() || (!to_apply_.empty() && room) || may_compact();
}

bool Replica::step() {
  if (failed_ || stopped_) return false;
  note_role();
  if (leader_ != raft::NodeId()) propose_waiting();
  ask_reads();
  for (int i = 0; i < 16 && node_->has_ready() && !failed_; ++i) handle_ready();
  if (failed_) return false;
  if (snapshot_given_ && !node_->has_ready()) drop_unwanted_snapshot();
  apply_some();
  run_compaction();
  // A leader first sees to it that a quorum of the others knows.
  if (left_ && node_->role() != raft::Role::kLeader) removed_ = true;
  if (removed_) {
    refuse({Code::kUnavailable, "etcdserver: server stopped: the member has been removed from the cluster"});
    finish_all(*published_.refusal());
    hub_.cancel_all(*published_.refusal());
    return false;
  }
  return busy();
}

void Replica::handle_ready() {
  raft::Ready r = node_->take_ready();
  // Who hears that its removal is committed ends, and cannot help to find that out again.
  const bool members = changes_members(r);
  if (!members) send_ahead(std::move(r.messages));
  auto durable = persist(r);
  if (!durable) {
    fail_with(durable.error());
    return;
  }
  if (members) send_ahead(std::move(r.messages));
  for (auto& e : r.committed) to_apply_.push_back(std::move(e));
  node_->persisted(r.number);
  if (role_ != raft::Role::kLeader) points_.before_follower_send.hit();
  send(std::move(r.messages_after_persist));
  note_role();
  take_read_states(r.reads);
  take_returned(std::move(r.returned));
  points_.before_advance.hit();
}

// Messages that do not wait for the disk.
void Replica::send_ahead(std::vector<raft::Message> messages) {
  if (role_ == raft::Role::kLeader) points_.before_leader_send.hit();
  send(std::move(messages));
}

Result<void> Replica::persist(const raft::Ready& r) {
  if (r.snapshot) {
    if (r.hard_state) wal_->set_hard_state(*r.hard_state);
    TRY(install(*r.snapshot));
  }
  points_.before_save.hit();
  if (!r.entries.empty()) {
    for (const auto& e : r.entries) wal_->append(e);
    note_entries(r.entries);
  }
  if (r.hard_state && !r.snapshot) wal_->set_hard_state(*r.hard_state);
  // A membership that is acted on must not be forgotten: after 2 -> 1 the one that stays would ask the gone
  // for votes for ever. The hard state's commit index says that the change is committed.
  if (r.must_sync || !r.entries.empty() || changes_members(r)) {
    points_.before_sync.hit();
    TRY(wal_->sync());
    points_.after_sync.hit();
  }
  points_.after_save.hit();
  return {};
}

void Replica::send(std::vector<raft::Message> messages) {
  if (messages.empty() || transport_ == nullptr) return;
  std::erase_if(messages, [&](raft::Message& m) {
    if (m.type != raft::MessageType::kSnapshot) return false;
    send_snapshot(std::move(m));
    return true;
  });
  if (!messages.empty()) transport_->send(std::move(messages));
}

// Looks whether the node's role, leader or term have changed.
void Replica::note_role() {
  const raft::Role role = node_->role();
  const raft::NodeId leader = node_->leader();
  const raft::Term term = node_->term();
  published_.committed_.store(node_->commit().value(), std::memory_order_release);
  if (role == role_ && leader == leader_ && term == term_) return;
  const bool led = role_ == raft::Role::kLeader && (role != raft::Role::kLeader || term != term_);
  if (leader != leader_) {
    if (leader != raft::NodeId()) {
      leader_since_ = now();
      deps_.metrics->leader_changes.Increment();
    } else {
      leader_lost_ = now();
    }
    deps_.logger.info("leader changed", {{"leader", id_text(leader.value())}, {"term", term.value()}});
  }
  role_ = role;
  leader_ = leader;
  term_ = term;
  published_.role_.store(role, std::memory_order_release);
  published_.leader_.store(leader.value(), std::memory_order_release);
  published_.term_.store(term.value(), std::memory_order_release);
  if (led) stop_leading();
  note_alone();
  if (leader_ != raft::NodeId()) {
    reroute_forwarded();
    route_waiting();
  }
  check_transfers();
}

void Replica::stop_leading() {
  leading_ = false;
  revoking_.clear();
  checkpointing_.clear();
  revisions_.clear();
  for (auto& p : std::exchange(held_, {})) unrouted_.push_back(std::move(p));
}

void Replica::note_alone() {
  const auto& m = node_->membership();
  const bool sole = !m.joint() && m.voters.size() == 1 && m.voters[0].value() == id_;
  published_.alone_.store(leading_ && sole && !fenced_, std::memory_order_release);
  published_.learner_.store(m.is_learner(raft::NodeId(id_)), std::memory_order_release);
}

void Replica::tick() {
  if (failed_ || stopped_ || removed_) return;
  // A fenced member still helps others to agree, but must not lead.
  if (!repair_ && (!fenced_ || role_ == raft::Role::kLeader)) node_->tick();
  ask_for_entries();
  note_role();
  expire_leases();
  if (now() >= next_timeouts_) {
    next_timeouts_ = now() + kRetryAfter;
    time_out();
    retry_reads();
    route_waiting();
  }
  publish_self();
  end_removed();
  checkpoint_leases();
  watch_quota();
  share_hashes();
  auto_compact();
  compact_log();
  if (now() >= next_progress_) {
    next_progress_ = now() + options_.progress_interval;
    hub_.progress();
  }
  report_metrics();
}

void Replica::refuse(const Error& why) {
  std::lock_guard lock(published_.mu_);
  if (published_.refusal_) return;
  published_.refusal_ = why;
  published_.refusing_.store(true, std::memory_order_release);
}

void Replica::fail_with(const Error& error) {
  if (failed_) return;
  failed_ = error;
  {
    std::lock_guard lock(published_.mu_);
    published_.failure_ = error;
  }
  deps_.logger.error("store stops: its disk cannot be trusted", {{"error", error}});
  refuse({Code::kUnavailable, "etcdserver: server stopped: " + error.message});
  finish_all(*published_.refusal());
  hub_.cancel_all(*published_.refusal());
}

void Replica::stop(const Error& why) {
  if (stopped_) return;
  refuse(why);
  finish_all(why);
  stopped_ = true;
  hub_.cancel_all(why);
}

void Replica::finish_all(const Error& why) {
  std::vector<PendingPtr> all;
  const auto take = [&](auto& from) {
    for (auto& p : from) all.push_back(p);
    from.clear();
  };
  take(unproposed_);
  take(unrouted_);
  take(reads_);
  take(reads_to_apply_);
  take(held_);
  take(transfers_);
  take(compact_waiters_);
  for (auto& [id, p] : proposed_) all.push_back(p);
  for (auto& [id, p] : forwarded_) all.push_back(p);
  for (auto& [id, round] : rounds_) take(round.reads);
  proposed_.clear();
  forwarded_.clear();
  rounds_.clear();
  for (auto& p : all) finish(p, why);
}

void Replica::want_flush() {
  if (flush_due_.exchange(true)) return;
  if (deps_.on_flush_due) deps_.on_flush_due();
}

Result<std::uint64_t> Replica::flush() {
  flush_due_ = false;
  const MvccPtr mvcc = published_.mvcc();
  const bool writes = mvcc->backend->has_committed();
  const MonoTime begin = now();
  auto r = mvcc->backend->flush();
  if (writes) deps_.metrics->backend_commit.Observe(std::chrono::duration<double>(now() - begin).count());
  return r;
}

void Replica::flushed(const Result<std::uint64_t>& index) {
  if (failed_ || stopped_) return;
  if (!index) {
    fail_with(index.error());
    return;
  }
  durable_ = std::max(durable_, raft::Index(*index));
  finish_compaction();
  for (auto& m : std::exchange(snapshots_wanted_, {})) send_snapshot(std::move(m));
}

Result<void> Replica::prepare_spare() {
  return wal_->prepare_spare();
}

}  // namespace keelson::kvstore
