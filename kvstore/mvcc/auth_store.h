// AuthStore: users, roles and permissions as part of the replicated state: pure, changed by AuthCommands in
// log order (etcd v3 auth). Passwords come already hashed (bcrypt) by the member that proposed.
//
// AuthView is an immutable picture of it: checks are made on views, without locks.
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
#include <vector>

#include "base/error.h"

namespace keelson::kvstore {

struct Permission {
  enum class Type : std::uint8_t { kRead = 0, kWrite = 1, kReadWrite = 2 };  // authpb's numbers
  Type type = Type::kRead;
  std::string key;
  std::string end;  // as in ranges: empty is the one key, "\0" from key on
  bool operator==(const Permission&) const = default;
};

struct AuthUser {
  std::string name;
  std::string password_hash;       // bcrypt; empty with no_password
  bool no_password = false;        // signs in by certificate only
  std::vector<std::string> roles;  // sorted
};

struct AuthRole {
  std::string name;
  std::vector<Permission> permissions;  // by key
};

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
  };
  Kind kind = Kind::kEnable;
  std::string user;           // kUser*
  std::string role;           // kRole*, kUserGrantRole, kUserRevokeRole
  std::string password_hash;  // kUserAdd, kUserChangePassword
  bool no_password = false;   // kUserAdd
  Permission permission;      // kRoleGrantPermission; key and end for kRoleRevokePermission
};
std::string encode(const AuthCommand& command);
Result<AuthCommand> decode_auth_command(std::string_view bytes);

struct AuthReply {
  std::uint64_t auth_revision = 0;
};

class AuthView {
 public:
  bool enabled = false;
  std::uint64_t revision = 1;  // rises with every change
  std::map<std::string, AuthUser, std::less<>> users;
  std::map<std::string, AuthRole, std::less<>> roles;

  // Errors as etcd's: kPermissionDenied, kInvalidArgument ("auth: revision in header is old"). Everything is
  // allowed while auth is off, and to users of the role root.
  Result<void> check_read(std::string_view user, std::uint64_t auth_revision, std::string_view key,
                          std::string_view end) const;
  Result<void> check_write(std::string_view user, std::uint64_t auth_revision, std::string_view key,
                           std::string_view end) const;
  Result<void> check_admin(std::string_view user, std::uint64_t auth_revision) const;
};

class AuthStore {
 public:
  AuthStore();
  // Applies one command. Errors with etcd's wording and code; what fails changes nothing.
  Result<AuthReply> apply(const AuthCommand& command);
  // The newest state; shares what did not change.
  std::shared_ptr<const AuthView> view() const { return view_; }

  // For the backend and for snapshots: the whole state as bytes, and back.
  std::string encode() const;
  Result<void> load(std::string_view bytes);

 private:
  std::shared_ptr<const AuthView> view_;
};

}  // namespace keelson::kvstore
