// The causes of every recorded 422 of a POST, and the silence of every recorded 201, for the kinds we have: the request is decoded,
// defaulted and validated here, without a server.
#include <gtest/gtest.h>

#include <algorithm>
#include <boost/json.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "api/defaults.h"
#include "api/gen/core_v1.h"
#include "api/json.h"
#include "api/validation.h"

namespace keelson::api {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

fs::path transcripts() {
  const char* shared = std::getenv("KEELSON_SHARED");
  return fs::path(shared ? shared : KEELSON_SOURCE_DIR "/../shared") / "data/transcripts/validation";
}

std::string replace_all(std::string text) {
  for (const auto& [from, to] : {std::pair<std::string, std::string>{"${ns}", "tr-x1234567"}, {"${id}", "x1234567"}}) {
    for (auto at = text.find(from); at != std::string::npos; at = text.find(from)) text.replace(at, from.size(), to);
  }
  return text;
}

// What the registry does before validation and is not under test here.
const char* const kElsewhere[] = {"provided port is not in the valid range", "failed to allocate", "not configured on this cluster",
                                  "not configured for dual-stack", "secondary"};

std::vector<std::string> causes(const field::ErrorList& errors) {
  std::vector<std::string> out;
  for (const auto& e : errors) out.push_back(e.field + " | " + e.body());
  return out;
}

void check_step(const json::object& step, const std::string& where, int& checked) {
  const auto& rq = step.at("request").as_object();
  const auto& rs = step.at("response").as_object();
  const auto status = rs.at("status").to_number<int>();
  if (rq.at("method").as_string() != "POST" || (status != 201 && status != 422) || !rq.if_contains("body")) return;
  const std::string body = replace_all(json::serialize(rq.at("body")));
  auto meta = find_type_meta(body);
  if (!meta) return;
  const KindInfo* kind = find_kind(meta->api_version, meta->kind);
  if (kind == nullptr) return;
  auto decoded = decode_json(body, *kind);
  ASSERT_TRUE(decoded) << where << decoded.error().message;
  auto& object = *decoded->object;
  object.mutable_meta().set_namespace(kind->namespaced ? "tr-x1234567" : "");
  default_object(object);
  if (kind->kind == "Service") {  // the registry fills one from the other
    auto spec = core_v1::ServiceMut::of(object).mutable_spec();
    if (!spec.cluster_ip().empty() && spec.cluster_ips().empty()) spec.mutable_cluster_ips().add(std::string(spec.cluster_ip()));
  }
  const auto got = causes(validate_create(object));
  std::vector<std::string> want;
  if (status == 422) {
    for (const auto& c : rs.at("body").at("details").at("causes").as_array()) {
      const auto& o = c.as_object();
      if (!o.contains("field") || !o.contains("message")) return;
      want.push_back(replace_all(std::string(o.at("field").as_string()) + " | " + std::string(o.at("message").as_string())));
    }
  }
  for (const auto& w : want) {
    for (const char* e : kElsewhere) {
      if (w.find(e) != std::string::npos) return;
    }
  }
  ++checked;
  EXPECT_EQ(got, want) << where << "\n" << body.substr(0, 600);
}

TEST(ValidationTest, RecordedObjectsGiveTheRecordedCauses) {
  if (!fs::exists(transcripts())) GTEST_SKIP() << "SKIPPED: " << transcripts() << " IS NOT HERE, NO RECORDING WAS COMPARED";
  int checked = 0;
  std::vector<fs::path> files;
  for (const auto& f : fs::directory_iterator(transcripts())) files.push_back(f.path());
  std::ranges::sort(files);
  for (const auto& f : files) {
    std::ifstream in(f);
    std::stringstream text;
    text << in.rdbuf();
    const auto doc = json::parse(text.str());
    int n = 0;
    for (const auto& step : doc.at("steps").as_array()) {
      check_step(step.as_object(), f.stem().string() + " step " + std::to_string(++n) + ": ", checked);
    }
  }
  EXPECT_GT(checked, 150);
}

}  // namespace
}  // namespace keelson::api
