// Selectors: accepted texts, upstream's error texts (as recorded in meta/label-selectors and
// errors/bad-queries).
#include <gtest/gtest.h>

#include <map>

#include "api/gen/core_v1.h"
#include "api/selector/field_selector.h"
#include "api/selector/label_selector.h"
#include "api/selector/object_selectors.h"

namespace keelson::api {
namespace {

using Labels = std::map<std::string, std::string, std::less<>>;

bool matches(std::string_view selector, const Labels& labels) {
  auto s = LabelSelector::parse(selector);
  EXPECT_TRUE(s) << selector << ": " << (s ? "" : s.error().message);
  if (!s) return false;
  // The canonical text means the same.
  EXPECT_EQ(LabelSelector::parse(s->to_string()).value(), *s);
  return s->matches([&](std::string_view k) -> std::optional<std::string_view> {
    auto it = labels.find(k);
    if (it == labels.end()) return std::nullopt;
    return it->second;
  });
}

TEST(LabelSelector, Matches) {
  const Labels a{{"env", "prod"}, {"tier", "web"}};
  const Labels e{{"env", ""}, {"x.example.com/y", "z"}};
  const Labels f{{"n", "5"}};
  EXPECT_TRUE(matches("env=prod", a));
  EXPECT_TRUE(matches(" env == prod ", a));
  EXPECT_FALSE(matches("env!=prod", a));
  EXPECT_TRUE(matches("env!=prod", f));
  EXPECT_TRUE(matches("env in (dev,prod),tier", a));
  EXPECT_FALSE(matches("env notin (prod)", a));
  EXPECT_TRUE(matches("env in (prod,,dev)", e));
  EXPECT_TRUE(matches("env=", e));
  EXPECT_TRUE(matches("x.example.com/y=z", e));
  EXPECT_TRUE(matches("n>4,n<6", f));
  EXPECT_FALSE(matches("n>5", f));
  EXPECT_TRUE(matches("!env", f));
  EXPECT_FALSE(matches("env in ()", a));
  EXPECT_TRUE(matches("in in (in,notin)", {{"in", "in"}}));
  EXPECT_TRUE(matches("", {}));
  EXPECT_FALSE(LabelSelector::nothing().matches([](auto) { return std::optional<std::string_view>(); }));
}

TEST(LabelSelector, Errors) {
  const std::map<std::string, std::string> cases{
      {"==x", "found '==', expected: !, identifier, or 'end of string'"},
      {"a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
      {"a in (", "unable to parse requirement: found '', expected: ',', ')' or identifier"},
      {",env", "found ',', expected: !, identifier, or 'end of string'"},
      {"env,", "found '', expected: identifier after ','"},
      {"n>x",
       "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value "
       "must be an "
       "integer"},
      {"a=-bad-",
       "unable to parse requirement: values[0][a]: Invalid value: \"-bad-\": a valid label must be an empty "
       "string or "
       "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric "
       "character "
       "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
       "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
  };
  for (const auto& [text, want] : cases) {
    auto s = LabelSelector::parse(text);
    ASSERT_FALSE(s) << text;
    EXPECT_EQ(s.error().message, want) << text;
    EXPECT_EQ(s.error().code, Code::kInvalidArgument);
  }
}

TEST(FieldSelector, ParsesAndMatches) {
  auto s = FieldSelector::parse("status.phase!=Running,metadata.name==a\\,b,spec.nodeName=").value();
  EXPECT_EQ(s.to_string(), "metadata.name=a\\,b,spec.nodeName=,status.phase!=Running");
  EXPECT_EQ(s.exact("metadata.name"), "a,b");
  EXPECT_EQ(s.exact("status.phase"), std::nullopt);
  const auto value = [](std::string_view f) { return f == "metadata.name" ? "a,b" : ""; };
  EXPECT_TRUE(s.matches(value));
  EXPECT_FALSE(FieldSelector::parse("metadata.name=c").value().matches(value));
  EXPECT_EQ(FieldSelector::parse("metadata.name>5").error().message,
            "invalid selector: 'metadata.name>5'; can't understand 'metadata.name>5'");
  EXPECT_FALSE(FieldSelector::parse("a=b=c"));
}

TEST(ObjectSelectors, PodFields) {
  auto object = Object::make(core_v1::Pod::kind_info());
  core_v1::PodMut pod = core_v1::PodMut::of(*object);
  pod.mutable_metadata().set_name("p1");
  pod.mutable_metadata().set_namespace("ns");
  pod.mutable_spec().set_node_name("n1");
  pod.mutable_status().set_phase("Running");
  pod.mutable_status().add_pod_ips().set_ip("10.1.1.1");
  const KindInfo& kind = core_v1::Pod::kind_info();
  const auto m = [&](std::string_view text) {
    auto s = parse_field_selector(text, kind);
    EXPECT_TRUE(s) << text;
    return s && matches(*s, *object);
  };
  EXPECT_TRUE(m("metadata.name=p1,metadata.namespace=ns,spec.nodeName=n1,status.phase!=Failed"));
  EXPECT_TRUE(m("spec.host=n1,status.podIP=10.1.1.1,spec.hostNetwork=false,status.nominatedNodeName="));
  EXPECT_FALSE(m("spec.nodeName="));
  EXPECT_FALSE(m("metadata.name!=p1"));
  EXPECT_EQ(parse_field_selector("spec.containers=x", kind).error().message,
            "field label not supported: spec.containers");
  EXPECT_EQ(parse_field_selector("data.k=v", core_v1::ConfigMap::kind_info()).error().message,
            "\"data.k\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"");
}

TEST(ObjectSelectors, SelectorObjects) {
  EXPECT_TRUE(label_selector_of(meta_v1::LabelSelector())->is_nothing());
  auto object = Object::make(meta_v1::LabelSelector::type_info());
  auto s = meta_v1::LabelSelectorMut::of(*object);
  EXPECT_TRUE(label_selector_of(s)->is_everything());
  s.mutable_match_labels().set("a", "b");
  auto e = s.add_match_expressions();
  e.set_key("c");
  e.set_operator("In");
  EXPECT_EQ(label_selector_of(s).error().message,
            "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  e.mutable_values().add("y");
  e.mutable_values().add("x");
  EXPECT_EQ(label_selector_of(s)->to_string(), "a=b,c in (x,y)");
}

}  // namespace
}  // namespace keelson::api
