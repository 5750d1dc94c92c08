#include "base/async.h"

#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/bind_executor.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <future>
#include <list>
#include <vector>

namespace keelson {

namespace asio = boost::asio;
using boost::system::error_code;
using Handler = asio::any_completion_handler<void(error_code)>;

namespace {

// A suspended coroutine: its handler and the executor it resumes on.
struct Waiter {
  std::uint64_t id = 0;
  Executor ex;
  Handler handler;
};

void complete(Waiter w, error_code ec) {
  auto ex = std::move(w.ex);
  asio::post(ex, [h = std::move(w.handler), ec]() mutable { std::move(h)(ec); });
}

}  // namespace

struct AsyncEvent::Impl {
  mutable std::mutex mu;
  bool set = false;
  std::uint64_t next_id = 0;
  std::list<Waiter> waiters;

  void finish_one(std::uint64_t id, error_code ec) {
    std::list<Waiter> found;
    {
      std::lock_guard lock(mu);
      for (auto it = waiters.begin(); it != waiters.end(); ++it) {
        if (it->id != id) continue;
        found.splice(found.end(), waiters, it);
        break;
      }
    }
    for (auto& w : found) complete(std::move(w), ec);
  }
};

AsyncEvent::AsyncEvent() : impl_(std::make_shared<Impl>()) {}
AsyncEvent::~AsyncEvent() = default;

void AsyncEvent::set() {
  std::list<Waiter> woken;
  {
    std::lock_guard lock(impl_->mu);
    impl_->set = true;
    woken.swap(impl_->waiters);
  }
  for (auto& w : woken) complete(std::move(w), {});
}

void AsyncEvent::reset() {
  std::lock_guard lock(impl_->mu);
  impl_->set = false;
}

bool AsyncEvent::is_set() const {
  std::lock_guard lock(impl_->mu);
  return impl_->set;
}

Task<> AsyncEvent::wait() {
  auto impl = impl_;
  {
    std::lock_guard lock(impl->mu);
    if (impl->set) co_return;
  }
  auto ex = co_await asio::this_coro::executor;
  co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(error_code)>(
      [impl, ex](auto handler) {
        auto slot = asio::get_associated_cancellation_slot(handler);
        Waiter w{0, ex, Handler(std::move(handler))};
        std::uint64_t id = 0;
        bool now = false;
        {
          std::lock_guard lock(impl->mu);
          now = impl->set;
          if (!now) {
            id = w.id = impl->next_id++;
            impl->waiters.push_back(std::move(w));
          }
        }
        if (now) {
          complete(std::move(w), {});
        } else if (slot.is_connected()) {
          slot.assign(
              [impl, id](asio::cancellation_type) { impl->finish_one(id, asio::error::operation_aborted); });
        }
      },
      asio::use_awaitable);
}

namespace {
Task<> set_at(Clock* clock, MonoTime at, std::shared_ptr<AsyncEvent> done) {
  co_await clock->sleep_until(at);
  done->set();
}
Task<> forward(AsyncEvent* from, std::shared_ptr<AsyncEvent> to) {
  co_await from->wait();
  to->set();
}
}  // namespace

Task<bool> AsyncEvent::wait_until(Clock& clock, MonoTime deadline) {
  if (is_set()) co_return true;
  auto ex = co_await asio::this_coro::executor;
  auto either = std::make_shared<AsyncEvent>();
  TaskGroup group;
  group.spawn(ex, set_at(&clock, deadline, either));
  group.spawn(ex, forward(this, either));
  std::exception_ptr aborted;
  try {
    co_await either->wait();
  } catch (...) {
    aborted = std::current_exception();
  }
  // The two refer to this frame's callers: they end first, whatever happens; a cancellation that comes
  // meanwhile is delivered after that. (A cancelled coroutine throws at its next co_await, also when that is
  // stop().)
  group.cancel();
  for (bool ended = false; !ended;) {
    const auto state = co_await asio::this_coro::cancellation_state;
    if (state.cancelled() != asio::cancellation_type::none && !aborted) {
      aborted = std::make_exception_ptr(boost::system::system_error(asio::error::operation_aborted));
    }
    co_await asio::this_coro::reset_cancellation_state();
    try {
      co_await group.join();
      ended = true;
    } catch (...) {
      if (!aborted) aborted = std::current_exception();
    }
  }
  if (aborted) std::rethrow_exception(aborted);
  co_return is_set();
}

struct TaskGroup::Impl {
  struct Member {
    Executor ex;
    asio::cancellation_signal signal;
  };
  FailureHandler on_failure;
  mutable std::mutex mu;
  bool cancelled = false;
  std::list<std::shared_ptr<Member>> members;
  AsyncEvent empty;

  void leave(const std::shared_ptr<Member>& m, std::exception_ptr e) {
    if (e) report(e);
    std::lock_guard lock(mu);
    members.remove(m);
    if (members.empty()) empty.set();
  }

  void report(std::exception_ptr e) const {
    std::string what = "unknown exception";
    try {
      std::rethrow_exception(e);
    } catch (const boost::system::system_error& err) {
      if (err.code() == asio::error::operation_aborted) return;
      what = err.what();
    } catch (const std::exception& err) {
      what = err.what();
    } catch (...) {
    }
    if (on_failure) {
      on_failure(what);
      return;
    }
    std::fprintf(stderr, "a task ended by an exception: %s\n", what.c_str());
    std::abort();
  }
};

TaskGroup::TaskGroup(FailureHandler on_failure) : impl_(std::make_shared<Impl>()) {
  impl_->on_failure = std::move(on_failure);
  impl_->empty.set();
}

TaskGroup::~TaskGroup() = default;

void TaskGroup::spawn(Executor ex, Task<> task) {
  auto impl = impl_;
  auto member = std::make_shared<Impl::Member>();
  member->ex = ex;
  {
    std::lock_guard lock(impl->mu);
    if (impl->cancelled) return;
    impl->members.push_back(member);
    impl->empty.reset();
  }
  asio::co_spawn(ex, std::move(task),
                 asio::bind_cancellation_slot(member->signal.slot(), [impl, member](std::exception_ptr e) {
                   impl->leave(member, e);
                 }));
}

void TaskGroup::cancel() {
  std::vector<std::shared_ptr<Impl::Member>> all;
  {
    std::lock_guard lock(impl_->mu);
    impl_->cancelled = true;
    all.assign(impl_->members.begin(), impl_->members.end());
  }
  for (auto& m : all) {
    // A signal may only be emitted on the executor of its coroutine.
    asio::post(m->ex, [m] { m->signal.emit(asio::cancellation_type::all); });
  }
}

Task<> TaskGroup::join() {
  auto impl = impl_;
  co_await impl->empty.wait();
}

// No coroutine itself: cancel() has happened also when the caller, itself cancelled, throws at its co_await.
Task<> TaskGroup::stop() {
  cancel();
  return join();
}

std::size_t TaskGroup::size() const {
  std::lock_guard lock(impl_->mu);
  return impl_->members.size();
}

void block_on(Executor ex, Task<> task) {
  std::promise<void> done;
  asio::co_spawn(ex, std::move(task), [&done](std::exception_ptr e) {
    if (e) {
      done.set_exception(e);
    } else {
      done.set_value();
    }
  });
  done.get_future().get();
}

Task<> resume_on(Executor ex) {
  co_await asio::post(ex, asio::bind_executor(ex, asio::use_awaitable));
}

}  // namespace keelson
