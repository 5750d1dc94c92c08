// Who may do what: the permission checks of requests, made before they are proposed. All answer at once, and
// allow everything while auth is off. Errors are AuthView's. Thread rule: any thread.
#pragma once

#include "kvstore/server/etcd/context.h"

namespace keelson::kvstore::etcd {

Result<void> may_range(const AuthView& view, const Identity& who, const RangeRequest& r);
// A put that reads: with prev_kv.
Result<void> may_put(const AuthView& view, const Identity& who, const PutRequest& p);
Result<void> may_delete(const AuthView& view, const Identity& who, const DeleteRequest& d);
// Comparisons and both branches, those of nested transactions too.
Result<void> may_txn(const AuthView& view, const Identity& who, const TxnRequest& t);

// True when the transaction only reads; `serializable`: and every read is content with a lagging member.
bool is_read_only(const TxnRequest& t);

}  // namespace keelson::kvstore::etcd
