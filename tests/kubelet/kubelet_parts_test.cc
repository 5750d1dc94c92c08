// The pure parts of the kubelet.
#include <gtest/gtest.h>

#include <filesystem>

#include "kubelet/backoff.h"
#include "kubelet/cri/types.h"
#include "kubelet/expansion.h"
#include "kubelet/files.h"
#include "kubelet/image_puller.h"
#include "kubelet/images/tar.h"
#include "kubelet/network_files.h"
#include "kubelet/probe_state.h"
#include "kubelet/resources.h"
#include "kubelet/volumes/atomic_writer.h"

namespace keelson::kubelet {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

TEST(Expansion, FollowsUpstreamsRules) {
  const Variables v{{"A", "1"}, {"B", "$(A)"}};
  EXPECT_EQ(expand_variables("x$(A)y", v), "x1y");
  EXPECT_EQ(expand_variables("$(B)", v), "$(A)");  // values are not expanded again
  EXPECT_EQ(expand_variables("$$(A)", v), "$(A)");
  EXPECT_EQ(expand_variables("$(NO) $A $(A", v), "$(NO) $A $(A");
  EXPECT_EQ(expand_variables("$", v), "$");
  EXPECT_EQ(expand_variables("$(A)$$$(A)", v), "1$1");
}

TEST(Backoff, DoublesIsCappedAndForgets) {
  Backoff b(10s, 300s, 600s);
  MonoTime t{};
  EXPECT_EQ(b.retry_at("k", t), t);
  std::vector<int> delays;
  for (int i = 0; i < 7; ++i) {
    b.next("k", t, t);
    delays.push_back(static_cast<int>(b.delay("k") / 1s));
    t += b.delay("k");
  }
  EXPECT_EQ(delays, (std::vector<int>{10, 20, 40, 80, 160, 300, 300}));
  t += 11min;
  EXPECT_EQ(b.retry_at("k", t), t);
  b.next("k", t, t);
  EXPECT_EQ(b.delay("k"), 10s);
  EXPECT_EQ(go_duration(80s), "1m20s");
}

TEST(ProbeState, ThresholdsCountRuns) {
  ProbeState s({0, 1, 1, 2, 3}, ProbeResult::kUnknown);
  EXPECT_FALSE(s.feed(true));
  EXPECT_TRUE(s.feed(true));
  EXPECT_FALSE(s.feed(false));
  EXPECT_FALSE(s.feed(false));
  EXPECT_FALSE(s.feed(true));  // the row is broken
  EXPECT_FALSE(s.feed(false));
  EXPECT_FALSE(s.feed(false));
  EXPECT_EQ(s.settled(), ProbeResult::kSuccess);
  EXPECT_TRUE(s.feed(false));
  EXPECT_EQ(s.settled(), ProbeResult::kFailure);
}

TEST(Images, NamesAreNormalized) {
  EXPECT_EQ(*normalize_image("nginx"), "docker.io/library/nginx:latest");
  EXPECT_EQ(*normalize_image("a/b:2"), "docker.io/a/b:2");
  EXPECT_EQ(*normalize_image("localhost/keelson/demo:1"), "localhost/keelson/demo:1");
  EXPECT_EQ(*normalize_image("host:5000/x"), "host:5000/x:latest");
  for (const char* bad : {"", "UPPER/x", "a b", "x:", "x:ta g", "x@sha256:12", "-x"}) {
    EXPECT_FALSE(normalize_image(bad)) << bad;
  }
}

TEST(Resources, SharesAndQuota) {
  EXPECT_EQ(cpu_shares(0), 2);
  EXPECT_EQ(cpu_shares(250), 256);
  EXPECT_EQ(cpu_quota(0), 0);
  EXPECT_EQ(cpu_quota(1500), 150000);
  EXPECT_EQ(cpu_quota(1), 1000);
}

TEST(Dns, PoliciesAndSearches) {
  const auto node = parse_resolv_conf("# c\nnameserver 1.1.1.1\nsearch a b\noptions ndots:2\n");
  auto d = pod_dns({"ClusterFirst", false, "ns", {}}, node, {"10.96.0.10"}, "cluster.local");
  EXPECT_EQ(d.servers, (std::vector<std::string>{"10.96.0.10"}));
  EXPECT_EQ(d.searches, (std::vector<std::string>{"ns.svc.cluster.local", "svc.cluster.local",
                                                  "cluster.local", "a", "b"}));
  EXPECT_EQ(d.options, (std::vector<std::string>{"ndots:5"}));
  EXPECT_EQ(pod_dns({"ClusterFirst", false, "ns", {}}, node, {}, "c").servers,
            node.servers);  // no cluster DNS yet
  EXPECT_EQ(pod_dns({"None", false, "ns", {{"9.9.9.9"}, {}, {}}}, node, {}, "c").servers,
            (std::vector<std::string>{"9.9.9.9"}));
}

TEST(Wire, RoundTripsAndSkipsUnknownFields) {
  cri::CreateContainerRequest r;
  r.pod_sandbox_id = "s";
  r.config.metadata = {"web", 3};
  r.config.envs = {{"A", ""}, {"B", "2"}};
  r.config.labels = {{"k", "v"}, {"empty", ""}};
  r.config.linux_config.security_context.run_as_user = cri::Int64Value{0};
  r.config.linux_config.security_context.supplemental_groups = {1, 200000};
  r.config.linux_config.resources.oom_score_adj = -997;
  const std::string bytes = cri::Encoder::encode(r);
  auto back = cri::Decoder::decode<cri::CreateContainerRequest>(bytes);
  ASSERT_TRUE(back);
  EXPECT_EQ(cri::Encoder::encode(*back), bytes);
  EXPECT_EQ(back->config.envs.size(), 2u);
  EXPECT_EQ(back->config.linux_config.resources.oom_score_adj, -997);
  ASSERT_TRUE(back->config.linux_config.security_context.run_as_user);  // zero, yet present
  EXPECT_TRUE(cri::Decoder::decode<cri::Empty>(bytes));
  EXPECT_FALSE(cri::Decoder::decode<cri::CreateContainerRequest>(bytes.substr(0, bytes.size() - 1)));
}

TEST(AtomicWriter, ReplacesAllAtOnceAndRemovesWhatIsGone) {
  const fs::path dir = fs::temp_directory_path() / ("writer-" + std::to_string(getpid()));
  const WallTime t{1'800'000'000s};
  ASSERT_TRUE(write_volume(dir, {{"a", {"1"}}, {"d/b", {"2", 0600}}}, t, std::nullopt));
  EXPECT_EQ(*read_file(dir / "a"), "1");
  EXPECT_EQ(*read_file(dir / "d/b"), "2");
  EXPECT_EQ(fs::read_symlink(dir / "a"), "..data/a");
  const auto first = fs::read_symlink(dir / "..data");
  ASSERT_TRUE(write_volume(dir, {{"a", {"1"}}, {"d/b", {"2", 0600}}}, t + 1s, std::nullopt));
  EXPECT_EQ(fs::read_symlink(dir / "..data"), first);  // nothing changed, nothing written
  ASSERT_TRUE(write_volume(dir, {{"a", {"3"}}}, t + 2s, std::nullopt));
  EXPECT_EQ(*read_file(dir / "a"), "3");
  EXPECT_FALSE(fs::exists(dir / "d"));
  EXPECT_FALSE(fs::exists(dir / first));
  EXPECT_FALSE(write_volume(dir, {{"../x", {"3"}}}, t, std::nullopt));
  EXPECT_EQ(*read_file(dir / "a"), "3");
  fs::remove_all(dir);
}

TEST(Tar, IsWhatTarReads) {
  TarWriter w;
  w.directory("bin");
  w.file("bin/x", "hello", 0755);
  w.symlink("bin/y", "x");
  const fs::path path = fs::temp_directory_path() / ("t-" + std::to_string(getpid()) + ".tar");
  ASSERT_TRUE(write_file(path, w.finish()));
  FILE* p = popen(("tar tvf " + path.string() + " --numeric-owner 2>&1").c_str(), "r");
  std::string out(4096, '\0');
  out.resize(fread(out.data(), 1, out.size(), p));
  EXPECT_EQ(pclose(p), 0);
  EXPECT_NE(out.find("-rwxr-xr-x 0/0"), std::string::npos) << out;
  EXPECT_NE(out.find("bin/y -> x"), std::string::npos) << out;
  fs::remove(path);
}

}  // namespace
}  // namespace keelson::kubelet
