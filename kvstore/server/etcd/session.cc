#include "kvstore/server/etcd/session.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/async.h"
#include "kvstore/mvcc/auth_check.h"
#include "kvstore/server/etcd/wire.h"
#include "net/catch_cancel.h"

namespace keelson::kvstore::etcd {
namespace {

constexpr std::int64_t kLeaseTtl_s = 60;

template <class T>
Result<T> unknown_code(Result<T> r) {
  if (!r) r.error().code = Code::kUnknown;
  return r;
}

// What wait_deleted() waits for, whichever comes first.
struct Awaited {
  AsyncEvent any;
  bool older_deleted = false;
  bool own_deleted = false;
  bool gone = false;
  std::optional<Error> failed;
};

Task<> note_closed(net::GrpcCall* call, Awaited* w) {
  co_await call->closed();
  w->gone = true;
  w->any.set();
}

Task<> note_deleted(WatchStream* stream, Awaited* w, bool Awaited::* flag) {
  for (;;) {
    auto batch = co_await stream->next();
    if (!batch) w->failed = batch.error();
    const auto is_delete = [](const Event& e) { return e.type == Event::Type::kDelete; };
    if (batch && std::ranges::any_of(batch->events, is_delete)) w->*flag = true;
    if (w->failed || w->*flag) break;
  }
  w->any.set();
}

}  // namespace

template <class Check>
Result<Identity> Session::permit(Check check) const {
  const auto allowed = [&]() -> Result<Identity> {
    const auto view = c_->member.auth_view();
    if (!view->enabled) return Identity{};
    auto who = TRY(c_->authenticator.identify(*call_));
    TRY(check(*view, AuthSubject{who.user, who.auth_revision}));
    return who;
  };
  return unknown_code(allowed());
}

Task<Result<LeaseId>> Session::lease(LeaseId lease) {
  if (lease != 0) co_return lease;
  CO_TRY(permit(check_signed_in));
  const LeaseInfo granted = CO_TRY(unknown_code(co_await c_->member.lease_grant(0, kLeaseTtl_s)));
  co_return granted.id;
}

Task<Result<TxnResult>> Session::txn(TxnRequest request) {
  Identity who =
      CO_TRY(permit([&](const AuthView& v, AuthSubject i) { return check_txn(v, i, request, nullptr); }));
  co_return unknown_code(co_await c_->member.txn(std::move(request), std::move(who)));
}

Task<Result<RangeResult>> Session::range(RangeRequest request) {
  Identity who = CO_TRY(permit([&](const AuthView& v, AuthSubject i) { return check_range(v, i, request); }));
  co_return unknown_code(co_await c_->member.range(std::move(request), std::move(who)));
}

Task<Result<std::unique_ptr<WatchStream>>> Session::watch(WatchRequest request) {
  CO_TRY(
      permit([&](const AuthView& v, AuthSubject i) { return check_watch(v, i, request.key, request.end); }));
  co_return unknown_code(co_await c_->member.watch(std::move(request)));
}

Task<Result<Session::Turn>> Session::wait_turn(std::string prefix, std::string key, Revision revision) {
  for (;;) {
    // The youngest of the older keys, so that each release wakes one waiter; and ours, at the same revision.
    TxnRequest look;
    look.success.push_back(range_owner(prefix));
    RangeRequest& older = look.success.back().range;
    older.sort_order = SortOrder::kDescend;
    older.max_create_revision = revision - 1;
    look.success.push_back(range_key(key));
    const TxnResult seen = CO_TRY(co_await txn(std::move(look)));
    const auto& own = seen.responses.at(1).range.kvs;
    if (own.empty() || own.front().create_revision != revision) co_return Turn::kLost;
    const auto& before = seen.responses.at(0).range.kvs;
    if (before.empty()) co_return Turn::kOurs;
    const Turn turn = CO_TRY(co_await wait_deleted(std::string(before.front().key), key, seen.revision));
    if (turn != Turn::kOurs) co_return turn;
  }
}

Task<Result<Session::Turn>> Session::wait_deleted(std::string older, std::string own, Revision revision) {
  WatchRequest request;
  request.start_revision = revision + 1;
  request.no_put = true;
  request.key = std::move(older);
  const auto older_watch = CO_TRY(co_await watch(request));
  request.key = std::move(own);
  const auto own_watch = CO_TRY(co_await watch(request));

  Awaited w;
  TaskGroup group;
  const Executor ex = call_->executor();
  group.spawn(ex, note_closed(call_, &w));
  group.spawn(ex, note_deleted(older_watch.get(), &w, &Awaited::older_deleted));
  group.spawn(ex, note_deleted(own_watch.get(), &w, &Awaited::own_deleted));
  const auto thrown = co_await net::catch_cancel(w.any.wait());
  co_await group.stop();
  if (thrown) std::rethrow_exception(thrown);
  if (w.own_deleted) co_return Turn::kLost;
  if (w.gone) co_return Turn::kGone;
  // A watch that fell behind is no reason to give up: what it missed is seen by looking again.
  if (w.failed && w.failed->code != Code::kOutOfRange && w.failed->code != Code::kResourceExhausted) {
    co_return fail(Code::kUnknown, w.failed->message);
  }
  co_return Turn::kOurs;
}

Task<Result<TxnResult>> Session::release(std::string key, Revision revision) {
  TxnRequest request;
  request.compares.push_back(created_at(key, revision));
  TxnOp op;
  op.kind = TxnOp::Kind::kDelete;
  op.del.key = std::move(key);
  request.success.push_back(std::move(op));
  co_return co_await txn(std::move(request));
}

Header Session::header(Revision revision) const {
  return with_revision(c_->member.header(), revision);
}

std::string session_prefix(std::string_view name) {
  return std::string(name) + "/";
}

std::string session_key(std::string_view name, LeaseId lease) {
  return fmt::format("{}/{:x}", name, lease);
}

TxnOp range_owner(std::string_view prefix) {
  TxnOp op = range_key(prefix);
  op.range.end = prefix_end(prefix);
  op.range.sort_target = SortTarget::kCreate;
  op.range.sort_order = SortOrder::kAscend;
  op.range.limit = 1;
  return op;
}

TxnOp range_key(std::string_view key) {
  TxnOp op;
  op.kind = TxnOp::Kind::kRange;
  op.range.key = key;
  return op;
}

TxnOp put_leased(std::string_view key, std::string_view value, LeaseId lease) {
  TxnOp op;
  op.kind = TxnOp::Kind::kPut;
  op.put.key = key;
  op.put.value = Bytes::copy(value);
  op.put.lease = lease;
  return op;
}

Compare created_at(std::string_view key, Revision revision) {
  Compare c;
  c.key = key;
  c.target = Compare::Target::kCreate;
  c.op = Compare::Op::kEqual;
  c.number = revision;
  return c;
}

std::string prefix_end(std::string_view prefix) {
  std::string end(prefix);
  while (!end.empty()) {
    if (static_cast<unsigned char>(end.back()) != 0xff) {
      end.back() = static_cast<char>(static_cast<unsigned char>(end.back()) + 1);
      return end;
    }
    end.pop_back();
  }
  return std::string(1, '\0');
}

}  // namespace keelson::kvstore::etcd
