#include "kvstore/server/etcd/permissions.h"

namespace keelson::kvstore::etcd {

Result<void> may_range(const AuthView& view, const Identity& who, const RangeRequest& r) {
  return view.check_read(who.user, who.auth_revision, r.key, r.end);
}

Result<void> may_put(const AuthView& view, const Identity& who, const PutRequest& p) {
  TRY(view.check_write(who.user, who.auth_revision, p.key, {}));
  if (!p.prev_kv) return {};
  return view.check_read(who.user, who.auth_revision, p.key, {});
}

Result<void> may_delete(const AuthView& view, const Identity& who, const DeleteRequest& d) {
  TRY(view.check_write(who.user, who.auth_revision, d.key, d.end));
  if (!d.prev_kv) return {};
  return view.check_read(who.user, who.auth_revision, d.key, d.end);
}

Result<void> may_txn(const AuthView& view, const Identity& who, const TxnRequest& t) {
  for (const auto& c : t.compares) TRY(view.check_read(who.user, who.auth_revision, c.key, c.end));
  for (const auto* ops : {&t.success, &t.failure}) {
    for (const auto& op : *ops) {
      switch (op.kind) {
        case TxnOp::Kind::kRange:
          TRY(may_range(view, who, op.range));
          break;
        case TxnOp::Kind::kPut:
          TRY(may_put(view, who, op.put));
          break;
        case TxnOp::Kind::kDelete:
          TRY(may_delete(view, who, op.del));
          break;
        case TxnOp::Kind::kTxn:
          TRY(may_txn(view, who, *op.txn));
          break;
      }
    }
  }
  return {};
}

bool is_read_only(const TxnRequest& t) {
  for (const auto* ops : {&t.success, &t.failure}) {
    for (const auto& op : *ops) {
      if (op.kind == TxnOp::Kind::kPut || op.kind == TxnOp::Kind::kDelete) return false;
      if (op.kind == TxnOp::Kind::kTxn && !is_read_only(*op.txn)) return false;
    }
  }
  return true;
}

}  // namespace keelson::kvstore::etcd
