#include <limits>

#include "kvstore/mvcc/auth_check.h"
#include "kvstore/mvcc/state.h"
#include "kvstore/server/etcd/errors.h"
#include "kvstore/server/etcd/services.h"
#include "kvstore/server/etcd/wire.h"

namespace keelson::kvstore::etcd {
namespace {

using net::GrpcCall;

constexpr std::int64_t kFirstChunk = 10;  // keys of the first message of a RangeStream

// The caller, and that it may `check`. The view is looked at once: whatever changes later is caught where the
// request is applied, by the auth revision.
template <class Check>
Result<Identity> permit(const ServiceContext& c, const GrpcCall& call, Check check) {
  const auto view = c.member.auth_view();
  if (!view->enabled) return Identity{};
  auto who = TRY(c.authenticator.identify(call));
  TRY(check(*view, AuthSubject{who.user, who.auth_revision}));
  return who;
}

Result<void> check_learner(const ServiceContext& c, const RangeRequest& r) {
  if (!r.serializable && c.member.is_learner()) return fail(not_supported_for_learner_error());
  return {};
}

// ---- Range

Result<RangeRequest> decode_range(const std::string& request) {
  RangeRequest r = TRY(decoded<RangeRequest>(Bytes::literal(request)));
  if (r.key.empty()) return fail(empty_key_error());
  return r;
}

std::optional<Result<Bytes>> range_now(ServiceContext& c, GrpcCall& call, const std::string& request) {
  const auto answer = [&]() -> Result<std::optional<Bytes>> {
    const RangeRequest r = TRY(decode_range(request));
    const Identity who =
        TRY(permit(c, call, [&](const AuthView& v, AuthSubject i) { return check_range(v, i, r); }));
    TRY(check_learner(c, r));
    auto result = c.member.range_now(r, who);
    if (!result) return std::nullopt;
    const RangeResult found = TRY(std::move(*result));
    return encoded(with_revision(c.member.header(), found.revision), found);
  };
  auto r = answer();
  if (!r) return std::unexpected(std::move(r).error());
  if (!*r) return std::nullopt;
  return std::move(**r);
}

Task<Result<Bytes>> range(ServiceContext* c, GrpcCall* call, std::string request) {
  RangeRequest r = CO_TRY(decode_range(request));
  const Identity who =
      CO_TRY(permit(*c, *call, [&](const AuthView& v, AuthSubject i) { return check_range(v, i, r); }));
  CO_TRY(check_learner(*c, r));
  const RangeResult found = CO_TRY(co_await c->member.range(std::move(r), who));
  co_return encoded(with_revision(c->member.header(), found.revision), found);
}

// One revision, in pieces of about max_request_bytes; the last has the header, `more` and `count`.
Task<Result<void>> range_stream(ServiceContext* c, GrpcCall* call) {
  auto request = CO_TRY(co_await call->receive());
  if (!request) co_return malformed();
  RangeRequest r = CO_TRY(decode_range(*request));
  const bool by_key = r.sort_order == SortOrder::kNone ||
                      (r.sort_target == SortTarget::kKey && r.sort_order == SortOrder::kAscend);
  if (!by_key) co_return fail(Code::kUnimplemented, "RangeStream does not support custom sort orders");
  if (r.min_mod_revision != 0 || r.max_mod_revision != 0 || r.min_create_revision != 0 ||
      r.max_create_revision != 0) {
    co_return fail(Code::kUnimplemented, "RangeStream does not support revision filters");
  }
  const Identity who =
      CO_TRY(permit(*c, *call, [&](const AuthView& v, AuthSubject i) { return check_range(v, i, r); }));
  std::int64_t left = r.limit > 0 ? r.limit : std::numeric_limits<std::int64_t>::max();
  r.limit = r.count_only ? 0 : std::min(kFirstChunk, left);
  Revision header_revision = 0;
  std::int64_t sent = 0;
  for (;;) {
    RangeResult found = CO_TRY(co_await c->member.range(r, who));
    if (header_revision == 0) header_revision = found.revision;
    if (r.revision == 0) r.revision = header_revision;
    r.serializable = true;  // the first answer was as new as it must be
    const auto n = static_cast<std::int64_t>(found.kvs.size());
    left -= n;
    const bool last = r.count_only || !found.more || left == 0;
    const Header h = with_revision(c->member.header(), header_revision);
    // The store counts from r.key on: what was sent is before it.
    found.count = last ? found.count + sent : 0;
    if (r.count_only || !last) found.more = false;
    sent += n;
    std::string message;
    rpc::encode_stream_piece(last ? &h : nullptr, found, message);
    const std::size_t size = message.size();
    CO_TRY(co_await call->send(Bytes(std::move(message))));
    if (last) co_return Result<void>();
    r.key = std::string(found.kvs.back().key.view()) + '\0';
    if (size < c->options.max_request_bytes / 2) r.limit *= 2;
    if (size > c->options.max_request_bytes * 2) r.limit = std::max<std::int64_t>(r.limit / 2, 1);
    r.limit = std::min(r.limit, left);
  }
}

// ---- writes

Result<void> check_size(const ServiceContext& c, std::size_t bytes) {
  // etcd measures the entry, which carries an id of its own beside the request.
  if (bytes + 16 > c.options.max_request_bytes) return fail(request_too_large_error());
  return {};
}

Task<Result<Bytes>> put(ServiceContext* c, GrpcCall* call, std::string request) {
  const std::size_t size = request.size();
  TxnOp op;
  op.kind = TxnOp::Kind::kPut;
  CO_TRY(rpc::decode(Bytes(std::move(request)), op.put));
  if (op.put.key.empty()) co_return fail(empty_key_error());
  if (op.put.ignore_value && !op.put.value.empty()) co_return fail(value_provided_error());
  if (op.put.ignore_lease && op.put.lease != 0) co_return fail(lease_provided_error());
  CO_TRY(check_size(*c, size));
  Identity who = CO_TRY(
      permit(*c, *call, [&](const AuthView& v, AuthSubject i) { return check_put(v, i, op.put, nullptr); }));
  TxnRequest t;
  t.success.push_back(std::move(op));
  const TxnResult done = CO_TRY(co_await c->member.txn(std::move(t), std::move(who)));
  co_return encoded(with_revision(c->member.header(), done.revision), done.responses.at(0));
}

Task<Result<Bytes>> delete_range(ServiceContext* c, GrpcCall* call, std::string request) {
  TxnOp op;
  op.kind = TxnOp::Kind::kDelete;
  CO_TRY(rpc::decode(Bytes::literal(request), op.del));
  if (op.del.key.empty()) co_return fail(empty_key_error());
  CO_TRY(check_size(*c, request.size()));
  Identity who =
      CO_TRY(permit(*c, *call, [&](const AuthView& v, AuthSubject i) { return check_delete(v, i, op.del); }));
  TxnRequest t;
  t.success.push_back(std::move(op));
  const TxnResult done = CO_TRY(co_await c->member.txn(std::move(t), std::move(who)));
  co_return encoded(with_revision(c->member.header(), done.revision), done.responses.at(0));
}

Task<Result<Bytes>> txn(ServiceContext* c, GrpcCall* call, std::string request) {
  const std::size_t size = request.size();
  TxnRequest t = CO_TRY(decoded<TxnRequest>(Bytes(std::move(request))));
  CO_TRY(validate(t, c->options.max_txn_ops));
  if (!is_read_only(t)) CO_TRY(check_size(*c, size));
  Identity who = CO_TRY(
      permit(*c, *call, [&](const AuthView& v, AuthSubject i) { return check_txn(v, i, t, nullptr); }));
  const TxnResult done = CO_TRY(co_await c->member.txn(std::move(t), std::move(who)));
  co_return encoded(with_revision(c->member.header(), done.revision), done);
}

Task<Result<Bytes>> compact(ServiceContext* c, GrpcCall* call, std::string request) {
  CO_TRY(require_admin(*c, *call));
  const auto r = CO_TRY(decoded<rpc::CompactionRequest>(Bytes::literal(request)));
  CO_TRY(co_await c->member.compact(r.revision, r.physical));
  co_return header_only(c->member.header());
}

}  // namespace

void register_kv(ServiceContext& context, net::GrpcRouter& router) {
  ServiceContext* c = &context;
  const std::string p = "/etcdserverpb.KV/";
  router.unary(
      p + "Range", [c](GrpcCall& call, std::string m) { return range(c, &call, std::move(m)); },
      [c](GrpcCall& call, const std::string& m) { return range_now(*c, call, m); });
  router.stream(p + "RangeStream", [c](GrpcCall& call) { return range_stream(c, &call); });
  router.unary(p + "Put", [c](GrpcCall& call, std::string m) { return put(c, &call, std::move(m)); });
  router.unary(p + "DeleteRange",
               [c](GrpcCall& call, std::string m) { return delete_range(c, &call, std::move(m)); });
  router.unary(p + "Txn", [c](GrpcCall& call, std::string m) { return txn(c, &call, std::move(m)); });
  router.unary(p + "Compact", [c](GrpcCall& call, std::string m) { return compact(c, &call, std::move(m)); });
}

}  // namespace keelson::kvstore::etcd
