#include "jepsen/lease_check.h"

#include <algorithm>

namespace keelson::jepsen {

Violations check_leases(const std::vector<Op>& ops, const Model& model,
                        const std::unordered_map<Revision, const Op*>& authors, LeaseCheckOptions options) {
  Violations out;
  std::unordered_map<LeaseId, std::vector<const Op*>> renewals;
  std::unordered_map<LeaseId, const Op*> revokes;
  for (const auto& op : ops) {
    const bool renews = op.kind == Op::Kind::kLeaseGrant || op.kind == Op::Kind::kLeaseKeepAlive;
    if (renews && op.status == Op::Status::kOk) renewals[op.lease].push_back(&op);
    if (op.kind == Op::Kind::kLeaseRevoke && op.status != Op::Status::kFailed) revokes[op.lease] = &op;
  }
  for (const auto& entry : model.log()) {
    auto author = authors.find(entry.revision);
    if (author == authors.end() || author->second != nullptr || entry.events.empty()) continue;
    const auto* v = model.find(entry.events.front().kv.key, entry.revision - 1);
    if (v == nullptr || v->lease == 0) continue;
    auto revoke = revokes.find(v->lease);
    if (revoke != revokes.end() && revoke->second->invoked_ns <= entry.at_ns) continue;
    for (const Op* op : renewals[v->lease]) {
      if (op->returned_ns > entry.at_ns) continue;
      const auto ttl_ns = static_cast<double>(op->ttl_s) * 1e9 * (1 - options.drift_max);
      const auto earliest = op->invoked_ns + static_cast<std::int64_t>(ttl_ns) - options.slack_ns;
      if (entry.at_ns >= earliest) continue;
      out.push_back({"lease", "lease " + std::to_string(v->lease) + " ended at " +
                                  std::to_string(entry.at_ns / 1'000'000) + " ms, not before " +
                                  std::to_string(earliest / 1'000'000) + " ms was allowed: revision " +
                                  std::to_string(entry.revision) + " after " + describe(*op)});
      if (out.size() > 10) return out;
    }
  }
  return out;
}

}  // namespace keelson::jepsen
