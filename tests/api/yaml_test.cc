// YAML as sigs.k8s.io/yaml reads and writes it.
#include "api/yaml.h"

#include <gtest/gtest.h>

namespace keelson::api {
namespace {

std::string json(std::string_view yaml) {
  Result<YamlAsJson> out = yaml_to_json(yaml);
  return out ? out->json : out.error().message;
}

TEST(Yaml, Reads) {
  EXPECT_EQ(json("b: on\na: [1, 0x10, 010, 1.5, 1_000, ~, 'x', \"5\", 2026-11-21, .5, yes, 08]\n"),
            R"({"a":[1,16,8,1.5,1000,null,"x","5","2026-11-21",0.5,true,8],"b":true})");
  EXPECT_EQ(json("m: |\n  one\n  two\n1: a\nl: &l {a: b}\nc: *l\nd:\n  <<: *l\n  e: f\n"),
            R"({"1":"a","c":{"a":"b"},"d":{"a":"b","e":"f"},"l":{"a":"b"},"m":"one\ntwo\n"})");
  EXPECT_EQ(json("{\"a\":\"on\"}"), R"({"a":"on"})");
  EXPECT_EQ(json(""), "null");
  EXPECT_EQ(json("---\na: 1\n---\nb: 2\n"), R"({"a":1})");
  EXPECT_EQ(json("a: b: c"), "yaml: mapping values are not allowed in this context");
  EXPECT_EQ(json("\t- x"), "yaml: found character that cannot start any token");
  EXPECT_EQ(json("a: 1\nb: c: d\n"), "yaml: line 2: mapping values are not allowed in this context");
  EXPECT_EQ(json("a: *x"), "yaml: unknown anchor 'x' referenced");
  EXPECT_EQ(json("a: &a [*a]"), "yaml: anchor 'a' value contains itself");
  const Result<YamlAsJson> twice = yaml_to_json("a: v1\nb:\n  name: d\n  name: e\n");
  ASSERT_TRUE(twice);
  EXPECT_EQ(twice->json, R"({"a":"v1","b":{"name":"e"}})");
  ASSERT_EQ(twice->duplicate_keys.size(), 1u);
  EXPECT_EQ(twice->duplicate_keys[0], "line 4: key \"name\" already set in map");
}

TEST(Yaml, Writes) {
  EXPECT_EQ(
      json_to_yaml(
          R"({"kind":"ConfigMap","apiVersion":"v1","data":{"a10":"5","a9":"on","m":"x\ny\n","e":"","f":"# no"},)"
          R"("l":[{"b":1,"a":[]},{}],"t":"2026-11-21T09:00:00Z","n":null,"d":1.5})"),
      "apiVersion: v1\nd: 1.5\ndata:\n  a9: \"on\"\n  a10: \"5\"\n  e: \"\"\n  f: '# no'\n  m: |\n    x\n    "
      "y\n"
      "kind: ConfigMap\nl:\n- a: []\n  b: 1\n- {}\n\"n\": null\nt: \"2026-11-21T09:00:00Z\"\n");
}

TEST(Yaml, AliasBombIsRefused) {
  std::string bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n";
  for (int i = 1; i < 9; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [" + last;
    for (int k = 0; k < 9; ++k) bomb += "," + last;
    bomb += "]\n";
  }
  EXPECT_EQ(json(bomb), "yaml: document contains excessive aliasing");
}

}  // namespace
}  // namespace keelson::api
