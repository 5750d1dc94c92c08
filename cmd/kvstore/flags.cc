#include "cmd/kvstore/flags.h"

namespace keelson::cmd {
namespace {

void bind_member(FlagSet& set, KvstoreConfig& c, KvstoreTexts& t) {
  set.add("name", &c.name, "human-readable name of this member");
  set.add("data-dir", &c.data_dir, "where the member keeps its data; default: ${name}.etcd");
  set.add("wal-dir", &c.wal_dir, "where the write-ahead log is kept; default: inside the data directory");
  set.add("snapshot-count", &c.snapshot_count, "applied entries after which the log is cut");
  set.add("snapshot-catchup-entries", &c.snapshot_catchup_entries,
          "entries kept for slow followers when the log is cut");
  set.add("heartbeat-interval", &c.heartbeat_ms, "milliseconds between heartbeats");
  set.add("election-timeout", &c.election_ms, "milliseconds without a leader before an election");
  set.add("listen-peer-urls", &t.listen_peer_urls, "URLs to listen on for members");
  set.add("listen-client-urls", &t.listen_client_urls,
          "URLs to listen on for clients: gRPC, and HTTP unless --listen-client-http-urls is given");
  set.add("listen-client-http-urls", &t.listen_client_http_urls, "URLs to listen on for HTTP clients only");
  set.add("quota-backend-bytes", &c.quota_backend_bytes,
          "stored bytes, history included, beyond which puts are refused; 0: 2 GiB, negative: no limit");
  set.add("max-txn-ops", &c.max_txn_ops, "operations in a transaction at most");
  set.add("max-request-bytes", &c.max_request_bytes, "bytes of a request at most");
  set.add("max-concurrent-streams", &c.max_concurrent_streams,
          "streams that one client connection may have open");
  set.add("grpc-keepalive-min-time", &c.grpc_keepalive_min_time,
          "clients that ping more often than this are sent away");
  set.add("grpc-keepalive-interval", &c.grpc_keepalive_interval,
          "how often silent client connections are pinged; 0: never");
  set.add("grpc-keepalive-timeout", &c.grpc_keepalive_timeout, "how long a ping may stay unanswered");
  set.add("enable-grpc-gateway", &c.enable_grpc_gateway, "serve the JSON gateway");
  set.add("memory-mlock", &c.memory_mlock, "keep the process in RAM");
  set.add("feature-gates", &c.feature_gates,
          "etcd's feature gates, NAME=true|false,…; most have no meaning here");
}

void bind_clustering(FlagSet& set, KvstoreConfig& c, KvstoreTexts& t) {
  set.add("initial-advertise-peer-urls", &t.initial_advertise_peer_urls,
          "this member's peer URLs as the others see them");
  set.add("initial-cluster", &c.initial_cluster, "NAME=URL,… of all first members; default: this one alone");
  set.add("initial-cluster-state", &c.initial_cluster_state,
          "new, or existing to join a cluster that has this member added");
  set.add("initial-cluster-token", &c.initial_cluster_token, "tells clusters apart that have the same URLs");
  set.add("advertise-client-urls", &t.advertise_client_urls, "this member's client URLs as clients see them");
  set.add("discovery-srv", &c.discovery_srv, "DNS domain whose SRV records name the first members");
  set.add("discovery-srv-name", &c.discovery_srv_name, "suffix of the SRV service name");
  set.add("strict-reconfig-check", &c.strict_reconfig_check,
          "refuse membership changes that would lose the quorum");
  set.add("pre-vote", &c.pre_vote, "ask before an election whether it could be won");
  set.add("auto-compaction-retention", &c.auto_compaction_retention,
          "how much history is kept: a duration (bare number: hours) or revisions; 0: all");
  set.add("compaction-batch-limit", &c.compaction_batch_limit, "keys that a compaction looks at in one go");
  set.add("auto-compaction-mode", &c.auto_compaction_mode, "periodic or revision");
  set.add("max-learners", &c.max_learners, "learners in the cluster at most");
  set.add("force-new-cluster", &c.force_new_cluster,
          "forget the other members and go on alone: after a lost quorum only");
  set.add("unsafe-no-fsync", &c.unsafe_no_fsync, "never sync to disk: loses data with the machine");
}

void bind_discovery(FlagSet& set, DiscoveryConfig& d) {
  set.add("discovery-token", &d.token, "what the first members of one cluster have in common at --discovery-endpoints");
  set.add("discovery-endpoints", &d.endpoints, "endpoints of an etcd v3 API where the first members meet");
  set.add("discovery-dial-timeout", &d.dial_timeout, "how long connecting to it may take");
  set.add("discovery-request-timeout", &d.request_timeout, "how long a request to it may take");
  set.add("discovery-insecure-transport", &d.insecure_transport, "plain text for endpoints without a scheme");
  set.add("discovery-insecure-skip-tls-verify", &d.insecure_skip_verify, "do not verify its certificate");
  set.add("discovery-cert", &d.cert_file, "client certificate towards it");
  set.add("discovery-key", &d.key_file, "its key");
  set.add("discovery-cacert", &d.ca_file, "CA that its certificate is verified against");
  set.add("discovery-user", &d.user, "user name towards it, or NAME:PASSWORD");
  set.add("discovery-password", &d.password, "its password");
}

void bind_tls(FlagSet& set, const std::string& prefix, TlsFiles& tls) {
  const std::string whom = prefix.empty() ? "clients" : "members";
  set.add(prefix + "cert-file", &tls.cert_file, "serving certificate towards " + whom);
  set.add(prefix + "key-file", &tls.key_file, "its key");
  set.add(prefix + "client-cert-file", &tls.client_cert_file,
          "certificate presented when connecting; default: the serving one");
  set.add(prefix + "client-key-file", &tls.client_key_file, "its key");
  set.add(prefix + "trusted-ca-file", &tls.trusted_ca_file,
          "CA that certificates of " + whom + " are verified against");
  set.add(prefix + "client-cert-auth", &tls.client_cert_auth,
          "refuse " + whom + " without a certificate of the trusted CA");
  set.add(prefix + "auto-tls", &tls.auto_tls, "use a generated, self-signed certificate");
}

void bind_security(FlagSet& set, KvstoreConfig& c, KvstoreTexts& t) {
  bind_tls(set, "", c.client_tls);
  bind_tls(set, "peer-", c.peer_tls);
  set.add("client-crl-file", &c.client_tls.crl_file, "revoked client certificates");
  set.add("peer-crl-file", &c.peer_tls.crl_file, "revoked member certificates");
  set.add("client-cert-allowed-cn", &t.client_allowed_cns,
          "common names that client certificates must have one of (etcd has this in its configuration file alone)");
  set.add("client-cert-allowed-hostname", &t.client_allowed_hostnames,
          "SAN host names that client certificates must have one of");
  set.add("peer-cert-allowed-cn", &t.peer_allowed_cns,
          "common names that member certificates must have one of");
  set.add("peer-cert-allowed-hostname", &t.peer_allowed_hostnames,
          "SAN host names that member certificates must have one of");
  set.add("peer-skip-client-san-verification", &c.peer_tls.skip_client_san_verification,
          "let members connect from addresses that their certificates do not name");
  set.add("self-signed-cert-validity", &c.self_signed_cert_validity,
          "years that generated certificates are valid");
  set.add("cipher-suites", &c.cipher_suites, "TLS 1.2 cipher suites, by their IANA or Go names");
  set.add("tls-min-version", &c.tls_min_version, "TLS1.2 or TLS1.3");
  set.add("tls-max-version", &c.tls_max_version, "TLS1.2 or TLS1.3; default: the newest");
  set.add("cors", &c.cors, "origins that browsers may call from; empty or *: all");
  set.add("host-whitelist", &c.host_whitelist,
          "Host headers accepted where clients come without TLS; empty or *: all");
  set.add("auth-token", &c.auth_token, "simple, or jwt,pub-key=…,priv-key=…,sign-method=…,ttl=…");
  set.add("bcrypt-cost", &c.bcrypt_cost, "cost of password hashes, 4 to 31");
  set.add("auth-token-ttl", &c.auth_token_ttl_s, "seconds that a simple token lives");
}

void bind_observing(FlagSet& set, KvstoreConfig& c, KvstoreTexts& t) {
  set.add("metrics", &c.metrics, "basic, or extensive for histograms of gRPC calls");
  set.add("listen-metrics-urls", &t.listen_metrics_urls, "more URLs for /metrics and /health");
  set.add("logger", &c.logger, "zap, the only one");
  set.add("log-outputs", &c.log_outputs, "stderr, stdout or files, comma-separated");
  set.add("log-level", &c.log_level, "debug, info, warn, error, panic or fatal");
  set.add("log-format", &c.log_format, "json or console");
  set.add("enable-log-rotation", &c.enable_log_rotation, "rotate the log file");
  set.add("log-rotation-config-json", &c.log_rotation_config_json, "when and how");
  set.add("watch-progress-notify-interval", &c.watch_progress_notify_interval,
          "how often idle watches hear of progress");
  set.add("warning-unary-request-duration", &c.warning_unary_request_duration, "slower requests are logged");
  set.add("warning-apply-duration", &c.warning_apply_duration, "slower applies are logged");
  set.add("config-file", &t.config_file,
          "YAML file with the configuration; flags and environment are then ignored");
  set.add("version", &t.version, "print the version and exit");
  set.add("max-snapshots", &t.max_snapshots, "no effect");
  set.add("v2-deprecation", &t.v2_deprecation, "nothing is left of the v2 store: no effect");
  set.add("discovery", &t.discovery, "v2 discovery is gone: use --initial-cluster");
}

// What has no meaning here: a design without bbolt, v2 store, rotating WAL files or Go.
void bind_ignored(FlagSet& set) {
  for (const char* name : {"max-wals",
                           "backend-bbolt-freelist-type",
                           "backend-batch-interval",
                           "backend-batch-limit",
                           "raft-read-timeout",
                           "raft-write-timeout",
                           "compaction-sleep-interval",
                           "bootstrap-defrag-threshold-megabytes",
                           "downgrade-check-time",
                           "corrupt-check-time",
                           "compact-hash-check-time",
                           "discovery-keepalive-time",
                           "discovery-keepalive-timeout",
                           "discovery-fallback",
                           "discovery-proxy",
                           "distributed-tracing-address",
                           "distributed-tracing-service-name",
                           "distributed-tracing-instance-id",
                           "distributed-tracing-sampling-rate"})
    set.ignore(name, true);
  for (const char* name :
       {"initial-election-tick-advance", "socket-reuse-port", "socket-reuse-address", "enable-pprof",
        "enable-distributed-tracing"})
    set.ignore(name, false);
}

}  // namespace

void bind_kvstore_flags(FlagSet& set, KvstoreConfig& config, KvstoreTexts& texts) {
  bind_member(set, config, texts);
  bind_clustering(set, config, texts);
  bind_discovery(set, config.discovery);
  bind_security(set, config, texts);
  bind_observing(set, config, texts);
  bind_ignored(set);
}

}  // namespace keelson::cmd
