// The few things coroutines wait on: AsyncEvent, Channel<T>, TaskGroup. No timers, no sockets (see base/clock.h, net/).
// All waits resume on the waiting coroutine's own executor and are cancellable (base/task.h).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/task.h"

namespace keelson {

// A flag that coroutines can wait for. Manual reset. Thread rule: thread-safe.
class AsyncEvent {
 public:
  AsyncEvent();
  ~AsyncEvent();  // REQUIRES: nobody waits.
  AsyncEvent(const AsyncEvent&) = delete;
  AsyncEvent& operator=(const AsyncEvent&) = delete;

  // Wakes all waiters; later waits return at once until reset().
  void set();
  void reset();
  bool is_set() const;
  // Returns once the event is set. Throws operation_aborted when cancelled.
  Task<> wait();
  // Like wait(), at most until `deadline`. True when set, false when the time ran out.
  Task<bool> wait_until(Clock& clock, MonoTime deadline);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// A bounded queue between coroutines. Thread rule: thread-safe; any number of producers and consumers.
template <class T>
class Channel {
 public:
  // REQUIRES: capacity > 0.
  explicit Channel(std::size_t capacity) : capacity_(capacity) {}

  // False when full or closed; `value` is moved from only when it was taken.
  bool try_push(T&& value) {
    std::lock_guard lock(mu_);
    if (closed_ || items_.size() >= capacity_) return false;
    items_.push_back(std::move(value));
    not_empty_.set();
    if (items_.size() >= capacity_) not_full_.reset();
    return true;
  }
  // Waits for room. False when closed.
  Task<bool> push(T value) {
    for (;;) {
      {
        std::lock_guard lock(mu_);
        if (closed_) co_return false;
        if (items_.size() < capacity_) {
          items_.push_back(std::move(value));
          not_empty_.set();
          if (items_.size() >= capacity_) not_full_.reset();
          co_return true;
        }
      }
      co_await not_full_.wait();
    }
  }
  std::optional<T> try_pop() {
    std::lock_guard lock(mu_);
    return take();
  }
  // Waits for an item; nullopt once the channel is closed and drained.
  Task<std::optional<T>> pop() {
    for (;;) {
      {
        std::lock_guard lock(mu_);
        if (auto v = take()) co_return v;
        if (closed_) co_return std::nullopt;
      }
      co_await not_empty_.wait();
    }
  }
  // No more pushes; what is queued may still be popped.
  void close() {
    std::lock_guard lock(mu_);
    closed_ = true;
    not_empty_.set();
    not_full_.set();
  }
  std::size_t size() const {
    std::lock_guard lock(mu_);
    return items_.size();
  }

 private:
  std::optional<T> take() {
    if (items_.empty()) return std::nullopt;
    std::optional<T> v(std::move(items_.front()));
    items_.pop_front();
    if (items_.empty() && !closed_) not_empty_.reset();
    not_full_.set();
    return v;
  }
  const std::size_t capacity_;
  mutable std::mutex mu_;
  std::deque<T> items_;
  bool closed_ = false;
  AsyncEvent not_empty_;
  AsyncEvent not_full_;
};

// Owns running coroutines: nothing is detached in Keelson. cancel() asks all to end, join() waits until they have.
// A member that ends by an exception other than cancellation is reported to `on_failure` (default: log to stderr
// and abort). Thread rule: thread-safe.
class TaskGroup {
 public:
  using FailureHandler = std::function<void(std::string what)>;
  explicit TaskGroup(FailureHandler on_failure = nullptr);
  ~TaskGroup();  // REQUIRES: no member runs (join() returned), or every executor has stopped for good.
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  // Starts `task` on `ex`. After cancel() the task is dropped unstarted.
  void spawn(Executor ex, Task<> task);
  // Cancels all members, now and later ones. Returns at once.
  void cancel();
  // Returns when no member is left.
  Task<> join();
  // cancel() and join().
  Task<> stop();
  std::size_t size() const;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

// Runs `task` on `ex` and blocks this thread until it ends; rethrows what it throws. For main() and tests.
// REQUIRES: the caller is not a thread that runs `ex`.
void block_on(Executor ex, Task<> task);

// Moves the calling coroutine to `ex` until its next suspension, which resumes on its own executor again: how a long
// computation leaves an io thread.
Task<> resume_on(Executor ex);

}  // namespace keelson
