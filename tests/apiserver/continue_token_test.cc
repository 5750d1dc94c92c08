#include "apiserver/continue_token.h"

#include <gtest/gtest.h>

namespace keelson::apiserver {
namespace {

TEST(ContinueToken, GoesAndComesBack) {
  const std::string next("/registry/pods/ns/b\0", 20);
  auto token = decode_continue("/registry/pods/ns/", encode_continue("/registry/pods/ns/", next, 42));
  ASSERT_TRUE(token.has_value()) << token.error().message;
  EXPECT_EQ(token->revision, 42);
  EXPECT_EQ(token->start_key, next);
}

TEST(ContinueToken, OneKindsTokenStaysInAnothersRange) {
  auto token = decode_continue("/registry/configmaps/ns/", encode_continue("/registry/pods/ns/", "/registry/pods/ns/b", 7));
  ASSERT_TRUE(token.has_value());
  EXPECT_EQ(token->start_key, "/registry/configmaps/ns/b");
}

TEST(ContinueToken, RefusesWithUpstreamsWords) {
  EXPECT_EQ(decode_continue("/r/", "garbage").error().message,
            "continue key is not valid: invalid character '\\u0081' looking for beginning of value");
  EXPECT_EQ(decode_continue("/r/", base64url_encode(R"({"v":"meta.k8s.io/v1","rv":5,"start":"../x"})")).error().message,
            "continue key is not valid: ../x");
  EXPECT_EQ(decode_continue("/r/", base64url_encode(R"({"v":"meta.k8s.io/v1","rv":-1,"start":""})")).error().message,
            "continue key is not valid: encoded start key empty (version meta.k8s.io/v1)");
}

TEST(ContinueToken, Base64UrlOfEveryLength) {
  std::string text;
  for (int i = 0; i < 64; ++i) {
    EXPECT_EQ(base64url_decode(base64url_encode(text)).value(), text);
    text += static_cast<char>(i * 37);
  }
}

}  // namespace
}  // namespace keelson::apiserver
