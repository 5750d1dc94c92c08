#include "cmd/kvstore/config_log.h"

#include "cmd/kvstore/comma_list.h"
#include "cmd/kvstore/url.h"
#include "kvstore/server/etcd/context.h"

namespace keelson::cmd {
namespace {

std::string list(const std::vector<Url>& urls) {
  return join_list(texts(urls));
}

std::string milliseconds(std::int64_t ms) {
  return std::to_string(ms) + "ms";
}

}  // namespace

void log_config(const KvstoreConfig& c, const Logger& logger) {
  logger.info("starting a keelson store member",
              {{"etcd-version", kvstore::etcd::kServerVersion},
               {"name", c.name},
               {"data-dir", c.data_dir},
               {"wal-dir-dedicated", c.wal_dir},
               {"force-new-cluster", c.force_new_cluster},
               {"heartbeat-interval", milliseconds(c.heartbeat_ms)},
               {"election-timeout", milliseconds(c.election_ms)},
               {"snapshot-count", c.snapshot_count},
               {"snapshot-catchup-entries", c.snapshot_catchup_entries},
               {"initial-advertise-peer-urls", list(c.initial_advertise_peer_urls)},
               {"listen-peer-urls", list(c.listen_peer_urls)},
               {"advertise-client-urls", list(c.advertise_client_urls)},
               {"listen-client-urls", list(c.listen_client_urls)},
               {"listen-metrics-urls", list(c.listen_metrics_urls)},
               {"cors", c.cors},
               {"host-whitelist", c.host_whitelist},
               {"initial-cluster", c.initial_cluster},
               {"initial-cluster-state", c.initial_cluster_state},
               {"initial-cluster-token", c.initial_cluster_token},
               {"quota-backend-bytes", c.quota_backend_bytes},
               {"max-request-bytes", c.max_request_bytes},
               {"max-concurrent-streams", c.max_concurrent_streams},
               {"pre-vote", c.pre_vote},
               {"auto-compaction-mode", c.auto_compaction_mode},
               {"auto-compaction-retention", c.auto_compaction_retention},
               {"discovery-token", c.discovery.token},
               {"discovery-endpoints", c.discovery.endpoints},
               {"max-learners", c.max_learners},
               {"v2-deprecation", "write-only"}});
}

}  // namespace keelson::cmd
