// AuthStore: users, roles and permissions as part of the replicated state: pure, changed by AuthCommands in
// log order (etcd v3 auth). Passwords come already hashed (bcrypt) by the member that proposed.
//
// AuthView is an immutable picture of it: checks are made on views, without locks. A user's permissions are
// the union of its roles' key intervals, merged when they change, so that a check is a binary search.
//
// Thread rule: AuthStore: the store thread. AuthView: any thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "kvstore/mvcc/simple_tokens.h"

namespace keelson::kvstore {

inline constexpr std::string_view kRootUser = "root";
inline constexpr std::string_view kRootRole = "root";

// The auth revision of requests that the process makes itself (expired leases …): everything is allowed. A
// caller without credentials has an empty user and revision 0 instead, and is refused while auth is on.
inline constexpr std::uint64_t kInternalAuthRevision = ~std::uint64_t{0};

struct Permission {
  enum class Type : std::uint8_t { kRead = 0, kWrite = 1, kReadWrite = 2 };  // authpb's numbers
  Type type = Type::kRead;
  std::string key;
  std::string end;  // as in ranges: empty is the one key, "\0" from key on
  bool operator==(const Permission&) const = default;
};

// A set of keys as disjoint half-open intervals in order.
class KeyRanges {
 public:
  // In any order, overlapping or not; what is covered in the end counts.
  void add(std::string_view key, std::string_view end) { raw_.emplace_back(bounds(key, end)); }
  // Sorts and merges. REQUIRED before contains().
  void merge();
  // True when every key of [key, end) is in the set; ends as in Permission. An empty or reversed interval is
  // held to its first key. O(log n).
  bool contains(std::string_view key, std::string_view end) const;
  std::size_t size() const { return raw_.size(); }

 private:
  // [first, second); an empty second is the end of all keys.
  using Bounds = std::pair<std::string, std::string>;
  static Bounds bounds(std::string_view key, std::string_view end);
  std::vector<Bounds> raw_;
};

struct AuthGrants {
  KeyRanges read, write;
};

struct AuthUser {
  std::string name;
  std::string password_hash;                 // bcrypt; empty with no_password
  bool no_password = false;                  // signs in by certificate only
  std::vector<std::string> roles;            // sorted
  std::shared_ptr<const AuthGrants> grants;  // derived from the roles

  bool has_role(std::string_view role) const;
};

struct AuthRole {
  std::string name;
  std::vector<Permission> permissions;  // by key
};

// authpb.User and authpb.Role: how etcd's backend and snapshots keep them, and encode() of the store.
std::string encode(const AuthUser& user);
std::string encode(const AuthRole& role);
Result<AuthUser> decode_auth_user(std::string_view bytes);
Result<AuthRole> decode_auth_role(std::string_view bytes);

struct AuthCommand {
  enum class Kind : std::uint8_t {
    kEnable = 1,
    kDisable,
    kUserAdd,
    kUserDelete,
    kUserChangePassword,
    kUserGrantRole,
    kUserRevokeRole,
    kRoleAdd,
    kRoleDelete,
    kRoleGrantPermission,
    kRoleRevokePermission,
    kAuthenticate,
  };
  Kind kind = Kind::kEnable;
  std::string user;                 // kUser*, kAuthenticate
  std::string role;                 // kRole*, kUserGrantRole, kUserRevokeRole
  std::string password_hash;        // kUserAdd, kUserChangePassword
  bool no_password = false;         // kUserAdd
  Permission permission;            // kRoleGrantPermission; key and end for kRoleRevokePermission
  std::string token;                // kAuthenticate: the random part of the token to be known everywhere
  std::uint64_t auth_revision = 0;  // kAuthenticate: at which the password was found right
};
std::string encode(const AuthCommand& command);
Result<AuthCommand> decode_auth_command(std::string_view bytes);

struct AuthReply {
  std::uint64_t auth_revision = 0;
  std::string token;  // kAuthenticate
};

class AuthView {
 public:
  bool enabled = false;
  std::uint64_t revision = 1;  // rises with every change
  std::map<std::string, AuthUser, std::less<>> users;
  std::map<std::string, AuthRole, std::less<>> roles;
  // Of this member; not part of the state. Never null.
  std::shared_ptr<SimpleTokens> tokens = std::make_shared<SimpleTokens>();

  // Errors as etcd's: kPermissionDenied, kInvalidArgument (no user, "revision of auth store is old").
  // Everything is allowed while auth is off, to users of the role root, and with kInternalAuthRevision.
  Result<void> check_read(std::string_view user, std::uint64_t auth_revision, std::string_view key,
                          std::string_view end) const;
  Result<void> check_write(std::string_view user, std::uint64_t auth_revision, std::string_view key,
                           std::string_view end) const;
  // For members, alarms, users …: the role root. As in etcd an old revision is no hindrance here.
  Result<void> check_admin(std::string_view user, std::uint64_t auth_revision) const;

 private:
  // Everything but the key ranges; null: allowed.
  Result<const AuthUser*> check_user(std::string_view user, std::uint64_t auth_revision) const;
};

// The state as AuthStore::load() takes it: enabled, revision, users and roles.
std::string encode(const AuthView& view);

class AuthStore {
 public:
  AuthStore();
  // Applies one command from the log entry at `index` (which makes tokens unique). Errors with etcd's wording
  // and code; what fails changes nothing. Does not ask who proposed it: see auth_check.h.
  Result<AuthReply> apply(const AuthCommand& command, std::uint64_t index);
  // The newest state; shares what did not change.
  std::shared_ptr<const AuthView> view() const { return view_; }

  // For the backend and for snapshots: the whole state as bytes (tokens are not part of it), and back. load()
  // of nothing is the initial state; after kDataLoss the store is as before.
  std::string encode() const;
  Result<void> load(std::string_view bytes);

 private:
  std::shared_ptr<const AuthView> view_;
};

}  // namespace keelson::kvstore
