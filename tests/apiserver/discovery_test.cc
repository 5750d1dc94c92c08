// Discovery of our kinds equals what kube-apiserver 1.36 tells of them.
#include "apiserver/discovery/discovery.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "api/kinds.h"

namespace keelson::apiserver {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

fs::path data() {
  const char* shared = std::getenv("KEELSON_SHARED");
  return fs::path(shared ? shared : KEELSON_SOURCE_DIR "/../shared") / "data";
}

json::value read(const fs::path& file) {
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  return json::parse(text.str());
}

json::value body(const Document& d) {
  return json::parse(d.body.view());
}

// resource name → entry, over all versions of all groups: "apps/v1/deployments".
std::map<std::string, json::value> aggregated_entries(const json::value& list) {
  std::map<std::string, json::value> out;
  for (const json::value& g : list.at("items").as_array()) {
    const json::object& meta = g.at("metadata").as_object();
    const std::string group = meta.contains("name") ? std::string(meta.at("name").as_string()) + "/" : "";
    for (const json::value& v : g.at("versions").as_array())
      for (const json::value& r : v.at("resources").as_array())
        out[group + std::string(v.at("version").as_string()) + "/" +
            std::string(r.at("resource").as_string())] = r;
  }
  return out;
}

TEST(Discovery, AggregatedEqualsUpstream) {
  if (!fs::exists(data())) GTEST_SKIP() << "SKIPPED: no recorded data at " << data();
  const Discovery d(api::all_kinds(), "127.0.0.1:6443");
  const json::value facts = read(data() / "kube-v1.36-facts/discovery.json");
  auto want = aggregated_entries(facts.at("api"));
  want.merge(aggregated_entries(facts.at("apis")));
  auto got = aggregated_entries(body(d.aggregated_core()));
  got.merge(aggregated_entries(body(d.aggregated_groups())));
  EXPECT_GT(got.size(), 20u);
  for (const auto& [name, entry] : got) {
    ASSERT_TRUE(want.contains(name)) << name;
    EXPECT_EQ(entry, want[name]) << name << "\n"
                                 << json::serialize(entry) << "\n"
                                 << json::serialize(want[name]);
  }
}

TEST(Discovery, ResourceListsEqualUpstream) {
  if (!fs::exists(data())) GTEST_SKIP() << "SKIPPED: no recorded data at " << data();
  const Discovery d(api::all_kinds(), "127.0.0.1:6443");
  int compared = 0;
  for (const auto& file : fs::directory_iterator(data() / "transcripts/discovery")) {
    const json::value scenario = read(file.path());
    for (const json::value& step : scenario.at("steps").as_array()) {
      const json::object& response = step.at("response").as_object();
      const json::value* want = response.if_contains("body");
      if (!want || !want->is_object() || !want->as_object().contains("groupVersion")) continue;
      const Document* doc = d.resources(want->at("groupVersion").as_string());
      if (doc == nullptr) continue;
      json::value got = body(*doc);
      std::map<std::string, json::value> by_name;
      for (const json::value& r : want->at("resources").as_array())
        by_name[std::string(r.at("name").as_string())] = r;
      for (const json::value& r : got.at("resources").as_array()) {
        const std::string name(r.at("name").as_string());
        EXPECT_EQ(r, by_name[name]) << name << "\n"
                                    << json::serialize(r) << "\n"
                                    << json::serialize(by_name[name]);
        ++compared;
      }
      got.as_object().erase("resources");
      json::value rest = *want;
      rest.as_object().erase("resources");
      EXPECT_EQ(got, rest);
    }
  }
  EXPECT_GT(compared, 20);
}

TEST(Discovery, GroupsAndRoots) {
  const Discovery d(api::all_kinds(), "127.0.0.1:6443");
  EXPECT_EQ(body(d.core_versions()),
            json::parse(R"({"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[
                {"clientCIDR":"0.0.0.0/0","serverAddress":"127.0.0.1:6443"}]})"));
  ASSERT_NE(d.group("apps"), nullptr);
  EXPECT_EQ(
      body(*d.group("apps")),
      json::parse(R"({"kind":"APIGroup","apiVersion":"v1","name":"apps","versions":[{"groupVersion":"apps/v1",
                "version":"v1"}],"preferredVersion":{"groupVersion":"apps/v1","version":"v1"}})"));
  EXPECT_EQ(body(d.group_list()).at("groups").at(0).at("name"), "apps");
  EXPECT_EQ(d.group("none"), nullptr);
  EXPECT_EQ(d.resources("none/v1"), nullptr);
  EXPECT_EQ(d.group_list().etag.size(), 66u);
}

}  // namespace
}  // namespace keelson::apiserver
