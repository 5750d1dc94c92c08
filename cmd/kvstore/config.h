// KvstoreConfig: what `keelson kvstore` is told: etcd 3.7.1's flags, its ETCD_* environment, or its YAML
// configuration file. Names and defaults are etcd's, so that unit files and scripts carry over.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cmd/kvstore/url.h"

namespace keelson::cmd {

// TLS of one side (clients, peers) as the flags give it.
struct TlsFiles {
  std::string cert_file, key_file;                // serving
  std::string client_cert_file, client_key_file;  // presented to peers; default: the serving ones
  std::string trusted_ca_file;
  std::string crl_file;
  bool client_cert_auth = false;
  bool auto_tls = false;
  bool skip_client_san_verification = false;
  std::vector<std::string> allowed_cns;
  std::vector<std::string> allowed_hostnames;
  bool empty() const { return cert_file.empty() && key_file.empty(); }
};

// Where first members that do not know each other meet (etcd's v3 discovery).
struct DiscoveryConfig {
  std::string token, endpoints;
  std::string cert_file, key_file, ca_file;
  std::string user, password;
  bool insecure_transport = true;  // of endpoints without a scheme
  bool insecure_skip_verify = false;
  std::chrono::nanoseconds dial_timeout = std::chrono::seconds(2);
  std::chrono::nanoseconds request_timeout = std::chrono::seconds(5);
  bool wanted() const { return !endpoints.empty(); }
};

struct KvstoreConfig {
  using Nanos = std::chrono::nanoseconds;
  // Member.
  std::string name = "default";
  std::string data_dir;  // default: ${name}.etcd
  std::string wal_dir;
  std::int64_t snapshot_count = 10000;
  std::int64_t snapshot_catchup_entries = 5000;
  std::int64_t heartbeat_ms = 100;
  std::int64_t election_ms = 1000;
  std::vector<Url> listen_peer_urls, listen_client_urls, listen_client_http_urls, listen_metrics_urls;
  std::int64_t quota_backend_bytes = 0;
  std::int64_t max_txn_ops = 128;
  std::int64_t max_request_bytes = 1572864;
  std::int64_t max_concurrent_streams = 4294967295;
  Nanos grpc_keepalive_min_time = std::chrono::seconds(5);
  Nanos grpc_keepalive_interval = std::chrono::hours(2);
  Nanos grpc_keepalive_timeout = std::chrono::seconds(20);
  bool enable_grpc_gateway = true;
  bool memory_mlock = false;
  std::string feature_gates;
  // Clustering.
  std::vector<Url> initial_advertise_peer_urls, advertise_client_urls;
  std::string initial_cluster;
  std::string initial_cluster_state = "new";
  std::string initial_cluster_token = "etcd-cluster";
  std::string discovery_srv, discovery_srv_name;
  DiscoveryConfig discovery;
  bool strict_reconfig_check = true;
  bool pre_vote = true;
  bool force_new_cluster = false;
  std::string auto_compaction_mode = "periodic";
  std::string auto_compaction_retention = "0";
  std::int64_t compaction_batch_limit = 1000;  // 0: the same
  std::int64_t max_learners = 1;
  // Security.
  TlsFiles client_tls, peer_tls;
  std::int64_t self_signed_cert_validity = 1;
  std::string cipher_suites, tls_min_version = "TLS1.2", tls_max_version;
  std::string cors = "*", host_whitelist = "*";
  std::string auth_token = "simple";
  std::int64_t bcrypt_cost = 10;
  std::int64_t auth_token_ttl_s = 300;
  // Watching it.
  std::string metrics = "basic";
  std::string logger = "zap", log_outputs = "default", log_level = "info", log_format = "json";
  bool enable_log_rotation = false;
  std::string log_rotation_config_json =
      R"({"maxsize": 100, "maxage": 0, "maxbackups": 0, "localtime": false, "compress": false})";
  Nanos watch_progress_notify_interval = std::chrono::minutes(10);
  Nanos warning_unary_request_duration = std::chrono::milliseconds(300);
  Nanos warning_apply_duration = std::chrono::milliseconds(100);
  bool unsafe_no_fsync = false;
  // Feature gates that are set, by name; those that change nothing here are accepted.
  std::map<std::string, bool> gates;

  // What else is to be said before the member starts, as log lines.
  std::vector<std::string> notes;
  std::vector<std::string> warnings;
};

// What the command line asked for instead of a member.
enum class KvstoreAction : std::uint8_t { kRun, kHelp, kVersion };

struct KvstoreCommandLine {
  KvstoreAction action = KvstoreAction::kRun;
  std::string help;  // kHelp
  KvstoreConfig config;
};

// `environment` is "NAME=value" pairs. Command line before environment; a configuration file instead of both.
// kInvalidArgument names the flag and says what is wrong with it.
Result<KvstoreCommandLine> parse_kvstore(const std::vector<std::string>& args,
                                         const std::vector<std::string>& environment);

// The retention as duration (periodic) or number (revision); nullopt: off. etcd takes a bare number for
// hours.
struct CompactionPolicy {
  std::optional<KvstoreConfig::Nanos> period;
  std::optional<std::int64_t> revisions;
};
Result<CompactionPolicy> compaction_policy(const KvstoreConfig& config);

}  // namespace keelson::cmd
