#include "apiserver/media_type.h"

#include <gtest/gtest.h>

namespace keelson::apiserver {
namespace {

TEST(Negotiate, WhatKubectlSends) {
  auto n = negotiate("application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json", true);
  EXPECT_EQ(n.failure, NegotiationFailure::kNone);
  EXPECT_EQ(n.accepted.view, View::kTable);
  EXPECT_FALSE(n.accepted.beta);
  EXPECT_EQ(negotiate("application/vnd.kubernetes.protobuf,application/json", true).accepted.type, MediaType::kProtobuf);
  EXPECT_EQ(negotiate("", true).accepted.type, MediaType::kJson);
}

TEST(Negotiate, QualityDecides) {
  EXPECT_EQ(negotiate("application/json;q=0.5,application/yaml;q=0.9", true).accepted.type, MediaType::kYaml);
}

TEST(Negotiate, TwoWaysToFail) {
  EXPECT_EQ(negotiate("text/plain", true).failure, NegotiationFailure::kMediaType);
  EXPECT_EQ(negotiate("application/*", true).failure, NegotiationFailure::kMediaType);
  EXPECT_EQ(negotiate("application/json;as=Odd;v=v1;g=meta.k8s.io", true).failure, NegotiationFailure::kTransform);
  EXPECT_EQ(negotiate("application/json;as=Table;v=v1;g=meta.k8s.io", false).failure, NegotiationFailure::kTransform);
}

TEST(BodyMediaType, ParametersAndCase) {
  EXPECT_EQ(body_media_type("application/JSON; charset=utf-8"), MediaType::kJson);
  EXPECT_EQ(body_media_type(""), MediaType::kJson);
  EXPECT_FALSE(body_media_type("application/merge-patch+json").has_value());
}

}  // namespace
}  // namespace keelson::apiserver
