#include "base/async.h"
#include "kvstore/mvcc/auth_check.h"
#include "kvstore/server/etcd/errors.h"
#include "kvstore/server/etcd/leader_monitor.h"
#include "kvstore/server/etcd/services.h"
#include "kvstore/server/etcd/wire.h"
#include "net/catch_cancel.h"

namespace keelson::kvstore::etcd {
namespace {

using net::GrpcCall;

struct LeaseFields {
  std::int64_t first = 0;   // TTL in a grant, else ID
  std::int64_t second = 0;  // ID in a grant, `keys` in a time-to-live
};
// All requests of Lease have two numbers at most.
Result<LeaseFields> decode(std::string_view bytes) {
  LeaseFields f;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) f.first = r.sint();
    if (r.field() == 2) f.second = r.sint();
  }
  if (!r.ok()) return malformed();
  return f;
}

// The keys of a lease for a permission check; none for a lease that is not there.
Task<Result<std::vector<std::string>>> keys_of(ServiceContext* c, LeaseId id) {
  auto info = co_await c->member.lease_time_to_live(id, true);
  if (!info) {
    if (info.error().code == Code::kNotFound) co_return std::vector<std::string>();
    co_return std::unexpected(info.error());
  }
  co_return std::move(info->keys);
}

Task<Result<Bytes>> grant(ServiceContext* c, GrpcCall* call, std::string request) {
  const auto f = CO_TRY(decode(request));
  CO_TRY(require_user(*c, *call));
  const LeaseInfo lease = CO_TRY(co_await c->member.lease_grant(f.second, f.first));
  std::string out;
  wire::Writer w(out);
  put_header(w, c->member.header());
  put_int(w, 2, lease.id);
  put_int(w, 3, lease.granted_ttl_s);
  co_return Bytes(std::move(out));
}

Task<Result<void>> may_write_lease(ServiceContext* c, const GrpcCall* call, LeaseId id) {
  const auto view = c->member.auth_view();
  if (!view->enabled) co_return Result<void>();
  const Identity who = CO_TRY(c->authenticator.identify(*call));
  CO_TRY(check_signed_in(*view, {who.user, who.auth_revision}));
  const auto keys = CO_TRY(co_await keys_of(c, id));
  co_return check_lease_write(*view, {who.user, who.auth_revision}, keys);
}

Task<Result<Bytes>> revoke(ServiceContext* c, GrpcCall* call, std::string request) {
  const auto f = CO_TRY(decode(request));
  CO_TRY(co_await may_write_lease(c, call, f.first));
  CO_TRY(co_await c->member.lease_revoke(f.first));
  co_return header_only(c->member.header());
}

Task<Result<Bytes>> time_to_live(ServiceContext* c, GrpcCall* call, std::string request) {
  const auto f = CO_TRY(decode(request));
  const Identity who = CO_TRY(require_user(*c, *call));
  auto info = co_await c->member.lease_time_to_live(f.first, f.second != 0);
  if (!info && info.error().code != Code::kNotFound) co_return std::unexpected(info.error());
  if (!info) info = LeaseInfo{.id = f.first, .remaining_ttl_s = -1};
  const auto view = c->member.auth_view();
  if (f.second != 0 && view->enabled) {
    CO_TRY(check_lease_read(*view, {who.user, who.auth_revision}, info->keys));
  }
  std::string out;
  wire::Writer w(out);
  put_header(w, c->member.header());
  put_int(w, 2, f.first);
  put_int(w, 3, info->remaining_ttl_s);
  if (info->remaining_ttl_s >= 0) put_int(w, 4, info->granted_ttl_s);
  for (const auto& key : info->keys) w.bytes(5, key);
  co_return Bytes(std::move(out));
}

Task<Result<Bytes>> leases(ServiceContext* c, GrpcCall* call, std::string request) {
  if (!decode(request)) co_return malformed();
  const auto all = CO_TRY(co_await c->member.leases());
  const auto view = c->member.auth_view();
  if (view->enabled) {
    const Identity who = CO_TRY(c->authenticator.identify(*call));
    const AuthSubject subject{who.user, who.auth_revision};
    CO_TRY(check_signed_in(*view, subject));
    if (!view->check_admin(who.user, who.auth_revision)) {
      for (const LeaseId id : all) {
        const auto keys = CO_TRY(co_await keys_of(c, id));
        CO_TRY(check_lease_read(*view, subject, keys));
      }
    }
  }
  std::string out;
  wire::Writer w(out);
  put_header(w, c->member.header());
  for (const LeaseId id : all) {
    const auto mark = w.begin(2);
    put_int(w, 1, id);
    w.end(mark);
  }
  co_return Bytes(std::move(out));
}

// ---- keep-alive

Task<Result<void>> keep_alive_once(ServiceContext* c, GrpcCall* call, std::string request) {
  const auto f = CO_TRY(decode(request));
  // As of before the renewal.
  const Header h = c->member.header();
  CO_TRY(co_await may_write_lease(c, call, f.first));
  auto info = co_await c->member.lease_keep_alive(f.first);
  if (!info && info.error().code != Code::kNotFound) co_return std::unexpected(info.error());
  std::string out;
  wire::Writer w(out);
  put_header(w, h);
  put_int(w, 2, f.first);
  if (info) put_int(w, 3, info->granted_ttl_s);
  co_return co_await call->send(Bytes(std::move(out)));
}

// What the parts of a stream share.
struct KeepAlive {
  ServiceContext* c;
  GrpcCall* call;
  Result<void> result;
  AsyncEvent done;

  void end(Result<void> r) {
    if (done.is_set()) return;
    result = std::move(r);
    done.set();
  }
};

Task<> renew_all(KeepAlive* k) {
  for (;;) {
    auto message = co_await k->call->receive();
    if (!message) co_return k->end(std::unexpected(message.error()));
    if (!*message) co_return k->end({});
    auto renewed = co_await keep_alive_once(k->c, k->call, std::move(**message));
    if (!renewed) co_return k->end(renewed);
  }
}

Task<> end_when_closed(KeepAlive* k) {
  co_await k->call->closed();
  k->end(fail(stopped_error()));
}

Task<> wait_for_loss(KeepAlive* k, std::shared_ptr<AsyncEvent> lost) {
  co_await lost->wait();
  k->end(fail(no_leader_error()));
}

Task<Result<void>> keep_alive(ServiceContext* c, LeaderMonitor* monitor, GrpcCall* call) {
  KeepAlive k{c, call, {}, {}};
  TaskGroup group;
  const auto lost = std::make_shared<AsyncEvent>();
  const auto registration = monitor->watch(*call, [lost] { lost->set(); });
  group.spawn(call->executor(), renew_all(&k));
  group.spawn(call->executor(), end_when_closed(&k));
  if (registration) group.spawn(call->executor(), wait_for_loss(&k, lost));
  const auto cancelled = co_await net::catch_cancel(k.done.wait());
  co_await group.stop();
  if (cancelled) std::rethrow_exception(cancelled);
  co_return k.result;
}

}  // namespace

void register_lease(ServiceContext& context, LeaderMonitor& monitor, net::GrpcRouter& router) {
  ServiceContext* c = &context;
  const std::string p = "/etcdserverpb.Lease/";
  router.unary(p + "LeaseGrant",
               [c](GrpcCall& call, std::string m) { return grant(c, &call, std::move(m)); });
  router.unary(p + "LeaseRevoke",
               [c](GrpcCall& call, std::string m) { return revoke(c, &call, std::move(m)); });
  router.unary(p + "LeaseTimeToLive",
               [c](GrpcCall& call, std::string m) { return time_to_live(c, &call, std::move(m)); });
  router.unary(p + "LeaseLeases",
               [c](GrpcCall& call, std::string m) { return leases(c, &call, std::move(m)); });
  router.stream(p + "LeaseKeepAlive", [c, m = &monitor](GrpcCall& call) { return keep_alive(c, m, &call); });
}

}  // namespace keelson::kvstore::etcd
