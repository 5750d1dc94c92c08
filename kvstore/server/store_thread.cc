#include "kvstore/server/store_thread.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <iterator>

#include "base/check.h"
#include "kvstore/server/errors.h"

namespace keelson::kvstore {
namespace {
constexpr Duration kFlushEvery = std::chrono::milliseconds(500);
// Between the flushes of a compaction beside which others write: its removals must not keep disk and
// processor from them.
constexpr Duration kCompactionPause = std::chrono::milliseconds(20);
constexpr std::size_t kBatchBytesMax = 4 << 20;  // a burst of large values must not make one huge write
// Who has more requests, or entries from the leader, than this at once, or a slow disk, is better served by a
// thread beside the connections': they read and answer meanwhile.
constexpr std::size_t kHelpWritesMax = 2;
constexpr Duration kHelpMax = std::chrono::milliseconds(2);
constexpr int kCrowdedTurns = 32;
// A thread that comes to it only after this has others to serve, who must not wait for the disk.
constexpr Duration kHelpDelayMax = std::chrono::microseconds(200);
constexpr int kBusyTurns = 8;
constexpr int kMoreTurnsMax = 4;

std::size_t entries_of(const std::vector<raft::Message>& messages) {
  std::size_t n = 0;
  for (const auto& m : messages) n += m.entries.size();
  return n;
}

// What makes the leader write to its disk before anything is sent, or takes long, is not among them.
bool is_light(const raft::Message& m) {
  switch (m.type) {
    case raft::MessageType::kAppend:
    case raft::MessageType::kAppendReply:
    case raft::MessageType::kHeartbeat:
    case raft::MessageType::kHeartbeatReply:
    case raft::MessageType::kCommit:
    case raft::MessageType::kReadIndex:
    case raft::MessageType::kReadIndexReply:
      return true;
    default:
      return false;
  }
}
}  // namespace

StoreThread::StoreThread(Replica& replica, Clock& clock, Logger logger, Hooks hooks, bool transport_apart)
    : replica_(replica),
      clock_(clock),
      logger_(std::move(logger)),
      hooks_(std::move(hooks)),
      max_pending_(replica.options().max_pending),
      transport_apart_(transport_apart) {}

void StoreThread::start() {
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

void StoreThread::stop() {
  {
    std::lock_guard lock(mu_);
    if (stopping_) return;
    stopping_ = true;
    wake_.notify_all();
  }
  if (store_thread_.joinable()) {
    store_thread_.join();
    background_tasks_.cancel();
    background_thread_.join();
  }
  Input rest;
  std::swap(rest, input_);
  for (auto& p : rest.requests) {
    p->outcome.error = stopped_error();
    p->finish();
  }
  replica_.stop(stopped_error());
  if (replica_.failed()) return;
  if (auto r = replica_.flush(); !r) logger_.error("the last flush failed", {{"error", r.error()}});
}

std::optional<Error> StoreThread::failed() const {
  return replica_.published().failure();
}

// After mu_ is let go: who wakes does not find it taken.
void StoreThread::wake(std::unique_lock<std::mutex> lock) {
  const bool asleep = waiting_ && !working_;
  if (asleep) waiting_ = false;
  lock.unlock();
  if (asleep) wake_.notify_one();
}

Result<void> StoreThread::submit(PendingPtr p) {
  std::unique_lock lock(mu_);
  if (stopping_) return fail(stopped_error());
  if (input_.requests.size() >= max_pending_) return fail(too_many_requests_error());
  const bool helped = may_help(*p);
  const auto executor = helped && !help_posted_ ? p->executor : std::nullopt;
  input_.requests.push_back(std::move(p));
  if (!helped) {
    wake(std::move(lock));
  } else if (executor) {
    help_posted_ = true;
    help_posted_at_ = clock_.now();
    lock.unlock();
    boost::asio::post(*executor, [weak = weak_from_this()] {
      if (auto self = weak.lock()) self->help();
    });
  }
  return {};
}

// A turn of messages alone: requests wait for their own thread or the store's, or what they make the leader
// send would wait here for its fsync.
void StoreThread::messages(std::vector<raft::Message> several) {
  std::unique_lock lock(mu_);
  if (stopping_) return;
  std::ranges::move(several, std::back_inserter(input_.messages));
  if (transport_apart_ && may_take_messages() && idle(entries_of(input_.messages) > 0)) {
    Input input;
    std::swap(input.messages, input_.messages);
    work(std::move(lock), std::move(input));
  } else {
    wake(std::move(lock));
  }
}

void StoreThread::post(std::function<void(Replica&)> call) {
  std::unique_lock lock(mu_);
  if (stopping_) return;
  input_.calls.push_back(std::move(call));
  wake(std::move(lock));
}

// REQUIRES: mu_ is held.
bool StoreThread::idle(bool writes) const {
  return ready() && waiting_ && !working_ && crowded_turns_ == 0 && (!writes || usual_turn_ < kHelpMax) &&
         !replica_.may_pause();
}

// REQUIRES: mu_ is held.
bool StoreThread::may_help(const Pending& p) const {
  const bool writes = p.op != Pending::Op::kRead;
  return p.executor.has_value() && (transport_apart_ || replica_.published().alone()) && idle(writes);
}

// If the executor is held up meanwhile, the next tick calls the store thread, which takes the requests.
void StoreThread::help() {
  std::unique_lock lock(mu_);
  help_posted_ = false;
  if (stopping_ || working_ || !waiting_ || input_.requests.empty()) return;
  if (clock_.now() - help_posted_at_ > kHelpDelayMax) {
    crowded_turns_ = kBusyTurns;
  } else if (input_.requests.size() <= kHelpWritesMax) {
    return work(std::move(lock), std::exchange(input_, {}));
  }
  wake(std::move(lock));
}

// REQUIRES: mu_ is held.
bool StoreThread::may_take_messages() const {
  const auto& m = input_.messages;
  return !m.empty() && std::ranges::all_of(m, is_light) && entries_of(m) <= kHelpWritesMax;
}

// Works on `input` and the few messages that come meanwhile; the rest is the store thread's.
// REQUIRES: idle() for `input`.
void StoreThread::work(std::unique_lock<std::mutex> lock, Input input) {
  more_ = turn(lock, std::move(input));
  for (int i = 0; i < kMoreTurnsMax && !more_ && !stopping_ && may_take_messages(); ++i) {
    Input next;
    std::swap(next.messages, input_.messages);
    more_ = turn(lock, std::move(next));
  }
  const bool nothing = input_.empty() || (help_posted_ && !input_.requests.empty());
  if (!more_ && !stopping_ && nothing) return;
  wake(std::move(lock));
}

void StoreThread::run() {
  std::unique_lock lock(mu_);
  for (;;) {
    waiting_ = true;
    wake_.wait(lock, [&] { return !working_ && (more_ || stopping_ || !input_.empty()); });
    waiting_ = false;
    if (stopping_ && input_.requests.empty()) return;
    more_ = turn(lock, std::exchange(input_, {}));
    lock.unlock();
    watch_ends();
    lock.lock();
  }
}

// Works on `input`. Holds `lock`, but not meanwhile. True: there is more to do.
bool StoreThread::turn(std::unique_lock<std::mutex>& lock, Input input) {
  working_ = true;
  lock.unlock();
  const std::size_t writes = input.requests.size() + entries_of(input.messages);
  const MonoTime begin = clock_.now();
  feed(input);
  bool more = replica_.step();
  if (input.tick) {
    // After what has come was done: a process that stood still for a while must not take for timed out what
    // it only has to look at.
    replica_.tick();
    more = true;
  }
  if ((replica_.failed() && !failure_told_) || (replica_.removed() && !removed_told_)) more = true;
  const Duration took = clock_.now() - begin;
  lock.lock();
  working_ = false;
  if (writes > kHelpWritesMax) crowded_turns_ = kCrowdedTurns;
  if (crowded_turns_ > 0) --crowded_turns_;
  if (writes > 0) usual_turn_ += (took - usual_turn_) / 8;
  return more;
}

void StoreThread::feed(Input& input) {
  for (auto& m : input.messages) replica_.receive(std::move(m));
  for (auto& call : input.calls) call(replica_);
  std::size_t bytes = 0;
  for (auto& p : input.requests) {
    bytes += p->command.size();
    replica_.submit(std::move(p));
    if (bytes < kBatchBytesMax) continue;
    replica_.step();
    bytes = 0;
  }
}

// Tells, once each, what the owner wants to hear.
void StoreThread::watch_ends() {
  if (replica_.ready() && !ready_.exchange(true) && hooks_.on_ready) hooks_.on_ready();
  if (replica_.removed() && !std::exchange(removed_told_, true) && hooks_.on_removed) hooks_.on_removed();
  if (!replica_.failed() || std::exchange(failure_told_, true)) return;
  if (hooks_.on_failure) hooks_.on_failure(*replica_.failed());
}

Task<> StoreThread::tick_loop() {
  int missed = 0;  // ticks that the store thread did not take up
  for (;;) {
    co_await clock_.sleep_for(replica_.options().tick);
    std::unique_lock lock(mu_);
    missed = input_.tick ? missed + 1 : 0;
    const bool stuck = missed >= replica_.options().election_ticks;
    if (stuck_.exchange(stuck) != stuck) {
      logger_.warn(stuck ? "the store's thread stands still; linearizable reads wait for it"
                         : "the store's thread goes on");
    }
    input_.tick = true;
    // What waits in the mailbox was never proposed.
    std::vector<PendingPtr> late;
    if (missed * replica_.options().tick >= replica_.request_timeout()) late.swap(input_.requests);
    wake(std::move(lock));
    for (auto& p : late) {
      p->outcome.error = timeout_error();
      p->finish();
    }
  }
}

Task<> StoreThread::flush_loop() {
  std::uint64_t before = 0;
  for (;;) {
    if (auto r = replica_.prepare_spare(); !r) logger_.warn("no spare log segment", {{"error", r.error()}});
    co_await flush_wanted_.wait_until(clock_, clock_.now() + kFlushEvery);
    flush_wanted_.reset();
    auto flushed = replica_.flush();
    const bool ok = flushed.has_value();
    post([flushed = std::move(flushed)](Replica& r) { r.flushed(flushed); });
    if (!ok) co_return;
    const std::uint64_t applied = replica_.published().applied();
    if (replica_.compacting() && applied != before) co_await clock_.sleep_for(kCompactionPause);
    before = applied;
  }
}

}  // namespace keelson::kvstore
