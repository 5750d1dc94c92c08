// StoreThread: the thread that owns a Replica, and its mailbox; and the background thread that ticks and
// writes to LevelDB. Not a public header.
//
// What comes in meanwhile is taken together before the next step(), so that one fsync serves all. Messages go
// before ticks: a thread that was held up hears its leader first. Ticks that were missed are not made up for.
//
// Thread rule: any thread, but for start() and stop().
#pragma once

#include <boost/asio/io_context.hpp>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "base/async.h"
#include "kvstore/server/replica.h"

namespace keelson::kvstore {

class StoreThread {
 public:
  struct Hooks {
    std::function<void(Error)> on_failure;
    std::function<void()> on_removed;
    std::function<void()> on_ready;
  };
  // `replica` and `clock` outlive this.
  StoreThread(Replica& replica, Clock& clock, Logger logger, Hooks hooks);

  void start();
  // Finishes what is queued, flushes, joins.
  void stop();

  // An error: it was not taken.
  Result<void> submit(PendingPtr p);
  void message(raft::Message m);
  // Runs `call` on the store thread; dropped once it stops.
  void post(std::function<void(Replica&)> call);
  // Something wants to be flushed now.
  void flush_soon() { flush_wanted_.set(); }
  std::optional<Error> failed() const;
  bool ready() const { return ready_.load(std::memory_order_acquire); }

 private:
  struct Input {
    std::vector<PendingPtr> requests;
    std::vector<raft::Message> messages;
    std::vector<std::function<void(Replica&)>> calls;
    bool tick = false;
    bool empty() const { return requests.empty() && messages.empty() && calls.empty() && !tick; }
  };
  void run();
  void feed(Input& input);
  void watch_ends();
  void wake(std::unique_lock<std::mutex> lock, bool was_empty);
  Task<> tick_loop();
  Task<> flush_loop();

  Replica& replica_;
  Clock& clock_;
  Logger logger_;
  Hooks hooks_;
  const std::size_t max_pending_;

  mutable std::mutex mu_;
  std::condition_variable wake_;
  Input input_;
  bool started_ = false;
  bool stopping_ = false;
  bool waiting_ = false;
  std::atomic<bool> ready_{false};
  bool removed_told_ = false;
  bool failure_told_ = false;
  std::thread store_thread_;

  boost::asio::io_context background_;
  TaskGroup background_tasks_;
  AsyncEvent flush_wanted_;
  std::thread background_thread_;
};

}  // namespace keelson::kvstore
