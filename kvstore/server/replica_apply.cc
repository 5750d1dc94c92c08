// Replica: what committed entries do. Everything here depends on the log alone, so that all members come to
// the same state; times of leases are the exception, they are compared by nobody.
#include <algorithm>

#include "base/check.h"
#include "kvstore/mvcc/auth_check.h"
#include "kvstore/server/errors.h"
#include "kvstore/server/member_id.h"
#include "kvstore/server/replica_internal.h"

namespace keelson::kvstore {
namespace {

constexpr Duration kApplySlice = std::chrono::milliseconds(5);
constexpr std::size_t kEntriesPerLook = 16;  // at the clock

bool may_put(const TxnRequest& request) {
  for (const auto* ops : {&request.success, &request.failure}) {
    for (const auto& op : *ops) {
      if (op.kind == TxnOp::Kind::kPut) return true;
      if (op.kind == TxnOp::Kind::kTxn && may_put(*op.txn)) return true;
    }
  }
  return false;
}

// Returns how many operations it was.
std::size_t count_operation(StoreMetrics& m, const TxnOpResult& op) {
  switch (op.kind) {
    case TxnOp::Kind::kRange:
      m.ranges.Increment();
      return 1;
    case TxnOp::Kind::kPut:
      m.puts.Increment();
      return 1;
    case TxnOp::Kind::kDelete:
      m.deletes.Increment();
      return 1;
    case TxnOp::Kind::kTxn:
      break;
  }
  std::size_t n = 0;
  for (const auto& inner : op.responses) n += count_operation(m, inner);
  return n;
}

}  // namespace

void Replica::apply_some() {
  if (to_apply_.empty()) return;
  const MonoTime begin = now();
  const MonoTime until = begin + kApplySlice;
  std::size_t n = 0;
  while (!to_apply_.empty() && !failed_) {
    if (mvcc_->backend->pending_bytes() >= kBackendBytesMax) {
      want_flush();
      break;
    }
    const raft::Entry entry = std::move(to_apply_.front());
    to_apply_.pop_front();
    apply_entry(entry);
    if (++n % kEntriesPerLook == 0 && now() >= until) break;
  }
  if (failed_) {
    for (auto& p : std::exchange(applied_requests_, {})) finish(p, *published_.refusal());
    return;
  }
  if (n == 0) return;
  commit_effects();
  if (const Duration took = now() - begin;
      took > options_.slow_apply && options_.slow_apply > Duration::zero()) {
    deps_.metrics->slow_applies.Increment();
    deps_.logger.warn("apply request took too long",
                      {{"took_ms", std::chrono::duration<double, std::milli>(took).count()}, {"entries", n}});
  }
  node_->applied(applied_);
  finish_reads();
  if (!forwarded_.empty()) finish_forwarded();
}

void Replica::apply_entry(const raft::Entry& entry) {
  CHECK(entry.index == applied_.next());
  if (entry.term > applied_term_) begin_term(entry.term);
  if (entry.type == raft::EntryType::kConfChange) {
    points_.before_apply_conf_change.hit();
    apply_conf_change(entry);
  } else {
    points_.before_apply_entry.hit();
    auto command = decode_command(entry.data);
    // Every entry was checked by CRC and written by this program: not to understand one means a newer format.
    CHECK_MSG(command.has_value(), command ? "" : command.error().message.c_str());
    PendingPtr p;
    if (command->request != 0) {
      if (auto it = proposed_.find(command->request); it != proposed_.end()) {
        p = std::move(it->second);
        proposed_.erase(it);
      }
    }
    Outcome nobody;
    Outcome& outcome = p ? p->outcome : nobody;
    const std::size_t before = effects_.changes.size();
    if (auto ok = authorize(*command); !ok) {
      outcome.error = std::move(ok.error());
    } else {
      apply_command(*command, entry.index, outcome);
    }
    if (outcome.error) deps_.metrics->failed.Increment();
    // So that a later command of the same batch can read it as history.
    for (std::size_t i = before; i < effects_.changes.size(); ++i) {
      mvcc_->backend->stage(effects_.changes[i].now);
    }
    if (p) applied_requests_.push_back(std::move(p));
  }
  applied_ = entry.index;
  applied_term_ = entry.term;
  meta_.applied_index = applied_.value();
  meta_.applied_term = applied_term_.value();
  if (applied_.value() % options_.hash_every == 0) hashes_.note(applied_, agreement_hash());
}

// Everything of earlier terms is applied. What was proposed in them and is not among it is lost, as far as
// anybody can tell.
void Replica::begin_term(raft::Term term) {
  std::vector<PendingPtr> lost;
  for (auto it = proposed_.begin(); it != proposed_.end();) {
    if (it->second->term < term) {
      lost.push_back(std::move(it->second));
      it = proposed_.erase(it);
    } else {
      ++it;
    }
  }
  for (auto& p : lost) {
    p->outcome.error = timeout_leader_failure_error();
    applied_requests_.push_back(std::move(p));
  }
  if (node_->role() == raft::Role::kLeader && node_->term() == term) {
    leading_ = true;
    led_ = true;
    // Whoever was promised time by an earlier leader gets it.
    mvcc_->state->leases().renew_all(now());
    next_checkpoint_ = now() + options_.lease_checkpoint_interval;
    note_alone();
  }
}

Result<void> Replica::authorize(const Command& c) const {
  const AuthView& view = *auth_.view();
  if (!view.enabled) return {};
  const AuthSubject who{c.who.user, c.who.auth_revision};
  const auto keys = [&](LeaseId id) { return mvcc_->state->leases().info(id, true, {}).keys; };
  switch (c.kind) {
    case Command::Kind::kTxn:
      return check_txn(view, who, c.txn, keys);
    case Command::Kind::kCompact:
    case Command::Kind::kAlarm:
      return view.check_admin(who.user, who.auth_revision);
    case Command::Kind::kLeaseGrant:
      return check_signed_in(view, who);
    case Command::Kind::kLeaseRevoke:
      return check_lease_write(view, who, keys(c.lease));
    case Command::Kind::kAuth:
      return check_auth_command(view, who, c.auth);
    case Command::Kind::kNone:
    case Command::Kind::kLeaseCheckpoint:
    case Command::Kind::kMemberPublish:
    case Command::Kind::kMemberUpdate:
      return {};
  }
  return {};
}

void Replica::apply_command(const Command& c, raft::Index index, Outcome& outcome) {
  switch (c.kind) {
    case Command::Kind::kNone:
      break;
    case Command::Kind::kTxn:
      apply_txn(c, outcome);
      break;
    case Command::Kind::kCompact:
      if (corrupt_) {
        outcome.error = corrupt_error();
      } else {
        apply_compaction(c.revision, outcome);
      }
      break;
    case Command::Kind::kLeaseGrant:
    case Command::Kind::kLeaseRevoke:
    case Command::Kind::kLeaseCheckpoint:
      apply_lease(c, outcome);
      break;
    case Command::Kind::kMemberPublish:
    case Command::Kind::kMemberUpdate:
      apply_member(c, outcome);
      break;
    case Command::Kind::kAlarm:
      apply_alarm(c, outcome);
      break;
    case Command::Kind::kAuth: {
      auto r = auth_.apply(c.auth, index.value());
      if (!r) {
        outcome.error = std::move(r.error());
        break;
      }
      outcome.auth = std::move(*r);
      if (c.auth.kind == AuthCommand::Kind::kAuthenticate) break;  // tokens are no state
      std::string record = auth_.encode();
      auth_hash_ = hash_text(record);
      save_record(kAuthRecord, std::move(record));
      std::lock_guard lock(published_.mu_);
      published_.auth_ = auth_.view();
      break;
    }
  }
}

void Replica::apply_compaction(Revision revision, Outcome& outcome) {
  const Revision before = mvcc_->state->compacted().load(std::memory_order_relaxed);
  points_.before_compact.hit();
  if (auto r = mvcc_->state->compact(revision); !r) {
    outcome.error = std::move(r.error());
  } else if (deps_.on_compaction) {
    compaction_hold_ = deps_.on_compaction(before, revision);
  }
  points_.after_compact.hit();
}

void Replica::apply_txn(const Command& c, Outcome& outcome) {
  if (corrupt_) {
    outcome.error = corrupt_error();
    return;
  }
  if (no_space_ && may_put(c.txn)) {
    outcome.error = no_space_error();
    return;
  }
  auto r = mvcc_->state->txn(c.txn, effects_);
  if (r) {
    std::size_t n = 0;
    for (const auto& op : r->responses) n += count_operation(*deps_.metrics, op);
    if (n > 1) deps_.metrics->txns.Increment();
    outcome.txn = std::move(*r);
    return;
  }
  outcome.error = std::move(r.error());
  // Not the request's fault: others apply it, and this member no more.
  const Code code = outcome.error->code;
  if (code == Code::kDataLoss || code == Code::kInternal) fail_with(*outcome.error);
}

void Replica::apply_lease(const Command& c, Outcome& outcome) {
  State& state = *mvcc_->state;
  if (c.kind == Command::Kind::kLeaseCheckpoint) {
    state.lease_checkpoint(c.remains, effects_);
    for (const auto& r : c.remains) {
      if (r.remaining_s == 0) continue;  // taken back
      if (auto it = checkpointing_.find(r.id); it != checkpointing_.end()) checkpointing_.erase(it);
    }
    return;
  }
  if (corrupt_) {
    outcome.error = corrupt_error();
    return;
  }
  if (c.kind == Command::Kind::kLeaseGrant) {
    if (no_space_) {
      outcome.error = no_space_error();
      return;
    }
    auto r = state.lease_grant(c.lease, c.ttl_s, now(), effects_);
    if (r) {
      deps_.metrics->leases_granted.Increment();
      outcome.lease = {.id = c.lease,
                       .granted_ttl_s = *r,
                       .remaining_ttl_s = *r,
                       .keys = {},
                       .revision = state.working_revision()};
    } else {
      outcome.error = std::move(r.error());
    }
    return;
  }
  if (auto r = state.lease_revoke(c.lease, effects_); !r) {
    outcome.error = std::move(r.error());
  } else {
    deps_.metrics->leases_revoked.Increment();
  }
  outcome.lease.revision = state.working_revision();
  revoking_.erase(c.lease);
  std::erase_if(held_, [&](const PendingPtr& p) {
    if (p->lease != c.lease) return false;
    p->outcome.error = lease_not_found_error();
    applied_requests_.push_back(p);
    return true;
  });
}

void Replica::apply_alarm(const Command& c, Outcome& outcome) {
  auto& alarms = cluster_.alarms;
  const auto at = std::ranges::find(alarms, c.alarm);
  if (c.alarm.type == AlarmType::kNone || c.activate == (at != alarms.end())) {
    if (c.activate) outcome.alarms.push_back(c.alarm);
    return;
  }
  if (c.activate) {
    const auto order = [](const Alarm& a) { return std::pair(a.type, a.member_id); };
    alarms.insert(std::ranges::lower_bound(alarms, order(c.alarm), {}, order), c.alarm);
  } else {
    alarms.erase(at);
  }
  next_alarm_ = {};
  outcome.alarms.push_back(c.alarm);
  deps_.logger.warn(c.activate ? "alarm raised" : "alarm disarmed",
                    {{"alarm", c.alarm.type == AlarmType::kNoSpace ? "NOSPACE" : "CORRUPT"},
                     {"member", id_text(c.alarm.member_id)}});
  save_record(kAlarmsRecord, encode_alarms(alarms));
  cluster_changed();
}

void Replica::apply_member(const Command& c, Outcome& outcome) {
  const auto it = cluster_.members.find(c.member.id);
  if (it == cluster_.members.end()) {
    outcome.error = member_not_found_error();
    return;
  }
  if (c.kind == Command::Kind::kMemberPublish) {
    it->second.name = c.member.name;
    it->second.client_urls = c.member.client_urls;
  } else {
    it->second.peer_urls = c.member.peer_urls;
  }
  save_members();
  outcome.members = cluster_.list();
}

void Replica::apply_conf_change(const raft::Entry& entry) {
  // From now on there may be a member that does not know the first members: it must get a snapshot, so the
  // first entry is never sent to it.
  node_->applied(applied_);
  if (applied_.value() > 0) drop_entries(std::max(first_held_, raft::Index(2)));
  const raft::Membership before = node_->membership();
  const raft::Membership after = node_->apply_conf_change(entry);
  auto change = raft::decode_conf_change(entry.data);
  CHECK(change.has_value());
  ConfContext context;
  if (auto c = decode_conf_context(change->context)) context = std::move(*c);
  for (auto& m : context.members) {
    if (!after.contains(raft::NodeId(m.id)) || before.contains(raft::NodeId(m.id))) continue;
    cluster_.members[m.id] = std::move(m);
  }
  cluster_.set_raft(after);
  deps_.logger.info("membership changed", {{"voters", after.voters.size()},
                                           {"learners", after.learners.size()},
                                           {"joint", after.joint()},
                                           {"index", entry.index.value()}});
  save_members();
  note_alone();
  if (!after.contains(raft::NodeId(id_)) && before.contains(raft::NodeId(id_))) left_ = true;
  const auto it = proposed_.find(context.request);
  if (context.request == 0 || it == proposed_.end()) return;
  PendingPtr p = std::move(it->second);
  proposed_.erase(it);
  if (before == after) p->outcome.error = unhealthy_error();
  p->outcome.members = cluster_.list();
  applied_requests_.push_back(std::move(p));
}

void Replica::save_members() {
  save_record(kMembersRecord, encode_members(cluster_));
  save_record(kMembershipRecord, raft::encode(cluster_.raft));
  cluster_changed();
  set_peers();
}

void Replica::save_record(std::string_view name, std::string bytes) {
  record_hashes_.insert_or_assign(std::string(name), hash_record(name, bytes));
  mvcc_->backend->put_system(name, std::move(bytes));
}

// Shows the new state of the cluster to other threads, and remembers what of it matters here.
void Replica::cluster_changed() {
  corrupt_ = cluster_.has_alarm(AlarmType::kCorrupt);
  no_space_ = cluster_.has_alarm(AlarmType::kNoSpace);
  cluster_hash_ =
      mix_hash(mix_hash(hash_text(encode_members(cluster_)), hash_text(encode_alarms(cluster_.alarms))),
               hash_text(raft::encode(cluster_.raft)));
  auto shown = std::make_shared<const ClusterState>(cluster_);
  std::lock_guard lock(published_.mu_);
  published_.cluster_ = std::move(shown);
  published_.cluster_id_.store(cluster_.cluster_id, std::memory_order_release);
}

std::uint64_t Replica::agreement_hash() const {
  const State& state = *mvcc_->state;
  std::uint64_t h = state.state_hash();
  h = mix_hash(h, static_cast<std::uint64_t>(state.working_revision()));
  h = mix_hash(h, static_cast<std::uint64_t>(state.compacted().load(std::memory_order_relaxed)));
  h = mix_hash(h, state.leases().hash());
  h = mix_hash(h, cluster_hash_);
  return mix_hash(h, auth_hash_);
}

// Hands what the last entries did to the backend, then to readers, then to watchers, then to who asked.
void Replica::commit_effects() {
  State& state = *mvcc_->state;
  meta_.revision = state.working_revision();
  meta_.compacted = state.compacted().load(std::memory_order_relaxed);
  meta_.compaction_done = !state.compacting();
  meta_.state_hash = state.state_hash();
  meta_.records_hash = records_hash(state.leases(), record_hashes_);
  const bool writes = !effects_.changes.empty() || !effects_.leases.empty() || !effects_.dropped.empty();
  if (writes) points_.before_writeback.hit();
  mvcc_->backend->commit(meta_, std::exchange(effects_.leases, {}), std::exchange(effects_.dropped, {}));
  state.publish();
  if (writes) points_.after_writeback.hit();
  publish_applied();
  hub_.dispatch(effects_.changes, meta_.revision);
  effects_.changes.clear();
  for (auto& p : std::exchange(applied_requests_, {})) {
    if (p->physical && !p->outcome.error && state.compacting()) {
      compact_waiters_.push_back(std::move(p));
      continue;
    }
    p->outcome.applied = applied_;
    p->finish();
  }
}

void Replica::publish_applied() {
  deps_.metrics->keys.Set(static_cast<double>(mvcc_->state->live_keys()));
  published_.revision_.store(mvcc_->state->revision(), std::memory_order_release);
  published_.applied_.store(applied_.value(), std::memory_order_release);
  published_.stored_bytes_.store(mvcc_->state->stored_bytes(), std::memory_order_release);
}

void Replica::run_compaction() {
  State& state = *mvcc_->state;
  if (!may_compact()) return;
  points_.before_compact_batch.hit();
  const bool done = state.compact_step(options_.compaction_keys_per_step, effects_);
  deps_.metrics->compacted_versions.Increment(static_cast<double>(effects_.dropped.size()));
  (done ? points_.before_compact_finished : points_.before_commit_batch).hit();
  commit_effects();
  (done ? points_.after_compact_finished : points_.after_commit_batch).hit();
  compaction_keys_ += options_.compaction_keys_per_step;
  if (done || !may_compact()) want_flush();
  if (!done) return;
  deps_.metrics->last_compaction.Set(
      std::chrono::duration<double>(deps_.clock->wall().time_since_epoch()).count());
  deps_.logger.info("compaction done", {{"revision", state.compacted().load()}});
}

// After a flush: the compaction goes on, or whoever waits for its end is told.
void Replica::finish_compaction() {
  compaction_keys_ = 0;
  const bool removing = mvcc_->backend->removals_pending() > 0;
  if (removing) want_flush();
  if (removing || mvcc_->state->compacting()) return;
  for (auto& p : std::exchange(compact_waiters_, {})) {
    p->outcome.applied = applied_;
    p->finish();
  }
}

void Replica::plant_divergence(const std::string& key) {
  TxnRequest t;
  auto& op = t.success.emplace_back();
  op.kind = TxnOp::Kind::kPut;
  op.put.key = key;
  op.put.value = Bytes::literal("diverged");
  CHECK(mvcc_->state->txn(t, effects_).has_value());
  for (const auto& c : effects_.changes) mvcc_->backend->stage(c.now);
  commit_effects();
}

}  // namespace keelson::kvstore
