#include "apiserver/request_info.h"

#include <gtest/gtest.h>

namespace keelson::apiserver {
namespace {

TEST(RequestInfo, ReadsResourcePaths) {
  auto i = parse_request_path("/api/v1/namespaces/ns/pods/p/log");
  EXPECT_TRUE(i.is_resource);
  EXPECT_EQ(i.group, "");
  EXPECT_EQ(i.version, "v1");
  EXPECT_EQ(i.namespace_, "ns");
  EXPECT_EQ(i.resource, "pods");
  EXPECT_EQ(i.name, "p");
  EXPECT_EQ(i.subresource, "log");

  i = parse_request_path("/apis/apps/v1/deployments");
  EXPECT_EQ(i.group, "apps");
  EXPECT_EQ(i.resource, "deployments");
  EXPECT_EQ(i.namespace_, "");
  EXPECT_EQ(i.name, "");
}

TEST(RequestInfo, NamespacesAreResourcesToo) {
  auto i = parse_request_path("/api/v1/namespaces/ns");
  EXPECT_EQ(i.resource, "namespaces");
  EXPECT_EQ(i.name, "ns");
  i = parse_request_path("/api/v1/namespaces/ns/finalize");
  EXPECT_EQ(i.resource, "namespaces");
  EXPECT_EQ(i.subresource, "finalize");
}

TEST(RequestInfo, WatchPrefixEscapesAndRest) {
  auto i = parse_request_path("/api/v1/watch/namespaces/ns/pods");
  EXPECT_TRUE(i.legacy_watch);
  EXPECT_EQ(i.resource, "pods");
  i = parse_request_path("/api/v1/nodes/a%20b/proxy/x/y");
  EXPECT_EQ(i.name, "a b");
  EXPECT_EQ(i.rest, (std::vector<std::string>{"x", "y"}));
}

TEST(RequestInfo, OtherPaths) {
  EXPECT_FALSE(parse_request_path("/healthz").is_resource);
  EXPECT_EQ(parse_request_path("/apis/apps/v1").prefix, "apis");
  EXPECT_FALSE(parse_request_path("/apis/apps/v1").is_resource);
  EXPECT_TRUE(parse_request_path("/apis//v1").malformed);
  EXPECT_TRUE(parse_request_path("/api/../api/v1").malformed);
}

}  // namespace
}  // namespace keelson::apiserver
