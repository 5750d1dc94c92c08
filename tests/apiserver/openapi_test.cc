// OpenAPI: components equal to kube-apiserver 1.36's but for descriptions; documents have what kubectl looks
// at.
#include "apiserver/openapi/openapi.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "api/kinds.h"
#include "apiserver/openapi/schema_json.h"
#include "base/wire.h"

namespace keelson::apiserver {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

// The form of schemas.json: no descriptions, bare references beside their siblings.
json::value normalized(const json::value& v) {
  if (v.is_array()) {
    json::array out;
    for (const json::value& e : v.get_array()) out.push_back(normalized(e));
    return out;
  }
  if (!v.is_object()) return v;
  json::object out;
  for (const auto& m : v.get_object()) {
    if (m.key() == "description" && m.value().is_string()) continue;
    if (m.key() == "allOf") {
      out["$ref"] = normalized(m.value().at(0)).at("$ref");
    } else if (m.key() == "$ref") {
      const std::string ref(m.value().as_string());
      out["$ref"] = ref.substr(ref.rfind('/') + 1);
    } else {
      out[m.key()] = normalized(m.value());
    }
  }
  return out;
}

TEST(OpenApi, ComponentsEqualUpstream) {
  const char* shared = std::getenv("KEELSON_SHARED");
  const fs::path file =
      fs::path(shared ? shared : KEELSON_SOURCE_DIR "/../shared") / "data/kube-v1.36-facts/schemas.json";
  if (!fs::exists(file)) GTEST_SKIP() << "SKIPPED: no recorded data at " << file;
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  const json::value facts = json::parse(text.str());
  std::set<std::string_view> names;
  for (const api::KindInfo* k : api::all_kinds()) {
    collect_components(k->type->name, names);
    if (k->list_type) collect_components(k->list_type->name, names);
  }
  int compared = 0;
  for (std::string_view name : names) {
    const json::value* want = facts.as_object().if_contains(name);
    if (want == nullptr) continue;
    std::string out;
    append_component(out, OpenApiDialect::kV3, name);
    json::value got = normalized(json::parse(out));
    json::value expected = *want;
    // Upstream lists every group for these.
    if (name.ends_with(".DeleteOptions") || name.ends_with(".WatchEvent")) {
      got.as_object().erase("x-kubernetes-group-version-kind");
      expected.as_object().erase("x-kubernetes-group-version-kind");
    }
    EXPECT_EQ(got, expected) << name << "\n" << json::serialize(got) << "\n" << json::serialize(expected);
    ++compared;
  }
  EXPECT_GT(compared, 200);
}

const json::value& at(const json::value& v, std::initializer_list<std::string_view> path) {
  const json::value* p = &v;
  for (std::string_view name : path) p = &p->at(name);
  return *p;
}

// Every $ref of the document leads to one of its components.
void check_refs(const json::value& v, const json::object& components, std::string_view prefix) {
  if (v.is_array())
    for (const json::value& e : v.get_array()) check_refs(e, components, prefix);
  if (!v.is_object()) return;
  for (const auto& m : v.get_object()) {
    if (m.key() == "$ref" && m.value().is_string()) {
      const std::string ref(m.value().as_string());
      ASSERT_TRUE(ref.starts_with(prefix)) << ref;
      EXPECT_TRUE(components.contains(ref.substr(prefix.size()))) << ref;
    } else {
      check_refs(m.value(), components, prefix);
    }
  }
}

bool has_query(const json::value& operation, std::string_view name) {
  for (const json::value& p : operation.at("parameters").as_array())
    if (p.at("in") == "query" && p.at("name") == json::value(name)) return true;
  return false;
}

TEST(OpenApi, V3Documents) {
  OpenApi api(api::all_kinds(), "v1.36.0");
  const json::value index = json::parse(api.v3_index().body.view());
  EXPECT_EQ(at(index, {"paths", "apis/apps/v1", "serverRelativeURL"}).as_string(),
            "/openapi/v3/apis/apps/v1?hash=" + api.v3_hash("apis/apps/v1"));
  ASSERT_NE(api.v3("api/v1"), nullptr);
  EXPECT_EQ(api.v3("apis/none/v1"), nullptr);
  const json::value doc = json::parse(api.v3("apis/apps/v1")->body.view());
  const json::value& patch =
      at(doc, {"paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}", "patch"});
  EXPECT_EQ(patch.at("x-kubernetes-group-version-kind"),
            json::parse(R"({"group":"apps","kind":"Deployment","version":"v1"})"));
  EXPECT_EQ(patch.at("operationId"), "patchAppsV1NamespacedDeployment");
  for (const char* name : {"dryRun", "fieldValidation", "fieldManager", "force"})
    EXPECT_TRUE(has_query(patch, name));
  EXPECT_EQ(at(doc, {"paths", "/apis/apps/v1/deployments", "get", "operationId"}),
            "listAppsV1DeploymentForAllNamespaces");
  EXPECT_EQ(at(doc, {"paths", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale", "put",
                     "x-kubernetes-group-version-kind", "kind"}),
            "Scale");
  for (const char* path : {"api/v1", "apis/apps/v1", "apis/networking.k8s.io/v1"}) {
    const json::value d = json::parse(api.v3(path)->body.view());
    check_refs(d, at(d, {"components", "schemas"}).as_object(), "#/components/schemas/");
  }
}

TEST(OpenApi, V2Documents) {
  OpenApi api(api::all_kinds(), "v1.36.0");
  const json::value doc = json::parse(api.v2_json().body.view());
  check_refs(doc, doc.at("definitions").as_object(), "#/definitions/");
  EXPECT_EQ(at(doc, {"definitions", "io.k8s.api.core.v1.PodSpec", "properties", "containers",
                     "x-kubernetes-patch-merge-key"}),
            "name");
  // The protobuf holds as many paths and definitions.
  std::size_t paths = 0, definitions = 0;
  wire::Reader r(api.v2_protobuf().body.view());
  while (r.next()) {
    if (r.field() != 8 && r.field() != 9) continue;
    std::size_t& n = r.field() == 8 ? paths : definitions;
    wire::Reader inner(r.bytes());
    while (inner.next()) ++n;
    EXPECT_TRUE(inner.ok());
  }
  EXPECT_TRUE(r.ok());
  EXPECT_EQ(paths, doc.at("paths").as_object().size());
  EXPECT_EQ(definitions, doc.at("definitions").as_object().size());
}

}  // namespace
}  // namespace keelson::apiserver
