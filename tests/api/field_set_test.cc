// FieldSet: texts, order and algebra.
#include "api/managed_fields/field_set.h"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

FieldSet set(std::string_view text) {
  auto s = FieldSet::parse(text);
  EXPECT_TRUE(s) << text;
  return s ? *s : FieldSet();
}

TEST(FieldSet, TextAndOrder) {
  // Numbers inside keys order by value, and fields come before keys before values.
  const std::string text =
      R"({"f:a":{},"f:b":{".":{},"f:c":{}},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{}},)"
      R"("k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{"f:name":{}}},"f:s":{"v:\"x\"":{},"v:\"y\"":{}}})";
  const FieldSet s = set(text);
  EXPECT_EQ(set(s.to_json()), s);
  // "k:{…}":{".":{}} is a plain member and is written as {}.
  EXPECT_EQ(
      s.to_json(),
      R"({"f:a":{},"f:b":{".":{},"f:c":{}},"f:ports":{"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{},)"
      R"("k:{\"containerPort\":443,\"protocol\":\"TCP\"}":{"f:name":{}}},"f:s":{"v:\"x\"":{},"v:\"y\"":{}}})");
  EXPECT_EQ(set(R"({"f:p":{"k:{\"b\":\"1\",\"a\":2.0}":{}}})").to_json(),
            R"({"f:p":{"k:{\"a\":2,\"b\":\"1\"}":{}}})");
  EXPECT_EQ(set("{}").to_json(), "{}");
  EXPECT_FALSE(FieldSet::parse(R"({"x:a":{}})"));
  EXPECT_FALSE(FieldSet::parse(R"({"f:a":1})"));
  EXPECT_FALSE(FieldSet::parse("["));
}

TEST(FieldSet, Algebra) {
  const FieldSet a = set(R"({"f:x":{".":{},"f:y":{}},"f:z":{}})");
  const FieldSet b = set(R"({"f:x":{"f:y":{},"f:w":{}},"f:q":{}})");
  EXPECT_EQ(a.union_with(b).to_json(), R"({"f:q":{},"f:x":{".":{},"f:w":{},"f:y":{}},"f:z":{}})");
  EXPECT_EQ(a.intersection(b).to_json(), R"({"f:x":{"f:y":{}}})");
  EXPECT_EQ(a.difference(b).to_json(), R"({"f:x":{},"f:z":{}})");
  EXPECT_EQ(b.difference(a).to_json(), R"({"f:q":{},"f:x":{"f:w":{}}})");
  // Only the recursive difference takes what lies below a member.
  const FieldSet x = FieldSet::of({"x"});
  EXPECT_EQ(a.difference(x).to_json(), R"({"f:x":{"f:y":{}},"f:z":{}})");
  FieldSet rest = a;
  rest.subtract_recursive(x);
  EXPECT_EQ(rest.to_json(), R"({"f:z":{}})");
  EXPECT_TRUE(a.difference(a).empty());
  EXPECT_EQ(a.union_with(a), a);
  const PathElement path[] = {PathElement::field("x"), PathElement::field("y")};
  EXPECT_TRUE(a.has(path));
  EXPECT_FALSE(a.has(std::span(path, 1)) && x.has(path));
}

}  // namespace
}  // namespace keelson::api
