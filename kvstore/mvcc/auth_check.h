// What a request needs to be allowed (etcd's apply-time authorization): pure functions over an AuthView, used
// where the API answers and again where a log entry is applied. The first forbidden part's error is returned:
// as AuthView::check_*.
//
// Thread rule: any thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "kvstore/mvcc/auth_store.h"
#include "kvstore/types.h"

namespace keelson::kvstore {

// Who asks, as Identity (kvstore/server/member.h), without owning it.
struct AuthSubject {
  std::string_view user;
  std::uint64_t auth_revision = 0;
};

// The keys attached to a lease; nothing without such a lease. Asked only where auth is on and a lease is
// named. Null: leases are not checked (the API's check beforehand, where apply checks again).
using LeaseKeys = std::function<std::vector<std::string>(LeaseId)>;

Result<void> check_range(const AuthView& view, AuthSubject who, const RangeRequest& request);
Result<void> check_watch(const AuthView& view, AuthSubject who, std::string_view key, std::string_view end);
// Write on the key and on all keys of its lease (who may not write them could not revoke it); read with
// prev_kv.
Result<void> check_put(const AuthView& view, AuthSubject who, const PutRequest& request,
                       const LeaseKeys& lease_keys);
Result<void> check_delete(const AuthView& view, AuthSubject who, const DeleteRequest& request);
// Compares need read; both branches and nested transactions are checked in full.
Result<void> check_txn(const AuthView& view, AuthSubject who, const TxnRequest& request,
                       const LeaseKeys& lease_keys);
// Write on every key attached: LeaseRevoke and LeaseKeepAlive.
Result<void> check_lease_write(const AuthView& view, AuthSubject who, const std::vector<std::string>& keys);
// Read on every key attached: LeaseTimeToLive with keys, and LeaseLeases for each lease there is.
Result<void> check_lease_read(const AuthView& view, AuthSubject who, const std::vector<std::string>& keys);
// Some user, whoever it is: LeaseGrant, LeaseRevoke, LeaseTimeToLive, Status, the list of alarms. What is not
// named here or above (Compact, Defragment, Snapshot, Hash, HashKV, MoveLeader, alarms, member changes,
// downgrade) needs AuthView::check_admin; MemberList, AuthStatus and Authenticate need nothing.
Result<void> check_signed_in(const AuthView& view, AuthSubject who);
// Users and roles are changed by the role root only; kAuthenticate by anybody.
Result<void> check_auth_command(const AuthView& view, AuthSubject who, const AuthCommand& command);

}  // namespace keelson::kvstore
