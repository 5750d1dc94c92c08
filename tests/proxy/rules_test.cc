#include "proxy/rules.h"

#include <gtest/gtest.h>

namespace keelson::proxy {
namespace {

ServicePort web(std::vector<Endpoint> endpoints) {
  ServicePort s;
  s.name = "ns/web:http";
  s.cluster_ip = "10.96.0.7";
  s.port = 80;
  s.node_port = 30080;
  s.endpoints = std::move(endpoints);
  return s;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST(RulesTest, EveryEndpointIsReachedWithEqualShare) {
  const auto r = make_rules({web({{"10.22.0.2", 8080}, {"10.22.0.3", 8080}, {"10.22.0.4", 8080}})}, {}, {});
  for (const char* ip : {"10.22.0.2", "10.22.0.3", "10.22.0.4"}) {
    EXPECT_TRUE(has(r.restore_input, std::string("--to-destination ") + ip + ":8080")) << r.restore_input;
  }
  EXPECT_TRUE(has(r.restore_input, "--probability 0.3333333333"));
  EXPECT_TRUE(has(r.restore_input, "--probability 0.5000000000"));
  EXPECT_TRUE(has(r.restore_input, "-d 10.96.0.7/32 -p tcp -m tcp --dport 80"));
  EXPECT_TRUE(has(r.restore_input, "-A KUBE-NODEPORTS -p tcp -m tcp --dport 30080"));
}

TEST(RulesTest, WithoutEndpointsTheServiceIsRejected) {
  const auto r = make_rules({web({})}, {}, {});
  EXPECT_TRUE(r.nat_chains.empty());
  EXPECT_TRUE(has(r.restore_input, "-A KUBE-SERVICES -d 10.96.0.7/32 -p tcp -m tcp --dport 80 -m comment --comment \"ns/web:http has no endpoints\" -j REJECT"));
  EXPECT_TRUE(has(r.restore_input, "--dport 30080 -m comment --comment \"ns/web:http has no endpoints\" -j REJECT"));
}

TEST(RulesTest, TerminatingEndpointsServeOnlyWhereNoneIsReady) {
  Endpoint going{"10.22.0.9", 8080, false, true};
  EXPECT_TRUE(has(make_rules({web({going})}, {}, {}).restore_input, "10.22.0.9"));
  EXPECT_FALSE(has(make_rules({web({going, {"10.22.0.2", 8080}})}, {}, {}).restore_input, "10.22.0.9"));
}

TEST(RulesTest, ChainsOfGoneServicesAreRemoved) {
  const auto before = make_rules({web({{"10.22.0.2", 8080}})}, {}, {});
  const auto after = make_rules({}, before.nat_chains, {});
  for (const auto& chain : before.nat_chains) EXPECT_TRUE(has(after.restore_input, "-X " + chain + "\n"));
  EXPECT_TRUE(after.nat_chains.empty());
  EXPECT_TRUE(has(after.restore_input, "-d 10.96.0.0/16 -p tcp -m comment --comment \"no such service\" -j REJECT"));
}

}  // namespace
}  // namespace keelson::proxy
