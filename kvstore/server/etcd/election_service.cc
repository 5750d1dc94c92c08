// v3electionpb.Election, see lock_service.h. The leader is the oldest key under NAME/; its value is what it
// proclaims. Field numbers: etcd v3election.proto.
#include "base/async.h"
#include "kvstore/server/etcd/lock_service.h"
#include "kvstore/server/etcd/session.h"
#include "kvstore/server/etcd/wire.h"
#include "net/catch_cancel.h"

namespace keelson::kvstore::etcd {
namespace {

using net::GrpcCall;

struct LeaderKey {
  std::string name;
  std::string key;
  Revision revision = 0;
  LeaseId lease = 0;
};

struct CampaignRequest {
  std::string name;
  LeaseId lease = 0;
  std::string value;
};

// ProclaimRequest; a ResignRequest is one without a value.
struct ProclaimRequest {
  std::optional<LeaderKey> leader;
  std::string value;
};

Result<CampaignRequest> decode_campaign(std::string_view bytes) {
  CampaignRequest out;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) out.name = r.bytes();
    if (r.field() == 2) out.lease = r.sint();
    if (r.field() == 3) out.value = r.bytes();
  }
  if (!r.ok()) return malformed();
  return out;
}

Result<LeaderKey> decode_leader_key(std::string_view bytes) {
  LeaderKey out;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) out.name = r.bytes();
    if (r.field() == 2) out.key = r.bytes();
    if (r.field() == 3) out.revision = r.sint();
    if (r.field() == 4) out.lease = r.sint();
  }
  if (!r.ok()) return malformed();
  return out;
}

Result<ProclaimRequest> decode_proclaim(std::string_view bytes) {
  ProclaimRequest out;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) out.leader = TRY(decode_leader_key(r.bytes()));
    if (r.field() == 2) out.value = r.bytes();
  }
  if (!r.ok()) return malformed();
  if (!out.leader) return fail(Code::kUnknown, "\"leader\" field must be provided");
  return out;
}

Result<std::string> decode_name(std::string_view bytes) {
  std::string name;
  wire::Reader r(bytes);
  while (r.next()) {
    if (r.field() == 1) name = r.bytes();
  }
  if (!r.ok()) return malformed();
  return name;
}

Bytes campaign_response(const Header& h, const LeaderKey& leader) {
  std::string out;
  wire::Writer w(out);
  put_header(w, h);
  const std::size_t mark = w.begin(2);
  put_bytes(w, 1, leader.name);
  put_bytes(w, 2, leader.key);
  put_int(w, 3, leader.revision);
  put_int(w, 4, leader.lease);
  w.end(mark);
  return Bytes(std::move(out));
}

Bytes leader_response(const Header& h, const KeyValue& kv) {
  std::string out;
  wire::Writer w(out);
  put_header(w, h);
  put_key_value(w, 2, kv);
  return Bytes(std::move(out));
}

// Sets the leader's value as long as its key is the one it campaigned with.
Task<Result<TxnResult>> put_value(Session* session, LeaderKey leader, std::string value) {
  TxnRequest request;
  request.compares.push_back(created_at(leader.key, leader.revision));
  request.success.push_back(put_leased(leader.key, value, leader.lease));
  TxnResult done = CO_TRY(co_await session->txn(std::move(request)));
  if (!done.succeeded) co_return fail(Code::kUnknown, "election: not leader");
  co_return done;
}

Task<Result<Bytes>> campaign(ServiceContext* c, GrpcCall* call, std::string request) {
  CampaignRequest req = CO_TRY(decode_campaign(request));
  Session session(*c, *call);
  LeaderKey leader;
  leader.name = req.name;
  leader.lease = CO_TRY(co_await session.lease(req.lease));
  leader.key = session_key(req.name, leader.lease);

  TxnRequest enter;
  enter.compares.push_back(created_at(leader.key, 0));
  enter.success.push_back(put_leased(leader.key, req.value, leader.lease));
  enter.failure.push_back(range_key(leader.key));
  const TxnResult entered = CO_TRY(co_await session.txn(std::move(enter)));
  leader.revision = entered.revision;
  if (!entered.succeeded) {
    const KeyValue& mine = entered.responses.at(0).range.kvs.at(0);
    leader.revision = mine.create_revision;
    if (mine.value.view() != req.value) {
      auto put = co_await put_value(&session, leader, req.value);
      if (!put) {
        (void)co_await session.release(leader.key, leader.revision);
        co_return fail(std::move(put.error()));
      }
    }
  }

  auto turn = co_await session.wait_turn(session_prefix(req.name), leader.key, leader.revision);
  if (!turn) co_return fail(std::move(turn.error()));
  if (*turn == Session::Turn::kLost) co_return fail(Code::kUnknown, "election: session is expired");
  if (*turn == Session::Turn::kGone) {
    (void)co_await session.release(leader.key, leader.revision);
    co_return fail(Code::kCancelled, "context canceled");
  }
  co_return campaign_response(session.header(entered.revision), leader);
}

Task<Result<Bytes>> proclaim(ServiceContext* c, GrpcCall* call, std::string request) {
  ProclaimRequest req = CO_TRY(decode_proclaim(request));
  Session session(*c, *call);
  req.leader->lease = CO_TRY(co_await session.lease(req.leader->lease));
  const TxnResult done = CO_TRY(co_await put_value(&session, *req.leader, req.value));
  co_return header_only(session.header(done.revision));
}

Task<Result<Bytes>> resign(ServiceContext* c, GrpcCall* call, std::string request) {
  ProclaimRequest req = CO_TRY(decode_proclaim(request));
  Session session(*c, *call);
  const TxnResult done = CO_TRY(co_await session.release(req.leader->key, req.leader->revision));
  co_return header_only(session.header(done.revision));
}

Task<Result<Bytes>> leader(ServiceContext* c, GrpcCall* call, std::string request) {
  const std::string name = CO_TRY(decode_name(request));
  Session session(*c, *call);
  const RangeResult found = CO_TRY(co_await session.range(range_owner(session_prefix(name)).range));
  if (found.kvs.empty()) co_return fail(Code::kUnknown, "election: no leader");
  co_return leader_response(session.header(found.revision), found.kvs.front());
}

// ---- Observe

// Sends every leader and every value that it proclaims, in order; several leaders between two looks may be
// seen as the last one only.
class Observer {
 public:
  Observer(Session session, std::string prefix) : session_(std::move(session)), prefix_(std::move(prefix)) {}

  // Ends when cancelled, or by an error.
  Task<Result<void>> run() {
    for (;;) {
      const RangeResult found = CO_TRY(co_await session_.range(range_owner(prefix_).range));
      std::optional<KeyValue> kv;
      Revision revision = found.revision;
      if (!found.kvs.empty()) {
        kv = found.kvs.front();
      } else if ((kv = CO_TRY(co_await first_put(found.revision)))) {
        revision = kv->mod_revision;
      } else {
        continue;
      }
      CO_TRY(co_await session_.call().send(leader_response(session_.header(revision), *kv)));
      CO_TRY(co_await follow(std::string(kv->key), revision));
    }
  }

 private:
  // True: look again. What a slow or compacted watch missed is no error here.
  static bool look_again(const Error& e) {
    return e.code == Code::kOutOfRange || e.code == Code::kResourceExhausted;
  }

  // The first key written after `revision`; nullopt: look again.
  Task<Result<std::optional<KeyValue>>> first_put(Revision revision) {
    WatchRequest request;
    request.key = prefix_;
    request.end = prefix_end(prefix_);
    request.start_revision = revision + 1;
    request.no_delete = true;
    const auto stream = CO_TRY(co_await session_.watch(std::move(request)));
    for (;;) {
      auto batch = co_await stream->next();
      if (!batch && look_again(batch.error())) co_return std::nullopt;
      if (!batch) co_return fail(std::move(batch.error()));
      if (!batch->events.empty()) co_return std::move(batch->events.front().kv);
    }
  }

  // Sends what the leader writes after `revision`, until its key is deleted.
  Task<Result<void>> follow(std::string key, Revision revision) {
    WatchRequest request;
    request.key = std::move(key);
    request.start_revision = revision + 1;
    const auto stream = CO_TRY(co_await session_.watch(std::move(request)));
    for (;;) {
      auto batch = co_await stream->next();
      if (!batch && look_again(batch.error())) co_return Result<void>();
      if (!batch) co_return fail(std::move(batch.error()));
      for (const Event& e : batch->events) {
        if (e.type == Event::Type::kDelete) co_return Result<void>();
        CO_TRY(co_await session_.call().send(leader_response(session_.header(batch->revision), e.kv)));
      }
    }
  }

  Session session_;
  const std::string prefix_;
};

struct Observation {
  Observer observer;
  AsyncEvent ended;
  Result<void> result;
};

Task<> run_observer(Observation* o) {
  o->result = co_await o->observer.run();
  o->ended.set();
}

Task<> note_client_gone(GrpcCall* call, AsyncEvent* ended) {
  co_await call->closed();
  ended->set();
}

Task<Result<void>> observe(ServiceContext* c, GrpcCall* call) {
  const auto request = CO_TRY(co_await call->receive());
  if (!request) co_return malformed();
  std::string prefix = session_prefix(CO_TRY(decode_name(*request)));
  Observation o{.observer = Observer(Session(*c, *call), std::move(prefix))};
  TaskGroup group;
  group.spawn(call->executor(), run_observer(&o));
  group.spawn(call->executor(), note_client_gone(call, &o.ended));
  const auto thrown = co_await net::catch_cancel(o.ended.wait());
  co_await group.stop();
  if (thrown) std::rethrow_exception(thrown);
  co_return std::move(o.result);
}

}  // namespace

void register_election(ServiceContext& c, net::GrpcRouter& router) {
  const auto method = [&](std::string_view name, auto f) {
    router.unary("/v3electionpb.Election/" + std::string(name),
                 [&c, f](GrpcCall& call, std::string request) { return f(&c, &call, std::move(request)); });
  };
  method("Campaign", campaign);
  method("Proclaim", proclaim);
  method("Leader", leader);
  method("Resign", resign);
  router.stream("/v3electionpb.Election/Observe", [&c](GrpcCall& call) { return observe(&c, &call); });
}

}  // namespace keelson::kvstore::etcd
