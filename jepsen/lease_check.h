// Leases never end early: the keys of a lease are deleted by its end not before its TTL has passed since the
// newest grant or keep-alive that was answered before, measured from when that was asked for.
#pragma once

#include "jepsen/serializable.h"

namespace keelson::jepsen {

struct LeaseCheckOptions {
  double drift_max = 0;  // how much faster than the clients' a member's clock may run
  std::int64_t slack_ns = 0;
};
// REQUIRES: the log has times (at_ns).
Violations check_leases(const std::vector<Op>& ops, const Model& model,
                        const std::unordered_map<Revision, const Op*>& authors, LeaseCheckOptions options);

}  // namespace keelson::jepsen
