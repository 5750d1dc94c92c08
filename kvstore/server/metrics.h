// StoreMetrics: the store's metrics under etcd's names. References are looked up once; without a registry
// every call is a no-op. Thread rule: any thread.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>

namespace keelson::kvstore {

class StoreMetrics {
 public:
  // `registry` may be null; else it outlives this.
  explicit StoreMetrics(prometheus::Registry* registry);

  prometheus::Histogram& wal_fsync;
  prometheus::Histogram& backend_commit;
  prometheus::Gauge& committed;
  prometheus::Gauge& applied;
  prometheus::Gauge& pending;
  prometheus::Counter& failed;
  prometheus::Gauge& keys;
  prometheus::Gauge& watchers;
  prometheus::Gauge& db_size;
  prometheus::Gauge& db_in_use;
  prometheus::Gauge& revision;
  prometheus::Gauge& compact_revision;
  prometheus::Gauge& leases;
  prometheus::Counter& slow_watchers;
  prometheus::Gauge& has_leader;
  prometheus::Gauge& is_leader;
  prometheus::Gauge& is_learner;
  prometheus::Gauge& quota;
  prometheus::Counter& leader_changes;
  prometheus::Counter& slow_applies;
  prometheus::Counter& slow_reads;
  prometheus::Counter& failed_reads;
  prometheus::Counter& heartbeat_failures;
  prometheus::Counter& snapshots_sent;
  prometheus::Counter& snapshots_installed;
  prometheus::Counter& log_repairs;
  prometheus::Counter& leases_renewed;
  prometheus::Counter& leases_expired;
  prometheus::Counter& leases_granted;
  prometheus::Counter& leases_revoked;
  prometheus::Counter& ranges;  // operations, also those inside transactions
  prometheus::Counter& puts;
  prometheus::Counter& deletes;
  prometheus::Counter& txns;  // of more than one operation
  prometheus::Counter& compacted_versions;
  prometheus::Gauge& last_compaction;
  prometheus::Gauge& auth_revision;

 private:
  explicit StoreMetrics(std::shared_ptr<prometheus::Registry> registry);
  std::shared_ptr<prometheus::Registry> registry_;
};

}  // namespace keelson::kvstore
