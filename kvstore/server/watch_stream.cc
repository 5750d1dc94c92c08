#include "kvstore/server/watch_stream.h"

#include <algorithm>
#include <utility>

#include "kvstore/mvcc/errors.h"

namespace keelson::kvstore {
namespace {
constexpr std::size_t kHistoryBatchEvents = 1000;
constexpr std::size_t kHistoryBatchBytes = 1 << 20;
}  // namespace

EmbeddedWatch::EmbeddedWatch(const State& state, WatchHub& hub, WatchRequest request, Options options)
    : EmbeddedWatch([&state] { return std::shared_ptr<const State>(std::shared_ptr<void>(), &state); }, hub,
                    std::move(request), std::move(options)) {}

EmbeddedWatch::EmbeddedWatch(StateSource source, WatchHub& hub, WatchRequest request, Options options)
    : source_(std::move(source)), hub_(hub), request_(std::move(request)), options_(std::move(options)) {
  const Revision start = request_.start_revision;
  catching_up_ = true;
  // Added before the Snapshot is taken, so that nothing is missed; what both have is thrown away.
  id_ = hub_.add(request_, std::max<Revision>(start, 1), this);
  history_from_ = start;
  const Revision upto = take_snapshot();
  if (start > 0 && start <= upto) {
    begin_history(start);
  } else {
    history_from_ = std::max(start, upto + 1);
    snapshot_.reset();
    state_.reset();
  }
}

// A new Snapshot; deliveries go on behind it, and what it holds too is thrown away. Returns its revision.
Revision EmbeddedWatch::take_snapshot() {
  state_ = source_();
  snapshot_ = state_->snapshot();
  const Revision upto = snapshot_->revision();
  seen_ = std::max(seen_, upto);
  hub_.set_from(id_, std::max(upto + 1, history_from_));
  forget_queued(upto);
  return upto;
}

void EmbeddedWatch::forget_queued(Revision upto) {
  const auto old = [upto](const Event& e) { return e.kv.mod_revision <= upto; };
  std::lock_guard lock(mu_);
  queued_events_ = 0;
  for (auto& batch : queue_) {
    if (batch.events && std::ranges::any_of(batch.events->events(), old)) {
      std::vector<Event> kept = batch.events->events();
      std::erase_if(kept, old);
      batch = SharedBatch(WatchBatch{batch.revision, std::move(kept)});
    }
    queued_events_ += batch.size();
  }
  std::erase_if(queue_, [](const SharedBatch& b) { return !b.events; });
}

EmbeddedWatch::~EmbeddedWatch() {
  hub_.remove(id_);
}

// REQUIRES: snapshot_ is set.
void EmbeddedWatch::begin_history(Revision from) {
  history_from_ = from;
  history_ = past_changes(snapshot_->view(), {request_.key, request_.end}, from);
  history_at_ = 0;
}

// The next whole revisions of history; nullopt when there is no more. REQUIRES: snapshot_ is set.
Result<std::optional<WatchBatch>> EmbeddedWatch::next_history() {
  WatchBatch batch;
  std::size_t bytes = 0;
  Result<void> read;
  while (history_at_ < history_.size()) {
    const PastChange& change = history_[history_at_];
    const bool full = batch.events.size() >= kHistoryBatchEvents || bytes >= kHistoryBatchBytes;
    if (full && change.rev.main != batch.revision) break;
    batch.revision = change.rev.main;
    ++history_at_;
    if (change.tombstone ? request_.no_delete : request_.no_put) continue;
    auto event = past_event(snapshot_->view(), state_->read_context(), change, request_.prev_kv);
    if (!event) {
      read = std::unexpected(event.error());
      break;
    }
    bytes += event->kv.key.size() + event->kv.value.size();
    batch.events.push_back(std::move(*event));
  }
  // What is at or above the compacted revision is still whole (the tombstones at it too); below, versions may
  // be missing.
  const Revision compacted = state_->compacted().load(std::memory_order_seq_cst);
  if (compacted > history_from_) {
    compacted_ = compacted;
    return fail(compacted_error());
  }
  TRY(std::move(read));
  if (history_at_ < history_.size()) {
    history_from_ = batch.revision + 1;
    return batch;
  }
  const Revision end = snapshot_->revision();
  seen_ = std::max(seen_, end);
  history_from_ = std::max(history_from_, end + 1);  // the watch may begin later
  history_.clear();
  snapshot_.reset();
  state_.reset();
  if (batch.events.empty()) return std::optional<WatchBatch>();
  batch.revision = end;
  return batch;
}

// After an overflow during catch-up: a newer Snapshot, and history from where the old one ended. Deliveries
// are taken again before the Snapshot is, so none is missed; those that the Snapshot holds too are thrown
// away.
void EmbeddedWatch::catch_up_again() {
  {
    std::lock_guard lock(mu_);
    overflowed_ = false;
  }
  take_snapshot();
  begin_history(history_from_);
}

std::optional<Result<WatchBatch>> EmbeddedWatch::try_next() {
  auto batch = try_next_shared();
  if (!batch) return std::nullopt;
  if (!*batch) return std::unexpected(std::move(*batch).error());
  return std::move(**batch).take();
}

std::optional<Result<SharedBatch>> EmbeddedWatch::try_next_shared() {
  for (;;) {
    if (snapshot_) {
      auto past = next_history();
      if (!past) return std::unexpected(past.error());
      if (*past) return SharedBatch(std::move(**past));
    }
    bool again = false;
    {
      std::lock_guard lock(mu_);
      if (cancelled_) return std::unexpected(*cancelled_);
      again = overflowed_;
      if (!again) {
        catching_up_ = false;
        if (!queue_.empty()) {
          SharedBatch batch = std::move(queue_.front());
          queue_.pop_front();
          queued_events_ -= batch.size();
          history_from_ = std::max(history_from_, batch.revision + 1);
          return batch;
        }
        if (!progress_wanted_) {
          asleep_ = true;
          ready_.reset();
          return std::nullopt;
        }
        progress_wanted_ = false;
      }
    }
    if (again) {
      catch_up_again();
    } else {
      hub_.progress(id_);
    }
  }
}

Task<Result<WatchBatch>> EmbeddedWatch::next() {
  for (;;) {
    if (auto batch = try_next()) co_return std::move(*batch);
    co_await ready_.wait();
  }
}

void EmbeddedWatch::set_waker(std::function<void()> wake) {
  std::lock_guard lock(mu_);
  wake_ = std::move(wake);
}

Revision EmbeddedWatch::delivered() {
  if (snapshot_) return 0;
  const Revision dispatched = hub_.dispatched();
  std::lock_guard lock(mu_);
  if (!queue_.empty() || overflowed_ || cancelled_) return 0;
  return std::max(dispatched, seen_);
}

void EmbeddedWatch::request_progress() {
  hub_.progress(id_);
}

void EmbeddedWatch::deliver(SharedBatch batch) {
  bool slow = false;
  const std::size_t limit = request_.resync ? options_.resync_events : options_.buffer_events;
  {
    std::lock_guard lock(mu_);
    if (cancelled_) return;
    if (!batch.events) {
      if (overflowed_) {
        progress_wanted_ = true;
      } else if (!queue_.empty() && !queue_.back().events) {
        queue_.back().revision = batch.revision;
      } else {
        queue_.push_back(std::move(batch));
      }
    } else if (overflowed_) {
      return;
    } else if (queued_events_ + batch.size() > limit && queued_events_ > 0) {
      queue_.clear();
      queued_events_ = 0;
      if (catching_up_ || request_.resync) {
        overflowed_ = true;
      } else {
        slow = true;
        cancelled_ = Error{Code::kResourceExhausted, "etcdserver: watcher is too slow: its buffer is full"};
      }
    } else {
      queued_events_ += batch.size();
      queue_.push_back(std::move(batch));
    }
    notify_reader();
  }
  if (slow && options_.on_slow) options_.on_slow();
}

void EmbeddedWatch::resync() {
  std::lock_guard lock(mu_);
  queue_.clear();
  queued_events_ = 0;
  overflowed_ = true;
  notify_reader();
}

void EmbeddedWatch::cancel(const Error& why) {
  std::lock_guard lock(mu_);
  if (!cancelled_) cancelled_ = why;
  notify_reader();
}

void EmbeddedWatch::notify_reader() {
  if (!wake_) return ready_.set();
  if (std::exchange(asleep_, false)) wake_();
}

}  // namespace keelson::kvstore
