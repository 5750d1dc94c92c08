// Replica: a log that is damaged in the middle is mended with the help of the other members (log_repair.h).
//
// Until then this member takes no part in consensus: it neither votes, campaigns nor acknowledges anything,
// as it may have forgotten what it once promised. It keeps its term and its vote, and serves what is applied
// to those who do not ask for more. Nothing is written to the log before all is there: a crash begins anew.
#include <algorithm>

#include "base/check.h"
#include "kvstore/server/member_id.h"
#include "kvstore/server/replica_internal.h"

namespace keelson::kvstore {
namespace {

constexpr std::size_t kEntriesBytesMax = std::size_t{1} << 20;  // in one answer
constexpr Duration kRemindEvery = std::chrono::seconds(30);

std::string range_text(raft::IndexRange range) {
  return std::to_string(range.first.value()) + "-" + std::to_string(range.last.value());
}

}  // namespace

// ---- The member that is mended

void Replica::begin_repair(raft::WalRecovery found) {
  std::vector<raft::NodeId> others;
  for (const auto& [id, m] : cluster_.members) {
    if (id != id_) others.emplace_back(id);
  }
  next_reminder_ = now() + kRemindEvery;
  deps_.logger.warn("write-ahead log is damaged: the other members are asked for what is lost",
                    {{"damage", found.damage},
                     {"entries", range_text(*found.damaged)},
                     {"of", found.last.value()},
                     {"members", others.size()}});
  repair_ = std::make_unique<LogRepair>(std::move(found), std::move(others), now());
}

void Replica::ask_for_entries() {
  if (!repair_ || transport_ == nullptr) return;
  if (now() >= next_reminder_) {
    next_reminder_ = now() + kRemindEvery;
    deps_.logger.warn(
        "write-ahead log is damaged, and no other member has given what is lost yet: start the others; "
        "should "
        "they not have it, remove this member, delete its data and add it anew",
        {{"damage", repair_->found().damage}, {"entries", range_text(repair_->missing())}});
  }
  const auto ask = repair_->next(now());
  if (!ask) return;
  AppMessage m;
  m.kind = AppMessage::Kind::kFetch;
  m.range = ask->range;
  m.snapshot = ask->snapshot;
  send_app(ask->to, m);
}

void Replica::handle_fetched(raft::NodeId from, AppMessage m) {
  if (!repair_) return;
  repair_->take(from, m.answer, m.range.first, std::move(m.entries), now());
  if (repair_->lost()) {
    return fail_with({Code::kDataLoss, "write-ahead log is corrupt: " + repair_->found().damage +
                                           ": no other member has entry " +
                                           std::to_string(repair_->missing().first.value()) +
                                           " either: restore the cluster from a snapshot"});
  }
  if (!repair_->complete()) return ask_for_entries();
  auto mended = wal_->repair(repair_->entries());
  if (!mended && mended.error().code == Code::kInvalidArgument) {
    deps_.logger.error("entries from other members do not repair the log: asking again",
                       {{"error", mended.error()}});
    return begin_repair(repair_->found());
  }
  if (!mended) return fail_with(advise(mended.error()));
  end_repair(std::move(*mended), "entries");
}

// A snapshot that follows the damage mends too.
void Replica::repair_from(const raft::Message& message) {
  {
    std::lock_guard lock(incoming_mu_);
    const auto& s = message.snapshot;
    if (!s || !incoming_ || incoming_->meta.applied_index != s->index.value() ||
        incoming_->meta.applied_term != s->term.value() || s->index < repair_->found().damaged->last ||
        s->index <= applied_) {
      return;
    }
    installing_ = std::move(incoming_);
  }
  if (auto r = install(*message.snapshot); !r) fail_with(advise(r.error()));
}

// The log is whole: consensus begins.
void Replica::end_repair(raft::WalRecovery mended, const char* from) {
  const auto repair = std::exchange(repair_, nullptr);
  deps_.logger.info("write-ahead log repaired from the other members",
                    {{"damage", repair->found().damage},
                     {"entries", range_text(*repair->found().damaged)},
                     {"from", from},
                     {"last", mended.last.value()},
                     {"seconds", std::chrono::duration<double>(now() - repair->since()).count()}});
  ++repairs_;
  deps_.metrics->log_repairs.Increment();
  start_node(restored(mended, cluster_.raft));
}

// ---- The others

void Replica::handle_fetch(raft::NodeId from, const AppMessage& m) {
  if (fenced_ || transport_ == nullptr || !cluster_.members.contains(from.value())) return;
  const bool has_all = applied_ >= m.range.last;
  if (m.snapshot) {
    const auto same = [&](const raft::Message& w) { return w.to == from; };
    if (!has_all || std::ranges::any_of(snapshots_wanted_, same)) return;
    // Of no term: it is no leader's word.
    return send_snapshot({.type = raft::MessageType::kSnapshot,
                          .from = raft::NodeId(id_),
                          .to = from,
                          .snapshot = raft::SnapshotMeta{applied_, applied_term_, node_->membership()}});
  }
  AppMessage reply;
  reply.kind = AppMessage::Kind::kFetched;
  reply.range = m.range;
  const raft::Index first = m.range.first;
  reply.entries = repair_ ? repair_->committed_entries(first, kEntriesBytesMax)
                          : node_->committed_entries(first, kEntriesBytesMax);
  using Answer = LogRepair::Answer;
  if (!reply.entries.empty()) {
    reply.answer = Answer::kEntries;
  } else if (has_all) {
    reply.answer = Answer::kSnapshot;
  } else if (repair_ && first >= repair_->missing().first && first <= repair_->missing().last) {
    reply.answer = Answer::kDamaged;
  }
  send_app(from, reply);
}

}  // namespace keelson::kvstore
