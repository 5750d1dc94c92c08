// The member's errors with etcd's wording and gRPC code (etcd api/v3rpc/rpctypes), which clients compare.
// Those of keys, leases and requests are in kvstore/mvcc/errors.h, of users and roles in auth_errors.h: included.
//
// What a client may conclude: kUnavailable and kDeadlineExceeded on a write: it may or may not have happened.
// Everything else: it has not.
#pragma once

#include "base/error.h"
#include "kvstore/mvcc/auth_errors.h"
#include "kvstore/mvcc/errors.h"

namespace keelson::kvstore {

// ---- Leadership and time
inline Error no_leader_error() {
  return {Code::kUnavailable, "etcdserver: no leader"};
}
inline Error not_leader_error() {
  return {Code::kFailedPrecondition, "etcdserver: not leader"};
}
inline Error leader_changed_error() {
  return {Code::kUnavailable, "etcdserver: leader changed"};
}
inline Error timeout_error() {
  return {Code::kUnavailable, "etcdserver: request timed out"};
}
inline Error timeout_leader_failure_error() {
  return {Code::kUnavailable, "etcdserver: request timed out, possibly due to previous leader failure"};
}
inline Error timeout_connection_lost_error() {
  return {Code::kUnavailable, "etcdserver: request timed out, possibly due to connection lost"};
}
inline Error timeout_leader_transfer_error() {
  return {Code::kUnavailable, "etcdserver: request timed out, leader transfer took too long"};
}
inline Error timeout_applied_error() {
  return {Code::kUnavailable, "etcdserver: request timed out, waiting for the applied index took too long"};
}
inline Error bad_transferee_error() {
  return {Code::kFailedPrecondition, "etcdserver: bad leader transferee"};
}

// ---- Members
inline Error member_exists_error() {
  return {Code::kFailedPrecondition, "etcdserver: member ID already exist"};
}
inline Error peer_url_exists_error() {
  return {Code::kFailedPrecondition, "etcdserver: Peer URLs already exists"};
}
inline Error not_enough_started_error() {
  return {Code::kFailedPrecondition, "etcdserver: re-configuration failed due to not enough started members"};
}
inline Error bad_member_urls_error() {
  return {Code::kInvalidArgument, "etcdserver: given member URLs are invalid"};
}
inline Error member_not_found_error() {
  return {Code::kNotFound, "etcdserver: member not found"};
}
inline Error member_not_learner_error() {
  return {Code::kFailedPrecondition, "etcdserver: can only promote a learner member"};
}
inline Error learner_not_ready_error() {
  return {Code::kFailedPrecondition,
          "etcdserver: can only promote a learner member which is in sync with leader"};
}
inline Error too_many_learners_error() {
  return {Code::kFailedPrecondition, "etcdserver: too many learner members in cluster"};
}
inline Error not_supported_for_learner_error() {
  return {Code::kFailedPrecondition, "etcdserver: rpc not supported for learner"};
}
inline Error cluster_id_mismatch_error() {
  return {Code::kFailedPrecondition, "etcdserver: cluster ID mismatch"};
}
inline Error unhealthy_error() {
  return {Code::kUnavailable, "etcdserver: unhealthy cluster"};
}

// ---- The state
inline Error no_space_error() {
  return {Code::kResourceExhausted, "etcdserver: mvcc: database space exceeded"};
}
inline Error corrupt_error() {
  return {Code::kDataLoss, "etcdserver: corrupt cluster"};
}

// ---- Requests
inline Error invalid_sort_error() {
  return {Code::kInvalidArgument, "etcdserver: invalid sort option"};
}
inline Error watch_canceled_error() {
  return {Code::kCancelled, "etcdserver: watch canceled"};
}
inline Error not_capable_error() {
  return {Code::kFailedPrecondition, "etcdserver: not capable"};
}
inline Error request_canceled_error() {
  return {Code::kCancelled, "etcdserver: request canceled"};
}
inline Error deadline_exceeded_error() {
  return {Code::kDeadlineExceeded, "etcdserver: context deadline exceeded"};
}

// ---- Downgrade
inline Error downgrade_version_format_error() {
  return {Code::kInvalidArgument, "etcdserver: wrong downgrade target version format"};
}
inline Error downgrade_invalid_target_error() {
  return {Code::kInvalidArgument, "etcdserver: invalid downgrade target version"};
}
inline Error downgrade_no_cluster_version_error() {
  return {Code::kFailedPrecondition, "etcdserver: cluster version not found during downgrade"};
}
inline Error downgrade_in_process_error() {
  return {Code::kFailedPrecondition, "etcdserver: cluster has a downgrade job in progress"};
}
inline Error downgrade_none_error() {
  return {Code::kFailedPrecondition, "etcdserver: no inflight downgrade job"};
}

}  // namespace keelson::kvstore
