// The store's errors with etcd's wording (etcd api/v3rpc/rpctypes), which clients compare.
#pragma once

#include "base/error.h"

namespace keelson::kvstore {

inline Error compacted_error() {
  return {Code::kOutOfRange, "etcdserver: mvcc: required revision has been compacted"};
}
inline Error future_revision_error() {
  return {Code::kOutOfRange, "etcdserver: mvcc: required revision is a future revision"};
}
inline Error lease_not_found_error() {
  return {Code::kNotFound, "etcdserver: requested lease not found"};
}
inline Error lease_exists_error() {
  return {Code::kFailedPrecondition, "etcdserver: lease already exists"};
}
inline Error lease_ttl_error() {
  return {Code::kOutOfRange, "etcdserver: too large lease TTL"};
}
inline Error key_not_found_error() {
  return {Code::kInvalidArgument, "etcdserver: key not found"};
}
inline Error empty_key_error() {
  return {Code::kInvalidArgument, "etcdserver: key is not provided"};
}
inline Error value_provided_error() {
  return {Code::kInvalidArgument, "etcdserver: value is provided"};
}
inline Error lease_provided_error() {
  return {Code::kInvalidArgument, "etcdserver: lease is provided"};
}
inline Error duplicate_key_error() {
  return {Code::kInvalidArgument, "etcdserver: duplicate key given in txn request"};
}
inline Error too_many_ops_error() {
  return {Code::kInvalidArgument, "etcdserver: too many operations in txn request"};
}
inline Error request_too_large_error() {
  return {Code::kInvalidArgument, "etcdserver: request is too large"};
}
inline Error too_many_requests_error() {
  return {Code::kResourceExhausted, "etcdserver: too many requests"};
}
inline Error stopped_error() {
  return {Code::kUnavailable, "etcdserver: server stopped"};
}

}  // namespace keelson::kvstore
