// Which hosts and addresses a certificate's names cover.
#include "net/certificate_names.h"

#include <gtest/gtest.h>

#include <map>

namespace keelson::net {
namespace {

PeerCertificate naming(std::vector<std::string> dns_names, std::vector<std::string> ips = {}) {
  PeerCertificate out;
  out.common_name = "common.example";
  out.dns_names = std::move(dns_names);
  out.ip_addresses = std::move(ips);
  return out;
}

struct FakeNames final : NameService {
  std::map<std::string, std::vector<std::string>> names, addresses;
  int asked = 0;

  Result<std::vector<std::string>> names_of(const std::string& ip) override { return find(names, ip); }
  Result<std::vector<std::string>> addresses_of(const std::string& name) override {
    return find(addresses, name);
  }
  Result<std::vector<std::string>> find(const std::map<std::string, std::vector<std::string>>& in,
                                        const std::string& key) {
    ++asked;
    const auto it = in.find(key);
    if (it == in.end()) return fail(Code::kNotFound, "lookup " + key + ": no such host");
    return it->second;
  }
};

std::string refusal(const PeerCertificate& cert, const std::string& ip, NameService& names) {
  const auto checked = check_source(cert, ip, names);
  return checked ? "" : checked.error().message;
}

TEST(CertificateNames, HostsByGosRules) {
  const auto cert = naming({"a.example", "*.b.example"}, {"10.0.0.1", "fd00::1"});
  for (const char* good :
       {"a.example", "A.Example.", "x.b.example", "10.0.0.1", "::ffff:10.0.0.1", "[fd00::1]"})
    EXPECT_TRUE(covers_host(cert, good)) << good;
  for (const char* bad : {"b.example", ".b.example", "x.y.b.example", "xb.example", "*.a.example",
                          "common.example", "10.0.0.2", "fd00::2", ""})
    EXPECT_FALSE(covers_host(cert, bad)) << bad;
}

TEST(CertificateNames, ASourceIsOneOfTheAddresses) {
  FakeNames names;
  EXPECT_EQ(refusal(naming({}), "10.0.0.1", names), "");
  EXPECT_EQ(refusal(naming({}, {"10.0.0.1"}), "10.0.0.1", names), "");
  EXPECT_EQ(refusal(naming({}, {"fd00::1"}), "fd00:0::1", names), "");
  EXPECT_EQ(refusal(naming({}, {"127.0.0.1", "::1"}), "10.0.0.1", names),
            "x509: certificate is valid for 127.0.0.1, ::1, not 10.0.0.1");
  EXPECT_EQ(refusal(naming({"a"}, {"10.0.0.1"}), "10.0.0.1", names), "");
  EXPECT_EQ(names.asked, 0) << "addresses need no name service";
  EXPECT_FALSE(wants_lookup(naming({"a"}, {"10.0.0.1"}), "10.0.0.1"));
  EXPECT_FALSE(wants_lookup(naming({}, {"10.0.0.1"}), "10.0.0.2"));
  EXPECT_TRUE(wants_lookup(naming({"a"}, {"10.0.0.1"}), "10.0.0.2"));
}

TEST(CertificateNames, OrHasOneOfTheNames) {
  FakeNames names;
  names.names["10.0.0.1"] = {"other.example", "m1.sub.example"};
  names.addresses["m2.example"] = {"10.0.0.2", "10.0.0.3"};
  // Reverse: any depth below a wildcard.
  EXPECT_EQ(refusal(naming({"*.example"}), "10.0.0.1", names), "");
  EXPECT_EQ(refusal(naming({"m1.sub.example"}), "10.0.0.1", names), "");
  // Forward, also beside addresses that do not fit; not for wildcards.
  EXPECT_EQ(refusal(naming({"*.x", "m2.example"}, {"10.0.0.9"}), "10.0.0.3", names), "");
  EXPECT_EQ(refusal(naming({"m2.example", "*.x"}), "10.0.0.4", names),
            "tls: \"10.0.0.4\" does not match any of DNSNames [\"m2.example\" \"*.x\"] "
            "(lookup 10.0.0.4: no such host)");
  EXPECT_NE(refusal(naming({"gone.example"}), "10.0.0.1", names).find("(lookup gone.example"),
            std::string::npos);
  EXPECT_NE(refusal(naming({"sub.example"}), "10.0.0.1", names), "") << "a name is no suffix";
}

TEST(CertificateNames, TheMachineKnowsItself) {
  SystemNames names;
  const auto addresses = names.addresses_of("localhost");
  ASSERT_TRUE(addresses.has_value()) << addresses.error().message;
  EXPECT_EQ(refusal(naming({"localhost"}), addresses->front(), names), "");
  EXPECT_FALSE(names.names_of("no address").has_value());
}

}  // namespace
}  // namespace keelson::net
