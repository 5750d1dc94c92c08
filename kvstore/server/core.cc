#include "kvstore/server/core.h"

#include <algorithm>

#include "base/check.h"
#include "kvstore/mvcc/errors.h"
#include "kvstore/server/single_log.h"

namespace keelson::kvstore {
namespace {

using namespace std::chrono_literals;

constexpr Duration kTick = 500ms;
constexpr Duration kFlushEvery = 100ms;
constexpr std::size_t kBatchBytesMax = 4 << 20;
constexpr std::size_t kBackendBytesMax = 64 << 20;
constexpr std::size_t kCompactKeysPerStep = 1000;
constexpr std::size_t kRevokesPerTick = 1000;
const raft::Term kSingleTerm(1);

}  // namespace

StoreCore::StoreCore(EmbeddedStoreOptions o)
    : options(std::move(o)),
      metrics(options.metrics),
      fs_(options.fs != nullptr ? *options.fs : posix_file_system()) {
  CHECK(options.clock != nullptr);
}

double StoreCore::seconds() const {
  return std::chrono::duration<double>(options.clock->now().time_since_epoch()).count();
}

Result<void> StoreCore::recover() {
  const double begin = seconds();
  TRY(fs_.make_dirs(options.data_dir));
  lock_ = TRY(fs_.lock(options.data_dir + "/LOCK"));
  backend = TRY(Backend::open({options.data_dir + "/db", options.in_memory_backend}));
  state = std::make_unique<State>(backend.get());
  const MonoTime now = options.clock->now();
  Backend::Loader loader;
  loader.lease = [&](LeaseId id, std::int64_t ttl_s, std::int64_t remaining_s) {
    state->load_lease(id, ttl_s, now, remaining_s);
  };
  loader.version = [&](const ItemFields& f, std::string_view key, std::string_view value) {
    state->load_version(f, key, value);
  };
  meta_ = TRY(backend->load(loader));
  if (state->working_revision() > meta_.revision || state->state_hash() != meta_.state_hash) {
    return fail(Code::kDataLoss, "backend in " + options.data_dir +
                                     "/db is corrupt: its versions do not hash to what was recorded");
  }
  state->finish_load(meta_.revision, meta_.compacted, meta_.compaction_done);
  forgettable_ = meta_;

  raft::WalOptions wal_options;
  wal_options.dir = options.data_dir + "/wal";
  wal_options.segment_bytes = options.wal_segment_bytes;
  wal_options.applied = raft::Index(meta_.applied_index);
  auto opened = TRY(raft::Wal::open(fs_, wal_options));
  wal_ = opened.wal.get();
  log_ = std::make_unique<SingleLog>(
      std::move(opened.wal), kSingleTerm, [this] { return seconds(); },
      [this](double s) { metrics.wal_fsync.Observe(s); });
  const std::size_t replayed = opened.recovery.entries.size();
  for (auto& e : opened.recovery.entries) {
    Outcome ignored;
    apply({e.term, e.index, std::move(e.data), 0}, ignored);
    if (backend->pending_bytes() > kBackendBytesMax) {
      commit_effects();
      TRY(backend->flush());
    }
  }
  commit_effects();
  state->leases().renew_all(options.clock->now());
  options.logger.info("store recovered", {{"revision", state->revision()},
                                          {"keys", state->keys()},
                                          {"replayed", replayed},
                                          {"torn_tail", opened.recovery.torn},
                                          {"seconds", seconds() - begin}});
  return {};
}

void StoreCore::start() {
  {
    std::lock_guard lock(mu_);
    CHECK(!started_);
    started_ = true;
  }
  store_thread_ = std::thread([this] { run(); });
  background_tasks_.spawn(background_.get_executor(), tick_loop());
  background_tasks_.spawn(background_.get_executor(), flush_loop());
  background_thread_ = std::thread([this] { background_.run(); });
}

void StoreCore::stop() {
  {
    std::lock_guard lock(mu_);
    if (stopping_) return;
    stopping_ = true;
    wake_.notify_all();
  }
  hub.cancel_all(stopped_error());
  if (!store_thread_.joinable()) return;
  store_thread_.join();
  background_tasks_.cancel();
  background_thread_.join();
  if (!failed()) flush_once(true);
  options.logger.info("store stopped", {{"revision", state->revision()}});
}

std::optional<Error> StoreCore::failed() const {
  std::lock_guard lock(mu_);
  return failed_;
}

std::optional<Error> StoreCore::refusal() const {
  std::lock_guard lock(mu_);
  if (failed_) return Error{Code::kUnavailable, "etcdserver: server stopped: " + failed_->message};
  if (stopping_) return stopped_error();
  return std::nullopt;
}

Result<void> StoreCore::enqueue(PendingPtr p) {
  std::lock_guard lock(mu_);
  if (failed_) return fail(Code::kUnavailable, "etcdserver: server stopped: " + failed_->message);
  if (stopping_) return fail(stopped_error());
  if (queue_.size() >= options.max_pending_writes) return fail(too_many_requests_error());
  const bool idle = queue_.empty();
  queue_.push_back(std::move(p));
  if (idle) wake_.notify_one();
  return {};
}

void StoreCore::run() {
  std::vector<PendingPtr> all;
  for (;;) {
    bool tick = false;
    {
      std::unique_lock lock(mu_);
      wake_.wait(lock, [&] {
        return !queue_.empty() || tick_due_ || stopping_ || (state->compacting() && !failed_);
      });
      if (stopping_ && queue_.empty()) return;
      all.swap(queue_);
      tick = std::exchange(tick_due_, false);
    }
    // Bounded batches: a burst of large values must not make one huge write.
    std::vector<PendingPtr> batch;
    std::size_t bytes = 0;
    for (auto& p : all) {
      bytes += p->command.size();
      batch.push_back(std::move(p));
      if (bytes < kBatchBytesMax) continue;
      step(std::exchange(batch, {}), false);
      bytes = 0;
    }
    all.clear();
    step(std::move(batch), tick);
  }
}

void StoreCore::step(std::vector<PendingPtr> batch, bool tick) {
  std::vector<PendingPtr> called;
  const bool dead = failed().has_value();
  for (auto& p : batch) {
    if (dead) {
      p->outcome.error = refusal();
      called.push_back(std::move(p));
    } else if (p->call) {
      p->call(p->outcome);
      called.push_back(std::move(p));
    } else {
      const Ticket ticket = next_ticket_++;
      log_->propose(Bytes(std::move(p->command)), ticket);
      waiting_.emplace(ticket, std::move(p));
    }
  }
  batch.clear();
  if (dead) announce_failure();
  if (!dead) {
    if (tick) propose_due_revokes();
    metrics.pending.Set(static_cast<double>(waiting_.size()));
    auto committed = log_->advance();
    if (!committed) {
      fail_with(committed.error());
    } else if (!committed->empty()) {
      apply_all(std::move(*committed));
    }
  }
  for (auto& p : called) p->finish();
  if (dead || failed()) return;
  if (state->compacting()) {
    const bool done = state->compact_step(kCompactKeysPerStep, effects_);
    meta_.compaction_done = done;
    commit_effects();
    if (done) options.logger.info("compaction done", {{"revision", state->compacted().load()}});
  }
  if (tick) {
    BackendMeta forgettable;
    {
      std::lock_guard lock(mu_);
      forgettable = forgettable_;
    }
    if (auto r = log_->forget(raft::Index(forgettable.applied_index), raft::Term(forgettable.applied_term));
        !r) {
      fail_with(r.error());
    }
    if (log_->wants_forget()) sync_flush_wanted_ = true;
    report_metrics();
  }
  wait_for_backend_room();
}

void StoreCore::propose_due_revokes() {
  const MonoTime now = options.clock->now();
  for (LeaseId id : state->leases().expired(now, kRevokesPerTick))
    log_->propose(Bytes(encode_lease_revoke(id)), 0);
  if (now >= next_progress_) {
    next_progress_ = now + options.progress_interval;
    hub.progress();
  }
}

void StoreCore::apply_all(std::vector<CommittedEntry> entries) {
  std::vector<PendingPtr> done;
  done.reserve(entries.size());
  for (const auto& entry : entries) {
    auto it = entry.ticket != 0 ? waiting_.find(entry.ticket) : waiting_.end();
    Outcome nobody;
    apply(entry, it != waiting_.end() ? it->second->outcome : nobody);
    if (it == waiting_.end()) continue;
    done.push_back(std::move(it->second));
    waiting_.erase(it);
  }
  commit_effects();
  for (auto& p : done) p->finish();
}

// Applies one entry to the state and stages what it wrote, so that a later command of the same batch can read
// it as history.
void StoreCore::apply(const CommittedEntry& entry, Outcome& outcome) {
  const std::size_t before = effects_.changes.size();
  auto command = decode_command(entry.command);
  // Every entry was checked by CRC and written by this program: not to understand one means a newer format.
  CHECK_MSG(command.has_value(), command ? "" : command.error().message.c_str());
  switch (command->kind) {
    case Command::Kind::kNone:
      break;
    case Command::Kind::kTxn: {
      auto r = state->txn(command->txn, effects_);
      if (r) {
        outcome.txn = std::move(*r);
      } else {
        outcome.error = std::move(r.error());
      }
      break;
    }
    case Command::Kind::kCompact:
      if (auto r = state->compact(command->revision); !r) outcome.error = std::move(r.error());
      meta_.compaction_done = !state->compacting();
      break;
    case Command::Kind::kLeaseGrant: {
      auto r = state->lease_grant(command->lease, command->ttl_s, options.clock->now(), effects_);
      if (r) {
        outcome.lease = {command->lease, *r, *r, {}};
      } else {
        outcome.error = std::move(r.error());
      }
      break;
    }
    default:
      break;
    case Command::Kind::kLeaseRevoke:
      if (auto r = state->lease_revoke(command->lease, effects_); !r) outcome.error = std::move(r.error());
      break;
  }
  if (outcome.error) metrics.failed.Increment();
  for (std::size_t i = before; i < effects_.changes.size(); ++i) backend->stage(effects_.changes[i].now);
  meta_.applied_index = entry.index.value();
  meta_.applied_term = entry.term.value();
}

// Hands what the last commands did to the backend, then to readers, then to watchers.
void StoreCore::commit_effects() {
  meta_.revision = state->working_revision();
  meta_.compacted = state->compacted().load(std::memory_order_relaxed);
  meta_.state_hash = state->state_hash();
  backend->commit(meta_, std::exchange(effects_.leases, {}), std::exchange(effects_.dropped, {}));
  state->publish();
  hub.dispatch(effects_.changes, meta_.revision);
  effects_.changes.clear();
}

void StoreCore::fail_with(const Error& error) {
  {
    std::lock_guard lock(mu_);
    if (!failed_) failed_ = error;
  }
  announce_failure();
}

// Tells everybody, once. The failure itself may have been found by the background thread.
void StoreCore::announce_failure() {
  if (std::exchange(failure_announced_, true)) return;
  const Error error = *failed();
  options.logger.error("store stops: its disk cannot be trusted", {{"error", error}});
  const Error why = *refusal();
  for (auto& [ticket, p] : waiting_) {
    p->outcome.error = why;
    p->finish();
  }
  waiting_.clear();
  hub.cancel_all(why);
  if (options.on_failure) options.on_failure(error);
}

void StoreCore::wait_for_backend_room() {
  if (backend->pending_bytes() < kBackendBytesMax) return;
  flush_wanted_.set();
  std::unique_lock lock(mu_);
  wake_.wait(lock, [&] { return stopping_ || failed_ || backend->pending_bytes() < kBackendBytesMax; });
}

Task<> StoreCore::tick_loop() {
  for (;;) {
    co_await options.clock->sleep_for(kTick);
    std::lock_guard lock(mu_);
    tick_due_ = true;
    wake_.notify_all();
  }
}

Task<> StoreCore::flush_loop() {
  for (;;) {
    if (auto r = wal_->prepare_spare(); !r)
      options.logger.warn("no spare log segment", {{"error", r.error()}});
    co_await flush_wanted_.wait_until(*options.clock, options.clock->now() + kFlushEvery);
    flush_wanted_.reset();
    if (!flush_once(sync_flush_wanted_.exchange(false))) co_return;
  }
}

bool StoreCore::flush_once(bool sync) {
  if (!backend->has_committed() && !sync) return true;
  const double begin = seconds();
  auto flushed = backend->flush();
  std::lock_guard lock(mu_);
  wake_.notify_all();
  if (!flushed) {
    // The store thread announces it; what was acknowledged is in the log.
    if (!failed_) failed_ = flushed.error();
    tick_due_ = true;
    return false;
  }
  metrics.backend_commit.Observe(seconds() - begin);
  forgettable_.applied_index = *flushed;
  forgettable_.applied_term = kSingleTerm.value();
  return true;
}

void StoreCore::report_metrics() {
  metrics.committed.Set(static_cast<double>(meta_.applied_index));
  metrics.applied.Set(static_cast<double>(meta_.applied_index));
  metrics.keys.Set(static_cast<double>(state->keys()));
  metrics.watchers.Set(static_cast<double>(hub.watchers()));
  metrics.revision.Set(static_cast<double>(meta_.revision));
  metrics.compact_revision.Set(static_cast<double>(meta_.compacted));
  const auto bytes = static_cast<double>(backend->disk_bytes());
  metrics.db_size.Set(bytes);
  metrics.db_in_use.Set(bytes);
}

}  // namespace keelson::kvstore
