// StoreThread: drives a Replica: its mailbox, the thread that works on what comes in, and the background
// thread that ticks and writes to LevelDB. Not a public header.
//
// What comes in meanwhile is taken together before the next step(), so that one fsync serves all. Messages go
// before ticks: a thread that was held up hears its leader first. Ticks that were missed are not made up for.
//
// While the store thread has nothing to do and requests come one by one, the thread that brings a request
// works on it itself: two wake-ups of sleeping threads cost more than the work and a fast disk's fsync. It
// does so in a turn of its own, so that requests which came with this one are taken along. So does the thread
// that brings a few messages of another member, which wait for nobody's fsync but a follower's own. The
// Replica changes hands under mu_. With other members only where the transport's threads are not the
// clients': what a leader sends must not wait for its own fsync.
//
// While the disk hangs nobody can look at requests: after the request timeout the background thread answers
// those that were not taken up, so that clients (above all those that keep leases alive) go to another
// member.
//
// Thread rule: any thread, but for start() and stop().
#pragma once

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/async.h"
#include "kvstore/server/replica.h"

namespace keelson::kvstore {

class StoreThread : public std::enable_shared_from_this<StoreThread> {
 public:
  // Called on the store thread, once each.
  struct Hooks {
    std::function<void(Error)> on_failure;
    std::function<void()> on_removed;
    std::function<void()> on_ready;
  };
  // `replica` and `clock` outlive stop(). `transport_apart`: the transport has threads of its own. REQUIRES:
  // made by std::make_shared.
  StoreThread(Replica& replica, Clock& clock, Logger logger, Hooks hooks, bool transport_apart);

  void start();
  // Finishes what is queued, flushes, joins.
  void stop();

  // An error: it was not taken. Its work may be done on `p->executor`, if there is one.
  Result<void> submit(PendingPtr p);
  // Their work may be done before this returns.
  void messages(std::vector<raft::Message> several);
  // Runs `call` on the store thread; dropped once it stops.
  void post(std::function<void(Replica&)> call);
  // Runs `task` beside the flushes until stop(), which cancels it. It may block for moments.
  void background(Task<> task) { background_tasks_.spawn(background_.get_executor(), std::move(task)); }
  // Something wants to be flushed now.
  void flush_soon() { flush_wanted_.set(); }
  std::optional<Error> failed() const;
  bool ready() const { return ready_.load(std::memory_order_acquire); }
  // The store thread has not moved for an election timeout: its disk hangs. Who then answered reads at once
  // would call a member well that can write nothing.
  bool stuck() const { return stuck_.load(std::memory_order_relaxed); }

 private:
  struct Input {
    std::vector<PendingPtr> requests;
    std::vector<raft::Message> messages;
    std::vector<std::function<void(Replica&)>> calls;
    bool tick = false;
    bool empty() const { return requests.empty() && messages.empty() && calls.empty() && !tick; }
  };
  void run();
  bool turn(std::unique_lock<std::mutex>& lock, Input input);
  void feed(Input& input);
  void watch_ends();
  void wake(std::unique_lock<std::mutex> lock);
  bool idle(bool writes) const;
  bool may_help(const Pending& p) const;
  bool may_take_messages() const;
  void help();
  void work(std::unique_lock<std::mutex> lock, Input input);
  Task<> tick_loop();
  Task<> flush_loop();

  Replica& replica_;
  Clock& clock_;
  Logger logger_;
  Hooks hooks_;
  const std::size_t max_pending_;
  const bool transport_apart_;

  mutable std::mutex mu_;
  std::condition_variable wake_;
  Input input_;
  bool started_ = false;
  bool stopping_ = false;
  bool waiting_ = false;      // the store thread sleeps, and nobody has called it yet
  bool working_ = false;      // somebody has the Replica
  bool more_ = true;          // step() wants to be called again
  bool help_posted_ = false;  // a thread that brought requests will work on them
  MonoTime help_posted_at_{};
  int crowded_turns_ =
      0;  // so many turns are the store thread's, since much came at once, or the other has much to do
  Duration usual_turn_{};  // what a turn with requests or entries took of late
  std::atomic<bool> ready_{false};
  std::atomic<bool> stuck_{false};
  bool removed_told_ = false;
  bool failure_told_ = false;
  std::thread store_thread_;

  boost::asio::io_context background_;
  TaskGroup background_tasks_;
  AsyncEvent flush_wanted_;
  std::thread background_thread_;
};

}  // namespace keelson::kvstore
