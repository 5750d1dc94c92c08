// Pending: a request on its way through the store thread, and the coroutine that waits for it.
//
//   auto p = std::make_shared<Pending>();  …  co_await wait_for(p, [this, p] { enqueue(p); });  use
//   p->outcome
//
// Either the store thread's finish() or the coroutine's cancellation resumes it, whichever comes first; a
// cancelled request still runs to its end, its outcome is dropped. Thread rule: outcome is written before
// finish(), read after.
#pragma once

#include <atomic>
#include <boost/asio/any_completion_handler.hpp>
#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/cancellation_type.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <functional>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "base/error.h"
#include "base/task.h"
#include "kvstore/types.h"

namespace keelson::kvstore {

struct Outcome {
  std::optional<Error> error;
  TxnResult txn;
  LeaseInfo lease;
  std::vector<LeaseId> leases;
};

struct Pending {
  using Handler = boost::asio::any_completion_handler<void(boost::system::error_code)>;

  Bytes command;                       // what goes to the log; or
  std::function<void(Outcome&)> call;  // what the store thread does at once
  Outcome outcome;

  // Resumes the coroutine on its own executor, unless it was cancelled before. At most once.
  void finish() { resume({}); }

  void resume(boost::system::error_code ec) {
    if (claimed.exchange(true, std::memory_order_acq_rel) || !handler) return;
    boost::asio::post(*executor, [h = std::move(*handler), ec]() mutable { std::move(h)(ec); });
  }

  std::atomic<bool> claimed{false};
  std::optional<Executor> executor;
  std::optional<Handler> handler;  // emplaced, not assigned: Boost 1.81's assignment recurses
};
using PendingPtr = std::shared_ptr<Pending>;

// Suspends until finish(); `start` hands the Pending over. Throws operation_aborted when cancelled.
template <class Start>
Task<> wait_for(PendingPtr p, Start start) {
  p->executor = co_await boost::asio::this_coro::executor;
  co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>&,
                                       void(boost::system::error_code)>(
      [p, start](auto handler) {
        auto slot = boost::asio::get_associated_cancellation_slot(handler);
        p->handler.emplace(std::move(handler));
        if (slot.is_connected()) {
          slot.assign(
              [p](boost::asio::cancellation_type) { p->resume(boost::asio::error::operation_aborted); });
        }
        start();
      },
      boost::asio::use_awaitable);
}

}  // namespace keelson::kvstore
