#include <gtest/gtest.h>

#include "auth/authenticator.h"
#include "auth/authorizer.h"
#include "auth/key.h"
#include "auth/service_account_tokens.h"

namespace keelson::auth {
namespace {

using namespace std::chrono_literals;

class FixedClock final : public Clock {
 public:
  MonoTime now() const override { return MonoTime(at); }
  WallTime wall() const override { return WallTime(at); }
  Task<> sleep_until(MonoTime) override { co_return; }
  Duration at = std::chrono::hours(24 * 365 * 56);
};

struct Objects final : BoundObjects {
  std::optional<std::string> service_account_uid(std::string_view, std::string_view) override { return sa; }
  std::optional<std::string> pod_uid(std::string_view, std::string_view) override { return pod; }
  std::optional<std::string> secret_uid(std::string_view, std::string_view) override { return std::nullopt; }
  std::optional<std::string> sa = "u1", pod = "p1";
};

class TokenTest : public ::testing::TestWithParam<Key::Kind> {
 protected:
  std::string token() {
    TokenClaims c;
    c.namespace_ = "ns";
    c.service_account = "robot";
    c.service_account_uid = "u1";
    c.pod_name = "pod";
    c.pod_uid = "p1";
    c.audiences = {"https://k"};
    c.issued_at = seconds();
    c.expires_at = seconds() + 3600;
    c.id = "jti";
    return TokenIssuer("https://k", key_).make(c);
  }
  std::int64_t seconds() { return std::chrono::duration_cast<std::chrono::seconds>(clock_.at).count(); }
  ServiceAccountTokens tokens() { return ServiceAccountTokens({{"https://k"}, {}, {*Key::parse(key_.public_pem())}}, &objects_, clock_); }
  FixedClock clock_;
  Objects objects_;
  Key key_ = Key::generate(GetParam());
};

TEST_P(TokenTest, GoodTokenNamesItsAccount) {
  auto checker = tokens();
  auto user = checker.authenticate_token(token());
  ASSERT_TRUE(user && *user);
  EXPECT_EQ((*user)->name, "system:serviceaccount:ns:robot");
  EXPECT_TRUE((*user)->in_group("system:serviceaccounts:ns"));
  EXPECT_EQ((*user)->extra.at("authentication.kubernetes.io/pod-name").front(), "pod");
}

TEST_P(TokenTest, EveryChangedByteIsRefused) {
  const auto good = token();
  auto checker = tokens();
  for (std::size_t i = 0; i < good.size(); i += 7) {
    auto bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    auto user = checker.authenticate_token(bad);
    EXPECT_FALSE(user && *user) << "byte " << i;
  }
}

TEST_P(TokenTest, ExpiryForeignAudienceAndGoneObjectsAreRefused) {
  const auto t = token();
  EXPECT_FALSE(tokens().check(t, {"someone-else"}));
  objects_.pod = std::nullopt;
  EXPECT_FALSE(tokens().authenticate_token(t));
  objects_.pod = "p1";
  EXPECT_TRUE(tokens().authenticate_token(t));
  clock_.at += 2h;
  EXPECT_FALSE(tokens().authenticate_token(t));
}

INSTANTIATE_TEST_SUITE_P(Keys, TokenTest, ::testing::Values(Key::Kind::kEcP256, Key::Kind::kRsa2048));

TEST(TokenFileTest, ReadsUsersAndNamesBadLines) {
  auto file = TokenFile::parse("secret,admin,1,\"system:masters,dev\"\n# note\nother,bob,2\n", "tokens.csv");
  ASSERT_TRUE(file);
  auto user = (*file)->authenticate_token("secret");
  ASSERT_TRUE(user && *user);
  EXPECT_EQ((*user)->groups, (std::vector<std::string>{"system:masters", "dev", "system:authenticated"}));
  EXPECT_EQ(*(*file)->authenticate_token("wrong"), nullptr);
  auto bad = TokenFile::parse("a,b,c\nonly,two\n", "tokens.csv");
  ASSERT_FALSE(bad);
  EXPECT_NE(bad.error().message.find("tokens.csv:2"), std::string::npos);
}

TEST(CertificateTest, IssuedNamesAreCovered) {
  const WallTime now(std::chrono::hours(24 * 365 * 56));
  const auto ca = make_ca("test-ca", now);
  CertificateRequest rq;
  rq.common_name = "server";
  rq.dns_names = {"kubernetes.default"};
  rq.ip_addresses = {"10.96.0.1"};
  rq.server = true;
  auto pair = issue(ca, rq, now);
  ASSERT_TRUE(pair);
  EXPECT_TRUE(certificate_covers(pair->certificate_pem, rq));
  rq.ip_addresses.push_back("10.96.0.2");
  EXPECT_FALSE(certificate_covers(pair->certificate_pem, rq));
  EXPECT_GT(*certificate_end(pair->certificate_pem), now + 24h * 300);
}

TEST(FixedRulesTest, NodesAndServiceAccounts) {
  FixedRules rules;
  UserInfo node{"system:node:n1", "", {"system:nodes", "system:authenticated"}, {}};
  UserInfo robot{"system:serviceaccount:ns:robot", "", {"system:serviceaccounts", "system:authenticated"}, {}};
  Attributes a;
  a.user = &node;
  a.verb = "patch";
  a.resource = "pods";
  a.subresource = "status";
  EXPECT_TRUE(rules.authorize(a).allowed);
  a.subresource = "";
  EXPECT_FALSE(rules.authorize(a).allowed);
  a.user = &robot;
  a.verb = "list";
  a.namespace_ = "ns";
  EXPECT_FALSE(rules.authorize(a).allowed);
  EXPECT_EQ(forbidden_text(a, ""),
            "User \"system:serviceaccount:ns:robot\" cannot list resource \"pods\" in API group \"\" in the namespace \"ns\"");
  Attributes path;
  path.user = &robot;
  path.verb = "get";
  path.resource_request = false;
  path.path = "/openapi/v3";
  EXPECT_TRUE(rules.authorize(path).allowed);
  path.path = "/metrics";
  EXPECT_FALSE(rules.authorize(path).allowed);
}

}  // namespace
}  // namespace keelson::auth
