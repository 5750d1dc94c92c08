#include "kvstore/server/etcd/lock_service.h"

#include "kvstore/mvcc/auth_check.h"
#include "kvstore/server/etcd/session.h"
#include "kvstore/server/etcd/wire.h"

namespace keelson::kvstore::etcd {
namespace {

using net::GrpcCall;

struct LockRequest {
  std::string name;
  LeaseId lease = 0;
};

Result<LockRequest> decode_lock(std::string_view bytes) {
  LockRequest out;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) out.name = r.bytes();
    if (r.field() == 2) out.lease = r.sint();
  }
  if (!r.ok()) return malformed();
  return out;
}

Bytes lock_response(const Header& h, std::string_view key) {
  std::string out;
  wire::Writer w(out);
  put_header(w, h);
  put_bytes(w, 2, key);
  return Bytes(std::move(out));
}

Task<Result<Bytes>> lock(ServiceContext* c, GrpcCall* call, std::string request) {
  const LockRequest req = CO_TRY(decode_lock(request));
  Session session(*c, *call);
  const LeaseId lease = CO_TRY(co_await session.lease(req.lease));
  const std::string prefix = session_prefix(req.name);
  const std::string key = session_key(req.name, lease);

  // Takes a place in the queue, or finds the one that this lease has already.
  TxnRequest enter;
  enter.compares.push_back(created_at(key, 0));
  enter.success = {put_leased(key, {}, lease), range_owner(prefix)};
  enter.failure = {range_key(key), range_owner(prefix)};
  const TxnResult entered = CO_TRY(co_await session.txn(std::move(enter)));
  Revision revision = entered.revision;
  if (!entered.succeeded) revision = entered.responses.at(0).range.kvs.at(0).create_revision;
  const auto& owner = entered.responses.at(1).range.kvs;
  if (owner.empty() || owner.front().create_revision == revision) {
    co_return lock_response(session.header(entered.revision), key);
  }

  auto turn = co_await session.wait_turn(prefix, key, revision);
  if (turn && *turn == Session::Turn::kOurs) {
    co_return lock_response(session.header(c->member.current_revision()), key);
  }
  if (turn && *turn == Session::Turn::kLost) {
    co_return fail(Code::kUnknown, "mutex: session is expired");
  }
  // The place is given up; should this fail, the lease's end does it.
  (void)co_await session.release(key, revision);
  if (!turn) co_return fail(std::move(turn.error()));
  co_return fail(Code::kCancelled, "context canceled");
}

Task<Result<Bytes>> unlock(ServiceContext* c, GrpcCall* call, std::string request) {
  std::string key;
  wire::Reader r(request);
  while (r.next()) {
    if (r.field() == 1) key = r.bytes();
  }
  if (!r.ok()) co_return malformed();
  if (key.empty()) co_return fail(Code::kUnknown, "etcdserver: key is not provided");
  Session session(*c, *call);
  TxnRequest request_txn;
  TxnOp op;
  op.kind = TxnOp::Kind::kDelete;
  op.del.key = std::move(key);
  request_txn.success.push_back(std::move(op));
  const TxnResult done = CO_TRY(co_await session.txn(std::move(request_txn)));
  co_return header_only(session.header(done.revision));
}

}  // namespace

void register_lock(ServiceContext& c, net::GrpcRouter& router) {
  router.unary("/v3lockpb.Lock/Lock",
               [&c](GrpcCall& call, std::string request) { return lock(&c, &call, std::move(request)); });
  router.unary("/v3lockpb.Lock/Unlock",
               [&c](GrpcCall& call, std::string request) { return unlock(&c, &call, std::move(request)); });
}

}  // namespace keelson::kvstore::etcd
