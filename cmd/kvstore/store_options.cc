#include "cmd/kvstore/store_options.h"

#include "base/file.h"
#include "cmd/kvstore/comma_list.h"

namespace keelson::cmd {
namespace {

// Which origins or hosts: none named means all.
std::vector<std::string> names_or_all(const std::string& text) {
  auto out = split_list(text);
  if (out.empty()) out.emplace_back("*");
  return out;
}

Result<void> set_compaction(const KvstoreConfig& config, kvstore::ReplicaOptions& o) {
  const CompactionPolicy policy = TRY(compaction_policy(config));
  if (policy.period) {
    o.auto_compaction = kvstore::AutoCompaction::kPeriodic;
    o.auto_compaction_period = *policy.period;
  } else if (policy.revisions) {
    o.auto_compaction = kvstore::AutoCompaction::kRevision;
    o.auto_compaction_revisions = *policy.revisions;
  }
  return {};
}

}  // namespace

Result<kvstore::ReplicatedStoreOptions> store_options(const KvstoreConfig& config) {
  kvstore::ReplicatedStoreOptions o;
  o.max_txn_ops = static_cast<std::size_t>(config.max_txn_ops);
  o.max_request_bytes = static_cast<std::size_t>(config.max_request_bytes);
  o.progress_interval = config.watch_progress_notify_interval;
  if (config.unsafe_no_fsync) o.fs = &unsynced_posix_file_system();
  auto& m = o.member;
  m.name = config.name;
  m.client_urls = texts(config.advertise_client_urls);
  m.cluster_token = config.initial_cluster_token;
  m.join = config.initial_cluster_state == "existing";
  m.force_new_cluster = config.force_new_cluster;
  m.tick = std::chrono::milliseconds(config.heartbeat_ms);
  m.election_ticks = static_cast<int>(config.election_ms / config.heartbeat_ms);
  m.pre_vote = config.pre_vote;
  if (config.quota_backend_bytes > 0) m.quota_bytes = static_cast<std::uint64_t>(config.quota_backend_bytes);
  if (config.quota_backend_bytes < 0) m.quota_bytes = 0;
  m.slow_apply = std::chrono::duration_cast<Duration>(config.warning_apply_duration);
  m.keep_entries = static_cast<std::size_t>(config.snapshot_catchup_entries);
  m.max_learners = static_cast<std::size_t>(config.max_learners);
  m.strict_reconfig_check = config.strict_reconfig_check;
  if (config.compaction_batch_limit > 0) {
    m.compaction_keys_per_step = static_cast<std::size_t>(config.compaction_batch_limit);
  }
  TRY(set_compaction(config, m));
  return o;
}

kvstore::etcd::ApiOptions api_options(const KvstoreConfig& config) {
  kvstore::etcd::ApiOptions o;
  o.max_request_bytes = static_cast<std::size_t>(config.max_request_bytes);
  o.max_txn_ops = static_cast<std::size_t>(config.max_txn_ops);
  o.watch_progress_interval = config.watch_progress_notify_interval;
  o.election_timeout = std::chrono::milliseconds(config.election_ms);
  o.warning_unary_duration = std::chrono::duration_cast<Duration>(config.warning_unary_request_duration);
  o.extensive_metrics = config.metrics == "extensive";
  o.json_gateway = config.enable_grpc_gateway;
  o.client_cert_auth = config.client_tls.client_cert_auth;
  o.cors = names_or_all(config.cors);
  o.host_whitelist = names_or_all(config.host_whitelist);
  return o;
}

}  // namespace keelson::cmd
