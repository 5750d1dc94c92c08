// Errors that the API itself answers with, in etcd's words (etcd api/v3rpc/rpctypes/error.go): clients
// compare the text. Those of the store are in kvstore/mvcc/errors.h and auth_errors.h.
#pragma once

#include "base/error.h"
#include "kvstore/mvcc/auth_errors.h"
#include "kvstore/mvcc/errors.h"

namespace keelson::kvstore::etcd {

inline Error invalid_sort_error() {
  return {Code::kInvalidArgument, "etcdserver: invalid sort option"};
}
inline Error no_leader_error() {
  return {Code::kUnavailable, "etcdserver: no leader"};
}
inline Error not_leader_error() {
  return {Code::kFailedPrecondition, "etcdserver: not leader"};
}
inline Error learner_error() {
  return {Code::kFailedPrecondition, "etcdserver: rpc not supported for learner"};
}
inline Error client_version_error() {
  return {Code::kInvalidArgument, "etcdserver: invalid client api version"};
}
inline Error watch_canceled_error() {
  return {Code::kCancelled, "etcdserver: watch canceled"};
}
inline Error member_urls_error() {
  return {Code::kInvalidArgument, "etcdserver: given member URLs are invalid"};
}
inline Error downgrade_format_error() {
  return {Code::kInvalidArgument, "etcdserver: wrong downgrade target version format"};
}
inline Error downgrade_target_error() {
  return {Code::kInvalidArgument, "etcdserver: invalid downgrade target version"};
}
inline Error no_downgrade_error() {
  return {Code::kFailedPrecondition, "etcdserver: no inflight downgrade job"};
}

// "PermissionDenied" for 7: gRPC's names of codes, as Go spells them; 0 is "OK".
std::string_view grpc_code_name(int code);

}  // namespace keelson::kvstore::etcd
