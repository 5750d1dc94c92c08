// The errors of authentication and authorization with etcd's codes and wording (etcd api/v3rpc/rpctypes),
// which clients compare.
#pragma once

#include "base/error.h"

namespace keelson::kvstore {

inline Error root_user_missing_error() {
  return {Code::kFailedPrecondition, "etcdserver: root user does not exist"};
}
inline Error root_role_missing_error() {
  return {Code::kFailedPrecondition, "etcdserver: root user does not have root role"};
}
inline Error user_exists_error() {
  return {Code::kFailedPrecondition, "etcdserver: user name already exists"};
}
inline Error user_empty_error() {
  return {Code::kInvalidArgument, "etcdserver: user name is empty"};
}
inline Error user_not_found_error() {
  return {Code::kFailedPrecondition, "etcdserver: user name not found"};
}
inline Error role_exists_error() {
  return {Code::kFailedPrecondition, "etcdserver: role name already exists"};
}
inline Error role_not_found_error() {
  return {Code::kFailedPrecondition, "etcdserver: role name not found"};
}
inline Error role_empty_error() {
  return {Code::kInvalidArgument, "etcdserver: role name is empty"};
}
inline Error auth_failed_error() {
  return {Code::kInvalidArgument, "etcdserver: authentication failed, invalid user ID or password"};
}
// etcd has no gRPC wording for this one.
inline Error no_password_user_error() {
  return {Code::kUnknown, "auth: authentication failed, password was given for no password user"};
}
inline Error permission_not_given_error() {
  return {Code::kInvalidArgument, "etcdserver: permission not given"};
}
inline Error permission_denied_error() {
  return {Code::kPermissionDenied, "etcdserver: permission denied"};
}
inline Error role_not_granted_error() {
  return {Code::kFailedPrecondition, "etcdserver: role is not granted to the user"};
}
inline Error permission_not_granted_error() {
  return {Code::kFailedPrecondition, "etcdserver: permission is not granted to the role"};
}
inline Error auth_not_enabled_error() {
  return {Code::kFailedPrecondition, "etcdserver: authentication is not enabled"};
}
inline Error invalid_auth_token_error() {
  return {Code::kUnauthenticated, "etcdserver: invalid auth token"};
}
inline Error invalid_auth_management_error() {
  return {Code::kInvalidArgument, "etcdserver: invalid auth management"};
}
inline Error auth_old_revision_error() {
  return {Code::kInvalidArgument, "etcdserver: revision of auth store is old"};
}

}  // namespace keelson::kvstore
