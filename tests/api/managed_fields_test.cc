// managedFields against the recordings: every recorded write of a kind we have, its object taken as given,
// must end in the recorded managedFields. Also the rules that recordings do not show.
#include "api/managed_fields/managed_fields.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "api/gen/core_v1.h"
#include "api/json.h"
#include "api/managed_fields/diff.h"
#include "api/patch/json_text.h"

namespace keelson::api {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

constexpr Time kNow{1'800'000'000, 0};  // after the recordings

fs::path transcripts() {
  const char* shared = std::getenv("KEELSON_SHARED");
  return fs::path(shared ? shared : KEELSON_SOURCE_DIR "/../shared") / "data/transcripts";
}

std::string without_placeholders(std::string text) {
  static const std::pair<std::regex, const char*> kRules[] = {
      {std::regex("\"<time>\""), "\"2024-01-02T03:04:05Z\""},
      {std::regex("\"<microtime>\""), "\"2024-01-02T03:04:05.000000Z\""},
      {std::regex("\"<nodeport:[0-9]+>\""), "30001"},
  };
  for (const auto& [rule, with] : kRules) text = std::regex_replace(text, rule, with);
  return text;
}

// Null when it is no object of a kind we have.
std::unique_ptr<Object> object_of(const json::value& body) {
  if (!body.is_object()) return nullptr;
  const auto* version = body.get_object().if_contains("apiVersion");
  const auto* kind = body.get_object().if_contains("kind");
  if (!version || !kind || !version->is_string() || !kind->is_string()) return nullptr;
  const KindInfo* info =
      find_kind(std::string_view(version->get_string()), std::string_view(kind->get_string()));
  if (info == nullptr || info->storage_prefix.empty()) return nullptr;
  auto parsed = parse_json(without_placeholders(json::serialize(body)), *info);
  return parsed ? *std::move(parsed) : nullptr;
}

// manager, operation, apiVersion, subresource and fields of each entry, sorted.
std::vector<std::string> entries_text(const Object& o) {
  std::vector<std::string> out;
  for (const auto e : o.meta().managed_fields())
    out.push_back(std::string(e.manager()) + " " + std::string(e.operation()) + " " +
                  std::string(e.api_version()) + " " + std::string(e.subresource()) + " " +
                  FieldSet::parse(e.fields_v1()).value().to_json());
  std::ranges::sort(out);
  return out;
}

std::string query_value(const std::string& path, const std::string& name) {
  const std::size_t at = path.find(name + "=");
  if (at == std::string::npos) return "";
  const std::size_t from = at + name.size() + 1;
  return path.substr(from, path.find('&', from) - from);
}

class Replay {
 public:
  int compared = 0;

  void step(const json::object& s) {
    const json::object& request = s.at("request").as_object();
    const json::object& response = s.at("response").as_object();
    const json::value* body = response.if_contains("body");
    std::string path(request.at("path").as_string());
    const std::string method(request.at("method").as_string());
    if (body == nullptr) return;
    std::unique_ptr<Object> next = object_of(*body);
    if (!next) return;
    const std::string full = path;
    path = path.substr(0, path.find('?'));
    std::string subresource;
    for (const char* sub : {"status", "finalize", "resize", "ephemeralcontainers"})
      if (path.ends_with(std::string("/") + sub)) {
        subresource = sub;
        path = path.substr(0, path.size() - subresource.size() - 1);
      }
    if (method == "POST") path += "/" + std::string(next->name());
    const bool apply = content_type(request).starts_with("application/apply-patch");
    const std::int64_t code = response.at("status").to_number<std::int64_t>();
    const bool write =
        (method == "POST" && code == 201) || ((method == "PUT" || method == "PATCH") && code == 200);
    if (write && !apply && !says_managed_fields(request) && next->kind()->kind != "Service" &&
        subresource != "resize")
      compare(request, full, path, subresource, *next);
    if (code < 300 && full.find("dryRun") == std::string::npos) live_[path] = std::move(next);
  }

 private:
  static std::string content_type(const json::object& request) {
    const auto* h = request.if_contains("headers");
    const auto* ct = h ? h->as_object().if_contains("Content-Type") : nullptr;
    return ct ? std::string(ct->as_string()) : "";
  }
  static std::string text_of(const json::object& request) {
    const json::value* text = request.if_contains("bodyText");
    const json::value* body = request.if_contains("body");
    return text ? std::string(text->as_string()) : body ? json::serialize(*body) : "";
  }
  // Tracking comes before admission: what the plugins put in belongs to nobody.
  static void undo_admission(Object& o, const std::string& request) {
    if (o.kind()->kind == "Node" && request.find("taints") == std::string::npos)
      core_v1::NodeMut::of(o).mutable_spec().clear_taints();
    if (o.kind()->kind == "Namespace" && request.find("finalizers") == std::string::npos)
      core_v1::NamespaceMut::of(o).mutable_spec().clear_finalizers();
    if (o.kind()->kind != "Pod") return;
    auto spec = core_v1::PodMut::of(o).mutable_spec();
    if (request.find("tolerations") == std::string::npos) spec.clear_tolerations();
    if (request.find("preemptionPolicy") == std::string::npos) spec.clear_preemption_policy();
    if (request.find("\"priority\"") == std::string::npos) spec.clear_priority();
  }
  static bool says_managed_fields(const json::object& request) {
    const std::string all = text_of(request);
    return all.find("managedFields") != std::string::npos || all.find("$capture") != std::string::npos;
  }
  void compare(const json::object& request, const std::string& full, const std::string& path,
               const std::string& subresource, Object& next) {
    const bool create = request.at("method") == "POST";
    const Object* live = nullptr;
    if (!create) {
      if (!live_.contains(path)) return;
      live = live_[path].get();
      // A recording may not show what happened in between.
      if (live->uid() != next.uid() ||
          live->meta().has_deletion_timestamp() != next.meta().has_deletion_timestamp())
        return;
    }
    std::string agent = "transcript/1.0";
    if (const auto* h = request.if_contains("headers"))
      if (const auto* ua = h->as_object().if_contains("User-Agent")) agent = std::string(ua->as_string());
    const std::vector<std::string> want = entries_text(next);
    std::unique_ptr<Object> got = next.clone();
    got->mutable_meta().clear_managed_fields();
    if (create) undo_admission(*got, text_of(request));
    const std::string manager = manager_of(query_value(full, "fieldManager"), agent);
    track_update(live, *got, {manager, subresource, kNow});
    EXPECT_EQ(entries_text(*got), want) << full;
    ++compared;
  }

  std::map<std::string, std::unique_ptr<Object>> live_;
};

TEST(ManagedFields, RecordedWrites) {
  if (!fs::exists(transcripts())) GTEST_SKIP() << "SKIPPED: no recorded data at " << transcripts();
  int compared = 0;
  std::vector<fs::path> files;
  for (const auto& f : fs::recursive_directory_iterator(transcripts()))
    if (f.path().extension() == ".json" && f.path().parent_path().filename() != "admission")
      files.push_back(f.path());
  std::ranges::sort(files);
  for (const fs::path& file : files) {
    // Fields that the kind's preparation drops after tracking; a write to /scale whose reply is no
    // Deployment.
    if (file.stem() == "leases-spec-1" || file.stem() == "namespace-finalize" ||
        (file.stem() == "deployment" && file.parent_path().stem() == "watch"))
      continue;
    SCOPED_TRACE(file.string());
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    const json::value doc = read_json_text(text.str()).value().value;
    Replay replay;
    for (const json::value& s : doc.as_object().at("steps").as_array()) replay.step(s.as_object());
    compared += replay.compared;
  }
  EXPECT_GT(compared, 300);
  std::printf("compared %d writes\n", compared);
}

std::unique_ptr<Object> config_map(std::initializer_list<std::pair<const char*, const char*>> data) {
  auto o = Object::make(core_v1::ConfigMap::kind_info());
  auto c = core_v1::ConfigMapMut::of(*o);
  c.mutable_metadata().set_name("a");
  c.mutable_metadata().set_uid("u");
  for (const auto& [k, v] : data) c.mutable_data().set(k, v);
  return o;
}

TEST(ManagedFields, TimeMovesOnlyWithFields) {
  auto first = config_map({{"a", "1"}});
  track_update(nullptr, *first, {"m", "", {100, 5}});
  EXPECT_EQ(first->meta().managed_fields()[0].time(), (Time{100, 0}));
  auto same = config_map({{"a", "1"}});
  track_update(first.get(), *same, {"m", "", {200, 0}});
  EXPECT_EQ(same->meta().managed_fields()[0].time().seconds, 100);
  auto taken = config_map({{"a", "2"}});
  track_update(same.get(), *taken, {"n", "", {300, 0}});
  ASSERT_EQ(taken->meta().managed_fields().size(), 2u);
  EXPECT_EQ(taken->meta().managed_fields()[0].fields_v1(), R"({"f:data":{}})");
  EXPECT_EQ(taken->meta().managed_fields()[1].fields_v1(), R"({"f:data":{"f:a":{}}})");
  // A reset stops the tracking for good.
  auto reset = config_map({{"a", "3"}});
  reset->mutable_meta().add_managed_fields();
  track_update(taken.get(), *reset, {"n", "", {400, 0}});
  EXPECT_TRUE(reset->meta().managed_fields().empty());
  auto later = config_map({{"a", "4"}});
  track_update(reset.get(), *later, {"n", "", {500, 0}});
  EXPECT_TRUE(later->meta().managed_fields().empty());
}

TEST(ManagedFields, OnlyTimesDifferent) {
  auto live = config_map({{"a", "1"}});
  track_update(nullptr, *live, {"m", "", {100, 0}});
  auto next = live->clone();
  next->mutable_meta().mutable_managed_fields().at(0).set_time({200, 0});
  ignore_managed_times(*live, *next);
  EXPECT_EQ(next->meta().managed_fields()[0].time().seconds, 100);
  next->mutable_meta().mutable_managed_fields().at(0).set_time({200, 0});
  core_v1::ConfigMapMut::of(*next).mutable_data().set("b", "2");
  ignore_managed_times(*live, *next);
  EXPECT_EQ(next->meta().managed_fields()[0].time().seconds, 200);
}

TEST(ManagedFields, ManagerNames) {
  EXPECT_EQ(manager_of("x", "kubectl/v1"), "x");
  EXPECT_EQ(manager_of("", "kubectl/v1.33 (linux)"), "kubectl");
  EXPECT_EQ(manager_of("", "a\x01 b"), "a b");
  EXPECT_EQ(manager_of("", std::string(200, 'x')), std::string(128, 'x'));
}

}  // namespace
}  // namespace keelson::api
