// Pending: one request on its way through a Replica, and who waits for it: a coroutine (wait_for) or, in the
// simulator and inside the Replica, a plain callback (on_done).
//
//   auto p = std::make_shared<Pending>();  p->op = …;
//   co_await wait_for(p, [this, p] { enqueue(p); });      p->outcome
//   or: p->on_done = [p = p.get()] { …p->outcome… };  replica.submit(p);
//
// Either the Replica's finish() or the coroutine's cancellation resumes it, whichever comes first; a
// cancelled request still runs to its end, its outcome is dropped.
//
// Thread rule: the request's fields are not changed once it is submitted; outcome is written before finish(),
// read after.
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
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"
#include "kvstore/mvcc/auth_store.h"
#include "kvstore/server/member.h"
#include "kvstore/types.h"
#include "raft/core/types.h"

namespace keelson::kvstore {

// One change of who takes part.
struct MemberChange {
  enum class Op : std::uint8_t { kAdd = 1, kAddLearner, kRemove, kUpdate, kPromote };
  Op op = Op::kAdd;
  std::uint64_t id = 0;                // all but kAdd, kAddLearner: those get theirs on the way (member_id.h)
  std::vector<std::string> peer_urls;  // kAdd, kAddLearner, kUpdate
};

struct Outcome {
  std::optional<Error> error;
  TxnResult txn;                    // kCommand of a transaction
  LeaseInfo lease;                  // a grant, a revocation (its revision), kKeepAlive, kTimeToLive
  std::vector<MemberInfo> members;  // kMember: all members after the change; for add the new one is the last
  std::vector<Alarm> alarms;        // an alarm command: those that changed
  AuthReply auth;                   // an auth command
  std::vector<LeaseId> leases;      // kRead with list_leases
  // Everything up to here was applied when it finished.
  raft::Index applied;
};

struct Pending {
  enum class Op : std::uint8_t {
    kCommand,     // `command` goes through the log; finished where it is applied
    kRead,        // a linearizable read: once finished, whatever was acknowledged to anybody before it was
                  // submitted is in the Replica's state
    kKeepAlive,   // `lease`; asked of the leader
    kTimeToLive,  // `lease`, `lease_keys`; asked of the leader
    kMember,      // `change`; asked of the leader
    kMoveLeader,  // `target`
  };
  using Handler = boost::asio::any_completion_handler<void(boost::system::error_code)>;

  Op op = Op::kCommand;
  std::string command;    // from command.h; moved from
  bool grows = false;     // kCommand: it may put or grant: refused when there is no space
  bool physical = false;  // kCommand of a compaction: finished once the versions are gone
  LeaseId lease = 0;
  bool lease_keys = false;
  MemberChange change;
  std::uint64_t target = 0;
  bool list_leases = false;  // kRead
  MonoTime deadline{};       // default: the Replica's request timeout from submit() on
  Outcome outcome;

  // Called by finish() on the Replica's thread, in the middle of its work: it must not call the Replica but
  // for reading, and submit().
  std::function<void()> on_done;

  // Tells who waits, unless a coroutine was cancelled before. At most once.
  void finish() {
    if (on_done) {
      if (!claimed.exchange(true, std::memory_order_acq_rel)) std::exchange(on_done, nullptr)();
      return;
    }
    resume({});
  }

  void resume(boost::system::error_code ec) {
    if (claimed.exchange(true, std::memory_order_acq_rel) || !handler) return;
    boost::asio::post(*executor, [h = std::move(*handler), ec]() mutable { std::move(h)(ec); });
  }

  std::atomic<bool> claimed{false};
  std::optional<Executor> executor;
  std::optional<Handler> handler;  // emplaced, not assigned: Boost 1.81's assignment recurses

  // The Replica's.
  Bytes data;                    // `command`, as proposed
  std::uint64_t id = 0;          // names the request in the log and between members
  raft::Term term;               // in which it was proposed
  raft::Index index;             // of reads: the applied index to wait for
  std::uint64_t new_member = 0;  // kMember: the id that an added one got
  MonoTime submitted{};
  MonoTime lost_by{};  // on its way the connection broke: unanswered by then, it is lost; default: it did not
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
