// What etcd's front door refuses (etcd api/v3rpc/key.go): the order of the checks decides which error a
// client sees.
#include <set>

#include "kvstore/mvcc/errors.h"
#include "kvstore/mvcc/state.h"

namespace keelson::kvstore {
namespace {

Result<void> check_put(const PutRequest& p) {
  if (p.key.empty()) return fail(empty_key_error());
  if (p.ignore_value && !p.value.empty()) return fail(value_provided_error());
  if (p.ignore_lease && p.lease != 0) return fail(lease_provided_error());
  return {};
}

Result<void> check_ops(const TxnRequest& r, std::size_t ops_max, int depth) {
  if (depth > kTxnNestingMax) return fail(too_many_ops_error());
  if (r.compares.size() > ops_max || r.success.size() > ops_max || r.failure.size() > ops_max) {
    return fail(too_many_ops_error());
  }
  for (const auto& c : r.compares) {
    if (c.key.empty()) return fail(empty_key_error());
  }
  for (const auto* ops : {&r.success, &r.failure}) {
    for (const auto& op : *ops) {
      switch (op.kind) {
        case TxnOp::Kind::kRange:
          TRY(validate(op.range));
          break;
        case TxnOp::Kind::kPut:
          TRY(check_put(op.put));
          break;
        case TxnOp::Kind::kDelete:
          if (op.del.key.empty()) return fail(empty_key_error());
          break;
        case TxnOp::Kind::kTxn:
          if (op.txn == nullptr) return fail(Code::kInvalidArgument, "etcdserver: empty nested txn");
          TRY(check_ops(*op.txn, ops_max, depth + 1));
          break;
      }
    }
  }
  return {};
}

// Keys written by one path through a transaction. A key is put at most once and never inside a range deleted
// by the same path.
struct Writes {
  std::set<std::string_view> puts;
  std::vector<KeyRange> deletes;
};

bool overlap(const Writes& w, std::string_view key) {
  for (const auto& d : w.deletes) {
    if (d.contains(key)) return true;
  }
  return false;
}

// Adds `more`, what another operation beside those in `w` writes. False where they clash.
bool merge(Writes& w, const Writes& more) {
  for (auto key : more.puts) {
    if (overlap(w, key) || w.puts.contains(key)) return false;
  }
  for (auto key : w.puts) {
    if (overlap(more, key)) return false;
  }
  w.puts.insert(more.puts.begin(), more.puts.end());
  w.deletes.insert(w.deletes.end(), more.deletes.begin(), more.deletes.end());
  return true;
}

bool collect(const std::vector<TxnOp>& ops, Writes& out) {
  for (const auto& op : ops) {
    Writes one;
    if (op.kind == TxnOp::Kind::kPut) one.puts.insert(op.put.key);
    if (op.kind == TxnOp::Kind::kDelete) one.deletes.push_back({op.del.key, op.del.end});
    if (op.kind == TxnOp::Kind::kTxn) {
      // Only one of the two branches runs: they may write the same keys.
      Writes other;
      if (!collect(op.txn->success, one) || !collect(op.txn->failure, other)) return false;
      one.puts.insert(other.puts.begin(), other.puts.end());
      one.deletes.insert(one.deletes.end(), other.deletes.begin(), other.deletes.end());
    }
    if (!merge(out, one)) return false;
  }
  return true;
}

}  // namespace

Result<void> validate(const RangeRequest& request) {
  if (request.key.empty()) return fail(empty_key_error());
  return {};
}

Result<void> validate(const TxnRequest& request, std::size_t ops_max) {
  TRY(check_ops(request, ops_max, 0));
  Writes success;
  Writes failure;
  if (!collect(request.success, success) || !collect(request.failure, failure))
    return fail(duplicate_key_error());
  return {};
}

}  // namespace keelson::kvstore
