// EmbeddedWatch: one watch on the embedded store. History comes from a Snapshot, fetched on the reader's own
// thread as it asks; what is newer waits in a bounded queue that the hub fills.
//
//   [start … B] from the Snapshot of revision B, B pinned when the watch is added        then (B … ] from the
//   queue
//
// A watch still busy with history whose queue overflows takes a newer Snapshot and goes on from there, and so
// does one with `resync`; another that is up to date and overflows is too slow: cancelled with
// kResourceExhausted.
//
// Thread rule: next(), try_next(), try_next_shared(), delivered() one caller at a time; the rest any thread.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <optional>

#include "base/async.h"
#include "kvstore/mvcc/watch_hub.h"
#include "kvstore/store.h"

namespace keelson::kvstore {

class EmbeddedWatch final : public WatchStream, private WatchHub::Sink {
 public:
  struct Options {
    std::size_t buffer_events = 65536;
    std::size_t resync_events = 4096;  // the same with `resync`
    std::function<void()> on_slow;     // hears of a cancellation for slowness
  };
  // Gives the newest state: it may be replaced by another, then hub.resync() says so.
  using StateSource = std::function<std::shared_ptr<const State>()>;
  // What `source` uses and `hub` outlive the watch.
  EmbeddedWatch(StateSource source, WatchHub& hub, WatchRequest request, Options options);
  // Of a state that is never replaced and outlives the watch.
  EmbeddedWatch(const State& state, WatchHub& hub, WatchRequest request, Options options);
  ~EmbeddedWatch() override;

  Task<Result<WatchBatch>> next() override;
  std::optional<Result<WatchBatch>> try_next() override;
  std::optional<Result<SharedBatch>> try_next_shared() override;
  void set_waker(std::function<void()> wake) override;
  void request_progress() override;
  Revision delivered() override;
  Revision compacted() const override { return compacted_; }

 private:
  void deliver(SharedBatch batch) override;
  void resync() override;
  void cancel(const Error& why) override;
  Revision take_snapshot();
  void forget_queued(Revision upto);
  void begin_history(Revision from);
  void catch_up_again();
  // Under mu_: there is something for the reader.
  void notify_reader();
  Result<std::optional<WatchBatch>> next_history();

  const StateSource source_;
  WatchHub& hub_;
  const WatchRequest request_;
  const Options options_;
  WatchHub::Id id_ = 0;

  // The reader's.
  std::shared_ptr<const State> state_;  // of snapshot_
  SnapshotPtr snapshot_;
  std::vector<PastChange> history_;
  std::size_t history_at_ = 0;
  Revision history_from_ = 0;  // the first revision not yet handed out
  Revision compacted_ = 0;
  Revision seen_ = 0;  // of the newest Snapshot that was looked at

  std::mutex mu_;
  std::deque<SharedBatch> queue_;
  std::size_t queued_events_ = 0;
  bool catching_up_ = false;
  bool overflowed_ = false;
  bool progress_wanted_ = false;
  std::optional<Error> cancelled_;
  std::function<void()> wake_;  // set before there are readers
  bool asleep_ = false;         // the reader waits for wake_()
  AsyncEvent ready_;
};

}  // namespace keelson::kvstore
