#include "kvstore/server/metrics.h"

namespace keelson::kvstore {
namespace {

prometheus::Histogram& histogram(prometheus::Registry& r, const char* name, const char* help) {
  // etcd's buckets: 1 ms doubling to 8.192 s; ours begin lower, where modern disks are.
  prometheus::Histogram::BucketBoundaries bounds{0.0001, 0.00025, 0.0005};
  for (double b = 0.001; b < 9; b *= 2) bounds.push_back(b);
  return prometheus::BuildHistogram().Name(name).Help(help).Register(r).Add({}, bounds);
}
prometheus::Gauge& gauge(prometheus::Registry& r, const char* name, const char* help) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(r).Add({});
}
prometheus::Counter& counter(prometheus::Registry& r, const char* name, const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(r).Add({});
}

}  // namespace

StoreMetrics::StoreMetrics(prometheus::Registry* registry)
    : StoreMetrics(registry != nullptr ? std::shared_ptr<prometheus::Registry>(registry, [](auto*) {})
                                       : std::make_shared<prometheus::Registry>()) {}

StoreMetrics::StoreMetrics(std::shared_ptr<prometheus::Registry> r)
    : wal_fsync(histogram(*r, "etcd_disk_wal_fsync_duration_seconds",
                          "Time of one write and fsync of the write-ahead log.")),
      backend_commit(
          histogram(*r, "etcd_disk_backend_commit_duration_seconds", "Time of one write to the backend.")),
      committed(gauge(*r, "etcd_server_proposals_committed_total", "Index of the newest committed entry.")),
      applied(gauge(*r, "etcd_server_proposals_applied_total", "Index of the newest applied entry.")),
      pending(gauge(*r, "etcd_server_proposals_pending", "Commands that wait for the log.")),
      failed(counter(*r, "etcd_server_proposals_failed_total", "Commands that failed.")),
      keys(gauge(*r, "etcd_debugging_mvcc_keys_total", "Keys that are there.")),
      watchers(gauge(*r, "etcd_debugging_mvcc_watcher_total", "Watches under way.")),
      db_size(gauge(*r, "etcd_mvcc_db_total_size_in_bytes", "Bytes of the backend on disk, about.")),
      db_in_use(gauge(*r, "etcd_mvcc_db_total_size_in_use_in_bytes", "Bytes of the backend in use, about.")),
      revision(gauge(*r, "etcd_debugging_mvcc_current_revision", "Newest revision.")),
      compact_revision(gauge(*r, "etcd_debugging_mvcc_compact_revision", "Newest compacted revision.")),
      leases(gauge(*r, "keelson_store_leases", "Leases that are granted.")),
      slow_watchers(counter(*r, "keelson_store_watches_cancelled_total",
                            "Watches cancelled since their reader was too slow.")),
      has_leader(gauge(*r, "etcd_server_has_leader", "1: a leader is known.")),
      is_leader(gauge(*r, "etcd_server_is_leader", "1: this member leads.")),
      is_learner(gauge(*r, "etcd_server_is_learner", "1: this member learns.")),
      quota(gauge(*r, "etcd_server_quota_backend_bytes", "The quota of the store.")),
      leader_changes(
          counter(*r, "etcd_server_leader_changes_seen_total", "How often a leader was seen anew.")),
      slow_applies(
          counter(*r, "etcd_server_slow_apply_total", "Batches that took longer to apply than --warning-apply-duration.")),
      slow_reads(
          counter(*r, "etcd_server_slow_read_indexes_total", "Read index rounds that were asked again.")),
      failed_reads(
          counter(*r, "etcd_server_read_indexes_failed_total", "Linearizable reads that timed out.")),
      heartbeat_failures(
          counter(*r, "etcd_server_heartbeat_send_failures_total", "Heartbeats that could not be sent.")),
      snapshots_sent(counter(*r, "keelson_store_snapshots_sent_total", "Snapshots sent to other members.")),
      snapshots_installed(
          counter(*r, "keelson_store_snapshots_installed_total", "Snapshots taken over from a leader.")),
      log_repairs(counter(*r, "keelson_store_log_repairs_total",
                          "How often a damaged log was repaired.")),
      leases_renewed(counter(*r, "etcd_debugging_lease_renewed_total", "Leases kept alive here, as leader.")),
      leases_expired(
          counter(*r, "etcd_debugging_server_lease_expired_total", "Leases found expired, as leader.")),
      leases_granted(counter(*r, "etcd_debugging_lease_granted_total", "Leases granted.")),
      leases_revoked(counter(*r, "etcd_debugging_lease_revoked_total", "Leases revoked, expired ones too.")),
      ranges(counter(*r, "etcd_mvcc_range_total", "Ranges seen by this member.")),
      puts(counter(*r, "etcd_mvcc_put_total", "Puts seen by this member.")),
      deletes(counter(*r, "etcd_mvcc_delete_total", "Deletes seen by this member.")),
      txns(counter(*r, "etcd_mvcc_txn_total", "Transactions of several operations seen by this member.")),
      compacted_versions(
          counter(*r, "etcd_debugging_mvcc_db_compaction_keys_total", "Versions dropped by compactions.")),
      last_compaction(
          gauge(*r, "etcd_debugging_mvcc_db_compaction_last", "When a compaction ended last, in Unix time.")),
      auth_revision(gauge(*r, "etcd_debugging_auth_revision", "The revision of users and roles.")),
      registry_(std::move(r)) {}

}  // namespace keelson::kvstore
