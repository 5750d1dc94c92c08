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
  LeaseInfo want;
  CO_TRY(rpc::decode_lease_grant(request, want));
  Identity who = CO_TRY(require_user(*c, *call));
  const LeaseInfo lease =
      CO_TRY(co_await c->member.lease_grant(want.id, want.granted_ttl_s, std::move(who)));
  std::string out;
  rpc::encode_lease_granted(with_revision(c->member.header(), lease.revision), lease, out);
  co_return Bytes(std::move(out));
}

Task<Result<Bytes>> revoke(ServiceContext* c, GrpcCall* call, std::string request) {
  LeaseId id = 0;
  CO_TRY(rpc::decode_lease_id(request, id));
  // Its keys are looked at where it is applied.
  Identity who = CO_TRY(require_user(*c, *call));
  const Revision revision = CO_TRY(co_await c->member.lease_revoke(id, std::move(who)));
  co_return header_only(with_revision(c->member.header(), revision));
}

Task<Result<Bytes>> time_to_live(ServiceContext* c, GrpcCall* call, std::string request) {
  LeaseId id = 0;
  bool keys = false;
  CO_TRY(rpc::decode_lease_time_to_live(request, id, keys));
  const Identity who = CO_TRY(require_user(*c, *call));
  if (c->points.before_time_to_live) co_await pass(c->points.before_time_to_live, c->clock);
  auto info = co_await c->member.lease_time_to_live(id, keys);
  if (!info && info.error().code != Code::kNotFound) co_return std::unexpected(info.error());
  if (!info) info = LeaseInfo{.id = id, .remaining_ttl_s = -1};
  const auto view = c->member.auth_view();
  if (keys && view->enabled) {
    CO_TRY(check_lease_read(*view, {who.user, who.auth_revision}, info->keys));
  }
  info->id = id;
  if (info->remaining_ttl_s < 0) info->granted_ttl_s = 0;
  std::string out;
  rpc::encode_lease_lives(c->member.header(), *info, out);
  co_return Bytes(std::move(out));
}

Task<Result<Bytes>> leases(ServiceContext* c, GrpcCall* call, std::string request) {
  LeaseId none = 0;  // the request has no fields
  CO_TRY(rpc::decode_lease_id(request, none));
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
  rpc::encode_leases(c->member.header(), all, out);
  co_return Bytes(std::move(out));
}

// ---- keep-alive

Task<Result<void>> may_write_lease(ServiceContext* c, const GrpcCall* call, LeaseId id) {
  const auto view = c->member.auth_view();
  if (!view->enabled) co_return Result<void>();
  const Identity who = CO_TRY(c->authenticator.identify(*call));
  CO_TRY(check_signed_in(*view, {who.user, who.auth_revision}));
  const auto keys = CO_TRY(co_await keys_of(c, id));
  co_return check_lease_write(*view, {who.user, who.auth_revision}, keys);
}

Task<Result<void>> keep_alive_once(ServiceContext* c, GrpcCall* call, std::string request) {
  LeaseId id = 0;
  CO_TRY(rpc::decode_lease_id(request, id));
  // As of before the renewal.
  const Header h = c->member.header();
  CO_TRY(co_await may_write_lease(c, call, id));
  if (c->points.before_renew) co_await pass(c->points.before_renew, c->clock);
  auto info = co_await c->member.lease_keep_alive(id);
  if (!info && info.error().code != Code::kNotFound) co_return std::unexpected(info.error());
  LeaseInfo kept{.id = id};
  if (info) kept.remaining_ttl_s = info->granted_ttl_s;
  std::string out;
  rpc::encode_lease_kept(h, kept, out);
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
