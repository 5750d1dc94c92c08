#include "bench/store_load/load.h"
#include "kvstore/rpc/codec.h"

namespace keelson::bench {
namespace {

namespace rpc = kvstore::rpc;

constexpr std::int64_t kFillBatch = 100;

struct Call {
  const char* method;
  std::string request;
};

Call put_call(Load& load) {
  kvstore::PutRequest put;
  // A fill writes each key once.
  const bool fill = load.settings.workload == "fill";
  put.key = load.key_of(
      fill ? load.issued
           : static_cast<std::int64_t>(load.rng.below(static_cast<std::uint64_t>(load.settings.keys))));
  put.value = Bytes(load.random_value());
  Call out{"/etcdserverpb.KV/Put", {}};
  rpc::encode(put, out.request);
  return out;
}

Call range_call(Load& load) {
  kvstore::RangeRequest range;
  const bool many = load.settings.workload == "range";
  if (many) {
    range.key = "k";  // what all keys begin with
    range.end = std::string(1, '\0');
    range.limit = 1000;
  } else {
    range.key =
        load.key_of(static_cast<std::int64_t>(load.rng.below(static_cast<std::uint64_t>(load.settings.keys))));
  }
  range.serializable = load.settings.workload == "get-serializable";
  Call out{"/etcdserverpb.KV/Range", {}};
  rpc::encode(range, out.request);
  return out;
}

// What an API server does: put where the mod revision is as known (here: any), else read.
Call txn_call(Load& load) {
  kvstore::TxnRequest txn;
  kvstore::TxnOp put;
  put.kind = kvstore::TxnOp::Kind::kPut;
  put.put.key =
      load.key_of(static_cast<std::int64_t>(load.rng.below(static_cast<std::uint64_t>(load.settings.keys))));
  put.put.value = Bytes(load.random_value());
  kvstore::Compare compare;
  compare.key = put.put.key;
  compare.op = kvstore::Compare::Op::kGreater;
  compare.number = -1;
  kvstore::TxnOp get;
  get.range.key = put.put.key;
  txn.compares.push_back(compare);
  txn.success.push_back(put);
  txn.failure.push_back(get);
  Call out{"/etcdserverpb.KV/Txn", {}};
  rpc::encode(txn, out.request);
  return out;
}

// Each key once, kFillBatch of them in a transaction: a store of a million keys in a minute.
Call fill_many_call(Load& load) {
  kvstore::TxnRequest txn;
  for (std::int64_t i = 0; i < kFillBatch; ++i) {
    auto& op = txn.success.emplace_back();
    op.kind = kvstore::TxnOp::Kind::kPut;
    op.put.key = load.key_of(load.issued * kFillBatch + i);
    op.put.value = Bytes(load.random_value());
  }
  Call out{"/etcdserverpb.KV/Txn", {}};
  rpc::encode(txn, out.request);
  return out;
}

Call next_call(Load& load) {
  const std::string& w = load.settings.workload;
  if (w == "fill-many") return fill_many_call(load);
  if (w == "put" || w == "fill") return put_call(load);
  if (w == "txn") return txn_call(load);
  // Answered by the server's edge alone: what a call costs without any work.
  if (w == "empty") return {"/grpc.health.v1.Health/Check", {}};
  return range_call(load);
}

}  // namespace

Task<> run_unary_client(Load& load, std::int64_t number) {
  net::GrpcClient& grpc = load.client(number);
  while (!load.over()) {
    Call call = next_call(load);
    ++load.issued;
    const MonoTime start = load.clock.now();
    auto reply = co_await grpc.unary(call.method, Bytes(std::move(call.request)),
                                     {.timeout = std::chrono::seconds(30)});
    if (reply) {
      load.latencies.add(load.clock.now() - start);
    } else {
      load.failed(reply.error());
      co_await load.clock.sleep_for(std::chrono::milliseconds(20));
    }
  }
}

}  // namespace keelson::bench
