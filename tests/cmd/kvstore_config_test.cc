// `keelson kvstore`: flags, environment and configuration file as etcd takes them; the first members and
// their ids.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>

#include "cmd/files.h"
#include "cmd/kvstore/cluster.h"
#include "cmd/kvstore/config.h"
#include "kvstore/server/member_id.h"

namespace keelson::cmd {
namespace {

KvstoreConfig parse(std::vector<std::string> args, std::vector<std::string> environment = {}) {
  auto line = parse_kvstore(args, environment);
  EXPECT_TRUE(line.has_value()) << (line ? "" : line.error().message);
  return line ? line->config : KvstoreConfig();
}

std::string refusal(std::vector<std::string> args, std::vector<std::string> environment = {}) {
  auto line = parse_kvstore(args, environment);
  return line ? "accepted" : line.error().message;
}

TEST(KvstoreConfig, DefaultsAreEtcds) {
  const auto c = parse({});
  EXPECT_EQ(c.name, "default");
  EXPECT_EQ(c.data_dir, "default.etcd");
  EXPECT_EQ(texts(c.listen_client_urls), std::vector<std::string>{"http://localhost:2379"});
  EXPECT_EQ(c.initial_cluster, "default=http://localhost:2380");
  EXPECT_EQ(c.max_request_bytes, 1572864);
}

TEST(KvstoreConfig, TheLastOfARepeatedFlagCounts) {
  const auto c =
      parse({"--name", "a", "-name=b", "--listen-client-urls", "http://127.0.0.1:1", "--listen-client-urls",
             "http://127.0.0.1:2,http://127.0.0.1:3", "--advertise-client-urls=http://127.0.0.1:2"});
  EXPECT_EQ(c.name, "b");
  EXPECT_EQ(texts(c.listen_client_urls),
            (std::vector<std::string>{"http://127.0.0.1:2", "http://127.0.0.1:3"}));
}

TEST(KvstoreConfig, EnvironmentSpeaksWhereNoFlagDoes) {
  EXPECT_EQ(parse({}, {"ETCD_NAME=env", "PATH=/bin", "ETCD_PRE_VOTE=false"}).name, "env");
  EXPECT_FALSE(parse({}, {"ETCD_PRE_VOTE=false"}).pre_vote);
  EXPECT_NE(refusal({"--name", "a"}, {"ETCD_NAME=b"}).find("shadowed"), std::string::npos);
  EXPECT_NE(refusal({}, {"ETCD_ELECTION_TIMEOUT=soon"}).find("ETCD_ELECTION_TIMEOUT"), std::string::npos);
  EXPECT_EQ(parse({}, {"ETCD_UNKNOWN_THING=1"}).warnings.size(), 2u);  // and that of the data directory
}

TEST(KvstoreConfig, BadValuesSayWhatIsWrong) {
  EXPECT_NE(refusal({"--no-such-flag"}).find("--no-such-flag"), std::string::npos);
  EXPECT_NE(refusal({"--listen-peer-urls", "http://example.com:2380"}).find("expected IP in URL for binding"),
            std::string::npos);
  EXPECT_NE(
      refusal({"--listen-client-urls", "http://127.0.0.1:2379"}).find("--advertise-client-urls is required"),
      std::string::npos);
  EXPECT_NE(refusal({"--heartbeat-interval", "500"}).find("at least as 5 times"), std::string::npos);
  EXPECT_NE(refusal({"--auto-compaction-mode", "weekly"}).find("periodic, revision"), std::string::npos);
  EXPECT_NE(refusal({"--discovery-token", "x"}).find("both --discovery-token and --discovery-endpoints"), std::string::npos);
  EXPECT_NE(refusal({"--discovery-user", "x"}).find("--discovery-password"), std::string::npos);
  const auto user = parse({"--discovery-user", "ann:a:b"}).discovery;
  EXPECT_EQ(user.user + " " + user.password, "ann a:b");
  EXPECT_NE(refusal({"--discovery", "http://x"}).find("--discovery-token"), std::string::npos);
  EXPECT_NE(refusal({"--feature-gates", "NoSuchGate=true"}).find("unrecognized feature gate"),
            std::string::npos);
}

TEST(KvstoreConfig, WhichMembersAreWelcome) {
  const std::vector<std::string> names{"--peer-cert-allowed-cn", "a,b", "--peer-skip-client-san-verification"};
  const auto c = parse(names);
  EXPECT_EQ(c.peer_tls.allowed_cns, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(c.peer_tls.skip_client_san_verification);
  EXPECT_FALSE(parse({}).peer_tls.skip_client_san_verification);
  EXPECT_TRUE(parse({}, {"ETCD_PEER_SKIP_CLIENT_SAN_VERIFICATION=true"}).peer_tls.skip_client_san_verification);
  EXPECT_NE(refusal({"--peer-cert-allowed-cn", "a", "--peer-cert-allowed-hostname", "b"})
                .find("AllowedCNs and AllowedHostnames are mutually exclusive"),
            std::string::npos);
}

TEST(KvstoreConfig, LocalAddressIsTheFirstThatOthersReach) {
  const std::string urls = "http://127.0.0.1:2380,http://0.0.0.0:2380,http://10.1.2.3:2380,http://name:2380";
  EXPECT_EQ(member_local_address(parse({"--initial-advertise-peer-urls", urls}), Logger()), "");
  const std::string gate = "--feature-gates=SetMemberLocalAddr=true";
  EXPECT_EQ(member_local_address(parse({gate, "--initial-advertise-peer-urls", urls}), Logger()), "10.1.2.3");
  EXPECT_EQ(member_local_address(parse({gate, "--initial-advertise-peer-urls", "http://[::1]:2380"}), Logger()), "");
}

TEST(KvstoreConfig, WhatHasNoMeaningIsAcceptedWithOneWarning) {
  const auto c = parse({"--data-dir", "d", "--max-wals", "3", "--enable-pprof"});
  EXPECT_EQ(c.warnings.size(), 2u);
}

TEST(KvstoreConfig, RetentionIsHoursADurationOrRevisions) {
  const auto policy = [](std::vector<std::string> args) {
    return *compaction_policy(parse(std::move(args)));
  };
  EXPECT_EQ(policy({"--auto-compaction-retention", "2"}).period, std::chrono::hours(2));
  EXPECT_EQ(policy({"--auto-compaction-retention", "5m"}).period, std::chrono::minutes(5));
  const auto by_revision =
      policy({"--auto-compaction-mode", "revision", "--auto-compaction-retention", "1000"});
  EXPECT_EQ(by_revision.revisions, 1000);
  EXPECT_FALSE(by_revision.period.has_value());
  EXPECT_FALSE(policy({}).period.has_value());
}

TEST(KvstoreConfig, AConfigurationFileTakesThePlaceOfFlags) {
  const auto path = (std::filesystem::temp_directory_path() / "keelson-kvstore-config-test.yaml").string();
  ASSERT_TRUE(
      write_file(path,
                 "name: from-file\ndata-dir: /tmp/x\nwatch-progress-notify-interval: 600000000000\n"
                 "listen-client-urls: http://127.0.0.1:7\nadvertise-client-urls: http://127.0.0.1:7\n"
                 "peer-transport-security:\n  cert-file: p.crt\n  key-file: p.key\n  allowed-cn: [a, b]\n"
                 "  skip-client-san-verification: true\n"
                 "client-transport-security:\n  allowed-cn: [c]\n"
                 "no-such-key: 1\n",
                 0600));
  const auto c = parse({"--name", "ignored", "--config-file", path});
  EXPECT_EQ(c.name, "from-file");
  EXPECT_EQ(c.watch_progress_notify_interval, std::chrono::minutes(10));
  EXPECT_EQ(c.peer_tls.cert_file, "p.crt");
  EXPECT_TRUE(c.peer_tls.skip_client_san_verification);
  EXPECT_EQ(c.client_tls.allowed_cns, std::vector<std::string>{"c"});
  EXPECT_EQ(c.peer_tls.allowed_cns, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(c.warnings.size(), 1u);
  EXPECT_NE(c.warnings[0].find("no-such-key"), std::string::npos);
  std::filesystem::remove(path);
}

// Ids seen in a real etcd 3.7.1 started with these flags.
TEST(InitialCluster, IdsAreEtcds) {
  const auto c = parse(
      {"--name", "infra0", "--initial-advertise-peer-urls", "http://127.0.0.1:12380", "--initial-cluster",
       "infra0=http://127.0.0.1:12380,infra1=http://127.0.0.1:22380,infra2=http://127.0.0.1:32380",
       "--initial-cluster-token", "etcd-cluster-1"});
  const auto cluster = initial_cluster(c);
  ASSERT_TRUE(cluster.has_value());
  EXPECT_EQ(kvstore::id_text(cluster->self), "8211f1d0f64f3269");
  EXPECT_EQ(kvstore::id_text(cluster->cluster_id), "ef37ad9dc622a7c4");
}

TEST(InitialCluster, ThisMemberMustBeInItAsItAdvertisesItself) {
  const auto why = [](std::vector<std::string> args) {
    auto cluster = initial_cluster(parse(std::move(args)));
    return cluster ? "accepted" : cluster.error().message;
  };
  EXPECT_NE(why({"--name", "a", "--initial-cluster", "b=http://127.0.0.1:1"})
                .find("couldn't find local name \"a\""),
            std::string::npos);
  EXPECT_NE(
      why({"--name", "a", "--initial-cluster", "a=http://127.0.0.1:1"}).find("--initial-advertise-peer-urls"),
      std::string::npos);
}

TEST(InitialCluster, ANameAndItsAddressAreTheSamePlace) {
  const auto cluster = initial_cluster(
      parse({"--name", "a", "--initial-cluster", "a=http://localhost:7001,a=http://127.0.0.1:7002",
             "--initial-advertise-peer-urls", "http://localhost:7002,http://127.0.0.1:7001"}));
  ASSERT_TRUE(cluster.has_value()) << cluster.error().message;
  EXPECT_EQ(cluster->members.front().peer_urls.front(), "http://127.0.0.1:7002");
  EXPECT_FALSE(same_places({"http://localhost:7001"}, {"http://localhost:7002"}));
  EXPECT_FALSE(same_places({"http://localhost:7001"}, {"https://localhost:7001"}));
}

}  // namespace
}  // namespace keelson::cmd
