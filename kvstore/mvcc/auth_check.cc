#include "kvstore/mvcc/auth_check.h"

#include "kvstore/mvcc/auth_errors.h"

namespace keelson::kvstore {
namespace {

Result<void> check_ops(const AuthView& view, AuthSubject who, const std::vector<TxnOp>& ops,
                       const LeaseKeys& lease_keys) {
  for (const TxnOp& op : ops) {
    switch (op.kind) {
      case TxnOp::Kind::kRange:
        TRY(check_range(view, who, op.range));
        break;
      case TxnOp::Kind::kPut:
        TRY(check_put(view, who, op.put, lease_keys));
        break;
      case TxnOp::Kind::kDelete:
        TRY(check_delete(view, who, op.del));
        break;
      case TxnOp::Kind::kTxn:
        if (op.txn) TRY(check_txn(view, who, *op.txn, lease_keys));
        break;
    }
  }
  return {};
}

}  // namespace

Result<void> check_range(const AuthView& view, AuthSubject who, const RangeRequest& request) {
  return view.check_read(who.user, who.auth_revision, request.key, request.end);
}

Result<void> check_watch(const AuthView& view, AuthSubject who, std::string_view key, std::string_view end) {
  static constexpr std::string_view kFirstKey("\0", 1);
  return view.check_read(who.user, who.auth_revision, key.empty() ? kFirstKey : key, end);
}

Result<void> check_put(const AuthView& view, AuthSubject who, const PutRequest& request,
                       const LeaseKeys& lease_keys) {
  if (!view.enabled) return {};
  TRY(view.check_write(who.user, who.auth_revision, request.key, {}));
  if (request.lease != 0 && lease_keys) TRY(check_lease_write(view, who, lease_keys(request.lease)));
  if (request.prev_kv) return view.check_read(who.user, who.auth_revision, request.key, {});
  return {};
}

Result<void> check_delete(const AuthView& view, AuthSubject who, const DeleteRequest& request) {
  TRY(view.check_write(who.user, who.auth_revision, request.key, request.end));
  if (request.prev_kv) return view.check_read(who.user, who.auth_revision, request.key, request.end);
  return {};
}

Result<void> check_txn(const AuthView& view, AuthSubject who, const TxnRequest& request,
                       const LeaseKeys& lease_keys) {
  if (!view.enabled) return {};
  for (const Compare& c : request.compares) TRY(view.check_read(who.user, who.auth_revision, c.key, c.end));
  TRY(check_ops(view, who, request.success, lease_keys));
  return check_ops(view, who, request.failure, lease_keys);
}

Result<void> check_lease_write(const AuthView& view, AuthSubject who, const std::vector<std::string>& keys) {
  if (view.check_admin(who.user, who.auth_revision)) return {};
  TRY(check_signed_in(view, who));
  for (const std::string& key : keys) TRY(view.check_write(who.user, who.auth_revision, key, {}));
  return {};
}

Result<void> check_lease_read(const AuthView& view, AuthSubject who, const std::vector<std::string>& keys) {
  if (view.check_admin(who.user, who.auth_revision)) return {};
  TRY(check_signed_in(view, who));
  for (const std::string& key : keys) TRY(view.check_read(who.user, who.auth_revision, key, {}));
  return {};
}

Result<void> check_signed_in(const AuthView& view, AuthSubject who) {
  if (view.enabled && who.auth_revision == 0) return fail(user_empty_error());
  return {};
}

Result<void> check_auth_command(const AuthView& view, AuthSubject who, const AuthCommand& command) {
  if (command.kind == AuthCommand::Kind::kAuthenticate) return {};
  return view.check_admin(who.user, who.auth_revision);
}

}  // namespace keelson::kvstore
