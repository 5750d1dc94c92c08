#include "cmd/kvstore/config.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "cmd/kvstore/cluster.h"
#include "cmd/kvstore/comma_list.h"
#include "cmd/kvstore/config_file.h"
#include "cmd/kvstore/flags.h"

namespace keelson::cmd {
namespace {

std::unexpected<Error> bad(std::string why) {
  return fail(Code::kInvalidArgument, std::move(why));
}

std::string environment_name(std::string_view flag) {
  std::string out = "ETCD_";
  for (char c : flag) out += c == '-' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return out;
}

Result<void> read_environment(const std::vector<std::string>& environment, FlagSet& set,
                              KvstoreConfig& config) {
  std::map<std::string, std::string> flag_of;
  for (const auto& name : set.names()) flag_of[environment_name(name)] = name;
  for (const auto& pair : environment) {
    const auto eq = pair.find('=');
    if (!pair.starts_with("ETCD_") || eq == std::string::npos) continue;
    const std::string name = pair.substr(0, eq), value = pair.substr(eq + 1);
    const auto flag = flag_of.find(name);
    if (flag == flag_of.end() || name == "ETCD_VERSION") {
      config.warnings.push_back("unrecognized environment variable " + name);
      continue;
    }
    if (value.empty()) continue;
    if (set.is_set(flag->second))
      return bad("conflicting environment variable " + name + " is shadowed by the flag --" + flag->second +
                 " (either unset the environment variable or leave out the flag)");
    if (auto ok = set.set(flag->second, value); !ok)
      return bad("invalid value \"" + value + "\" for " + name + ": " + ok.error().message);
    config.notes.push_back("recognized and used environment variable " + name + "=" + value);
  }
  return {};
}

Result<std::vector<Url>> urls_of(std::string_view flag, const std::string& text) {
  auto urls = parse_urls(text);
  if (!urls)
    return bad("invalid value \"" + text + "\" for flag -" + std::string(flag) + ": " + urls.error().message);
  return urls;
}

Result<void> take_apart(const FlagSet& set, const KvstoreTexts& t, KvstoreConfig& c) {
  c.listen_peer_urls = TRY(urls_of("listen-peer-urls", t.listen_peer_urls));
  c.listen_client_urls = TRY(urls_of("listen-client-urls", t.listen_client_urls));
  c.listen_client_http_urls = TRY(urls_of("listen-client-http-urls", t.listen_client_http_urls));
  c.listen_metrics_urls = TRY(urls_of("listen-metrics-urls", t.listen_metrics_urls));
  c.initial_advertise_peer_urls = TRY(urls_of("initial-advertise-peer-urls", t.initial_advertise_peer_urls));
  c.advertise_client_urls = TRY(urls_of("advertise-client-urls", t.advertise_client_urls));
  if (set.is_set("listen-client-urls") && !set.is_set("advertise-client-urls") && t.config_file.empty())
    return bad("--advertise-client-urls is required when --listen-client-urls is set explicitly");
  c.client_tls.allowed_cns = split_list(t.client_allowed_cns);
  c.client_tls.allowed_hostnames = split_list(t.client_allowed_hostnames);
  c.peer_tls.allowed_cns = split_list(t.peer_allowed_cns);
  c.peer_tls.allowed_hostnames = split_list(t.peer_allowed_hostnames);
  return {};
}

constexpr std::array kGates{"AllAlpha",
                            "AllBeta",
                            "CompactHashCheck",
                            "FastLeaseKeepAlive",
                            "InitialCorruptCheck",
                            "LeaseCheckpoint",
                            "LeaseCheckpointPersist",
                            "PriorityRequest",
                            "SetMemberLocalAddr",
                            "StopGRPCServiceOnDefrag",
                            "TxnModeWriteWithSharedBuffer"};

Result<void> parse_gates(KvstoreConfig& c) {
  for (const auto& pair : split_list(c.feature_gates)) {
    const auto eq = pair.find('=');
    if (eq == std::string::npos) return bad("--feature-gates: missing bool value for " + pair);
    const std::string name = pair.substr(0, eq), value = pair.substr(eq + 1);
    if (std::ranges::find(kGates, name) == kGates.end())
      return bad("--feature-gates: unrecognized feature gate: " + name);
    if (value != "true" && value != "false")
      return bad("--feature-gates: invalid value of " + name + "=" + value + ": want true or false");
    c.gates[name] = value == "true";
  }
  if (c.gates["LeaseCheckpointPersist"] && !c.gates["LeaseCheckpoint"])
    return bad("enabling feature gate LeaseCheckpointPersist requires enabling feature gate LeaseCheckpoint");
  return {};
}

Result<void> check_timing(const KvstoreConfig& c) {
  const auto ms = [](std::int64_t v) { return std::to_string(v) + "ms"; };
  if (c.heartbeat_ms <= 0) return bad("--heartbeat-interval must be >0 (set to " + ms(c.heartbeat_ms) + ")");
  if (c.election_ms <= 0) return bad("--election-timeout must be >0 (set to " + ms(c.election_ms) + ")");
  if (5 * c.heartbeat_ms > c.election_ms)
    return bad("--election-timeout[" + ms(c.election_ms) +
               "] should be at least as 5 times as --heartbeat-interval[" + ms(c.heartbeat_ms) + "]");
  if (c.election_ms > 50000)
    return bad("--election-timeout[" + ms(c.election_ms) +
               "] is too long, and should be set less than 50000ms");
  return {};
}

Result<void> one_of(std::string_view flag, const std::string& value,
                    std::initializer_list<std::string_view> allowed) {
  if (std::ranges::find(allowed, value) != allowed.end()) return {};
  std::string list;
  for (auto a : allowed) list += (list.empty() ? "" : ", ") + std::string(a.empty() ? "\"\"" : a);
  return bad("invalid value \"" + value + "\" for flag -" + std::string(flag) + ": want one of " + list);
}

Result<void> check_discovery(DiscoveryConfig& d) {
  if (const auto colon = d.user.find(':'); colon != std::string::npos && d.password.empty()) {
    d.password = d.user.substr(colon + 1);
    d.user.resize(colon);
  }
  if (d.token.empty() != d.endpoints.empty())
    return bad("both --discovery-token and --discovery-endpoints must be set");
  if (d.cert_file.empty() != d.key_file.empty())
    return bad("--discovery-cert and --discovery-key must be given together");
  if (d.user.empty() != d.password.empty())
    return bad("--discovery-user and --discovery-password go together (or --discovery-user NAME:PASSWORD)");
  return {};
}

Result<void> check_cluster(KvstoreConfig& c, const KvstoreTexts& t) {
  TRY(one_of("initial-cluster-state", c.initial_cluster_state, {"new", "existing"}));
  TRY(one_of("auto-compaction-mode", c.auto_compaction_mode, {"periodic", "revision"}));
  const auto& v2 = t.v2_deprecation;
  if (v2 != "" && v2 != "write-only" && v2 != "write-only-drop-data" && v2 != "gone")
    return bad("invalid value \"" + v2 + "\" for flag -v2-deprecation: invalid value \"" + v2 + "\"");
  if (!t.discovery.empty())
    return bad("--discovery: v2 discovery is gone: use --discovery-token and --discovery-endpoints");
  TRY(check_discovery(c.discovery));
  if (!c.initial_cluster.empty() + !c.discovery_srv.empty() + c.discovery.wanted() > 1)
    return bad(
        "multiple discovery or bootstrap flags are set. Choose one of \"initial-cluster\", "
        "\"discovery-endpoints\" or \"discovery-srv\"");
  if (c.discovery.wanted() && c.initial_cluster_state == "existing")
    return bad("discovery URL should not be set when joining existing initial cluster");
  if (c.initial_advertise_peer_urls.empty()) return bad("--initial-advertise-peer-urls must not be empty");
  if (c.compaction_batch_limit < 0) return bad("--compaction-batch-limit must not be negative");
  if (c.max_learners < 1) return bad("--max-learners must be at least 1");
  TRY(compaction_policy(c));
  return {};
}

Result<void> check_tls(std::string_view side, const TlsFiles& tls) {
  if (tls.cert_file.empty() != tls.key_file.empty())
    return bad(std::string(side) + "cert-file and " + std::string(side) + "key-file must be given together");
  if (tls.client_cert_file.empty() != tls.client_key_file.empty())
    return bad(std::string(side) + "client-cert-file and " + std::string(side) +
               "client-key-file must be given together");
  if (!tls.allowed_cns.empty() && !tls.allowed_hostnames.empty())
    return bad("AllowedCNs and AllowedHostnames are mutually exclusive (cns=" + join_list(tls.allowed_cns) +
               ", hostnames=" + join_list(tls.allowed_hostnames) + ")");
  return {};
}

Result<void> check_rest(const KvstoreConfig& c) {
  TRY(check_tls("--", c.client_tls));
  TRY(check_tls("--peer-", c.peer_tls));
  TRY(one_of("tls-min-version", c.tls_min_version, {"", "TLS1.2", "TLS1.3"}));
  TRY(one_of("tls-max-version", c.tls_max_version, {"", "TLS1.2", "TLS1.3"}));
  if (c.tls_min_version == "TLS1.3" && c.tls_max_version == "TLS1.2")
    return bad("min version (TLS1.3) is greater than max version (TLS1.2)");
  if (c.tls_min_version == "TLS1.3" && !c.cipher_suites.empty())
    return bad("cipher suites cannot be configured when only TLS1.3 is enabled");
  TRY(one_of("logger", c.logger, {"zap"}));
  TRY(one_of("log-level", c.log_level, {"debug", "info", "warn", "error", "panic", "fatal"}));
  TRY(one_of("log-format", c.log_format, {"json", "console"}));
  TRY(one_of("metrics", c.metrics, {"basic", "extensive"}));
  if (c.bcrypt_cost < 4 || c.bcrypt_cost > 31)
    return bad("invalid value \"" + std::to_string(c.bcrypt_cost) + "\" for flag -bcrypt-cost: want 4 to 31");
  for (const auto n : {c.max_txn_ops, c.max_request_bytes, c.max_concurrent_streams, c.snapshot_count,
                       c.snapshot_catchup_entries, c.auth_token_ttl_s, c.self_signed_cert_validity})
    if (n < 0) return bad("a count, size or time is negative: " + std::to_string(n));
  return {};
}

Result<void> validate(KvstoreConfig& c, const KvstoreTexts& t) {
  TRY(check_bind(c.listen_peer_urls));
  TRY(check_bind(c.listen_client_urls));
  TRY(check_bind(c.listen_client_http_urls));
  TRY(check_bind(c.listen_metrics_urls));
  TRY(check_timing(c));
  TRY(check_cluster(c, t));
  TRY(check_rest(c));
  TRY(parse_gates(c));
  if (c.data_dir.empty()) {
    c.data_dir = c.name + ".etcd";
    c.warnings.push_back("'data-dir' was empty; using default " + c.data_dir);
  }
  if (c.discovery.wanted()) {
    c.initial_cluster_token = c.discovery.token;
  } else if (c.initial_cluster.empty() && c.discovery_srv.empty()) {
    c.initial_cluster = self_as_cluster(c);
  }
  return {};
}

}  // namespace

Result<KvstoreCommandLine> parse_kvstore(const std::vector<std::string>& args,
                                         const std::vector<std::string>& environment) {
  KvstoreCommandLine out;
  KvstoreConfig& config = out.config;
  KvstoreTexts texts;
  FlagSet set(
      "keelson kvstore [flags]: one member of the replicated store; the flags are those of etcd 3.7.1");
  bind_kvstore_flags(set, config, texts);
  TRY(set.parse(args));
  if (set.help_wanted()) {
    out.action = KvstoreAction::kHelp;
    out.help = set.help();
    return out;
  }
  if (texts.version) {
    out.action = KvstoreAction::kVersion;
    return out;
  }
  for (const auto& pair : environment)
    if (texts.config_file.empty() && pair.starts_with("ETCD_CONFIG_FILE="))
      texts.config_file = pair.substr(17);
  if (!texts.config_file.empty()) {
    const std::string path = texts.config_file;
    config = KvstoreConfig();
    texts = KvstoreTexts();
    texts.config_file = path;
    TRY(read_config_file(path, set, config.warnings));
    config.notes.push_back("loaded server configuration from " + path +
                           "; flags and environment variables are ignored");
  } else {
    TRY(read_environment(environment, set, config));
  }
  config.warnings.insert(config.warnings.end(), set.warnings().begin(), set.warnings().end());
  // In etcd's words.
  if (!texts.v2_deprecation.empty())
    config.warnings.push_back("--v2-deprecation is deprecated and scheduled for removal in v3.8. The default value is "
                              "enforced, ignoring user input");
  if (texts.max_snapshots != 0)
    config.warnings.push_back("--max-snapshots is deprecated in 3.6 and will be decommissioned in 3.8; it has no effect");
  TRY(take_apart(set, texts, config));
  TRY(validate(config, texts));
  return out;
}

Result<CompactionPolicy> compaction_policy(const KvstoreConfig& config) {
  CompactionPolicy out;
  const std::string& text = config.auto_compaction_retention;
  std::int64_t number = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), number);
  const bool bare = ec == std::errc() && end == text.data() + text.size() && number >= 0;
  const bool by_revision = config.auto_compaction_mode == "revision";
  if (!bare && by_revision)
    return bad("--auto-compaction-retention=" + text + ": want a number of revisions");
  KvstoreConfig::Nanos period{};
  if (!by_revision) {
    if (bare) {
      period = std::chrono::hours(number);
    } else {
      auto parsed = parse_duration(text);
      if (!parsed || *parsed < KvstoreConfig::Nanos(0))
        return bad("error parsing CompactionRetention: " + text);
      period = *parsed;
    }
  }
  if (by_revision && number > 0) out.revisions = number;
  if (period > KvstoreConfig::Nanos(0)) out.period = period;
  return out;
}

}  // namespace keelson::cmd
