// Tables: durations, pod states, and the recorded Tables of kinds we have.
#include "api/table/table.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "api/gen/core_v1.h"
#include "api/json.h"
#include "api/table/human_duration.h"

namespace keelson::api {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr Time kNow{1'800'000'000, 0};

TEST(Table, HumanDuration) {
  const std::map<std::int64_t, std::string> cases{
      {-2, "<invalid>"},  {-1, "0s"},       {0, "0s"},          {119, "119s"},     {120, "2m"},
      {330, "5m30s"},     {600, "10m"},     {10799, "179m"},    {10800, "3h"},     {11100, "3h5m"},
      {28800, "8h"},      {172799, "47h"},  {172800, "2d"},     {176400, "2d1h"},  {691200, "8d"},
      {63071999, "729d"}, {63072000, "2y"}, {63158400, "2y1d"}, {252288000, "8y"},
  };
  for (const auto& [s, want] : cases) EXPECT_EQ(human_duration(seconds(s)), want) << s;
  EXPECT_EQ(age(Time{}, kNow), "<unknown>");
}

// The Status cell of a pod given as JSON of spec and status.
std::string status_cell(const std::string& body, std::size_t cell = 2) {
  auto pod = parse_json(body, core_v1::Pod::kind_info());
  EXPECT_TRUE(pod) << body;
  const json::value table = json::parse(table_of(**pod, {}, kNow));
  return std::string(table.at("rows").at(0).at("cells").at(cell).as_string());
}

TEST(Table, PodStates) {
  const std::string two =
      R"("spec":{"initContainers":[{"name":"i"}],"containers":[{"name":"a"},{"name":"b"}]},)";
  const auto pod = [&](const std::string& status, const std::string& meta = "{}") {
    return "{\"metadata\":" + meta + "," + two + "\"status\":{" + status + "}}";
  };
  EXPECT_EQ(status_cell(pod(R"("phase":"Pending")")), "Pending");
  EXPECT_EQ(
      status_cell(pod(R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{"waiting":{}}}])")),
      "Init:0/1");
  EXPECT_EQ(
      status_cell(pod(
          R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{"waiting":{"reason":"CrashLoopBackOff"}}}])")),
      "Init:CrashLoopBackOff");
  EXPECT_EQ(
      status_cell(pod(
          R"("phase":"Pending","initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":3}}}])")),
      "Init:ExitCode:3");
  const std::string done = R"("initContainerStatuses":[{"name":"i","state":{"terminated":{"exitCode":0}}}],)";
  EXPECT_EQ(status_cell(pod(done + R"("phase":"Running","containerStatuses":[
      {"name":"a","ready":true,"state":{"running":{}}},
      {"name":"b","restartCount":4,"state":{"waiting":{"reason":"CrashLoopBackOff"}}}])")),
            "CrashLoopBackOff");
  const std::string crashed = pod(done + R"("phase":"Running","containerStatuses":[
      {"name":"a","ready":true,"state":{"running":{}}},
      {"name":"b","restartCount":4,"lastState":{"terminated":{"exitCode":1,"finishedAt":"2027-01-15T07:55:00Z"}},
       "state":{"waiting":{"reason":"CrashLoopBackOff"}}}])");
  EXPECT_EQ(status_cell(crashed, 1), "1/2");
  EXPECT_EQ(status_cell(crashed, 3), "4 (5m ago)");
  EXPECT_EQ(status_cell(pod(done + R"("phase":"Running","conditions":[{"type":"Ready","status":"True"}],
      "containerStatuses":[{"name":"a","ready":true,"state":{"running":{}}},
                           {"name":"b","state":{"terminated":{"reason":"Completed"}}}])")),
            "Running");
  EXPECT_EQ(status_cell(pod(done + R"("phase":"Succeeded","containerStatuses":[
      {"name":"a","state":{"terminated":{"reason":"Completed"}}}])")),
            "Completed");
  EXPECT_EQ(status_cell(pod(R"("phase":"Running")", R"({"deletionTimestamp":"2027-01-01T00:00:00Z"})")),
            "Terminating");
  EXPECT_EQ(status_cell(pod(R"("phase":"Failed","reason":"Evicted")")), "Evicted");
}

bool cell_matches(const json::value& got, const json::value& want) {
  if (want == json::value("<any>")) return true;
  if (want == json::value("<age>")) return got.is_string() && !got.as_string().empty();
  return got == want;
}

class Recorded {
 public:
  int rows = 0;

  void step(const json::object& s) {
    const json::object& request = s.at("request").as_object();
    const json::value* body = s.at("response").as_object().if_contains("body");
    if (body == nullptr || !body->is_object()) return;
    const json::value* kind = body->as_object().if_contains("kind");
    if (kind == nullptr) return;
    if (*kind == json::value("Table")) {
      check(*body, std::string(request.at("path").as_string()));
    } else if (body->as_object().contains("metadata") && body->at("metadata").as_object().contains("name")) {
      live_[std::string(body->at("metadata").at("name").as_string())] = *body;
    }
  }

 private:
  void check(const json::value& table, const std::string& path) {
    if (path.find("/scale") != std::string::npos || path.find("/status") != std::string::npos) return;
    for (const json::value& row : table.at("rows").as_array()) {
      if (!row.at("object").is_object()) continue;
      const auto it = live_.find(std::string(row.at("object").at("metadata").at("name").as_string()));
      if (it == live_.end() || !it->second.as_object().contains("apiVersion")) continue;
      const KindInfo* kind = find_kind(std::string_view(it->second.at("apiVersion").as_string()),
                                       std::string_view(it->second.at("kind").as_string()));
      if (kind == nullptr || kind->resource.empty()) continue;
      std::string text = json::serialize(it->second);
      for (const char* t : {"\"<time>\"", "\"<microtime>\""})
        for (std::size_t at; (at = text.find(t)) != std::string::npos;)
          text.replace(at, std::string_view(t).size(), "\"2024-01-02T03:04:05Z\"");
      auto object = parse_json(text, *kind);
      if (!object) continue;
      const json::value got = json::parse(table_of(**object, {.include = IncludeObject::kNone}, kNow));
      const json::array& cells = got.at("rows").at(0).at("cells").as_array();
      const json::array& want = row.at("cells").as_array();
      ASSERT_EQ(cells.size(), want.size()) << json::serialize(want);
      for (std::size_t i = 0; i < cells.size(); ++i)
        EXPECT_TRUE(cell_matches(cells[i], want[i])) << json::serialize(cells) << "\n"
                                                     << json::serialize(want);
      ++rows;
    }
  }

  std::map<std::string, json::value> live_;
};

TEST(Table, RecordedTables) {
  const char* shared = std::getenv("KEELSON_SHARED");
  const fs::path dir = fs::path(shared ? shared : KEELSON_SOURCE_DIR "/../shared") / "data/transcripts";
  if (!fs::exists(dir)) GTEST_SKIP() << "SKIPPED: no recorded data at " << dir;
  int rows = 0;
  for (const auto& f : fs::recursive_directory_iterator(dir)) {
    if (f.path().extension() != ".json") continue;
    SCOPED_TRACE(f.path().string());
    std::stringstream text;
    text << std::ifstream(f.path()).rdbuf();
    const json::value doc = json::parse(text.str());
    Recorded recorded;
    for (const json::value& s : doc.at("steps").as_array()) recorded.step(s.as_object());
    rows += recorded.rows;
  }
  EXPECT_GT(rows, 15);
}

TEST(Table, ShapesOfReplies) {
  auto cm = parse_json(R"({"metadata":{"name":"a","resourceVersion":"7"},"data":{"k":"v"}})",
                       core_v1::ConfigMap::kind_info());
  EXPECT_EQ(json::parse(table_of(**cm, {.columns = false}, kNow)),
            json::parse(R"({"kind":"Table","apiVersion":"meta.k8s.io/v1","metadata":{"resourceVersion":"7"},
              "columnDefinitions":null,"rows":[{"cells":["a",1,"<unknown>"],"object":{"kind":"PartialObjectMetadata",
              "apiVersion":"meta.k8s.io/v1","metadata":{"name":"a","resourceVersion":"7"}}}]})"));
  std::string list;
  begin_partial_list(list, {"9", "tok", 3}, "v1beta1");
  const std::size_t head = list.size();
  append_partial_item(list, **cm, "v1beta1");
  end_partial_list(list);
  EXPECT_EQ(json::parse(list),
            json::parse(R"({"kind":"PartialObjectMetadataList","apiVersion":"meta.k8s.io/v1beta1","metadata":{
              "resourceVersion":"9","continue":"tok","remainingItemCount":3},"items":[{"kind":"PartialObjectMetadata",
              "apiVersion":"meta.k8s.io/v1beta1","metadata":{"name":"a","resourceVersion":"7"}}]})"));
  list.resize(head);
  end_partial_list(list);
  EXPECT_TRUE(json::parse(list).at("items").is_null());
  EXPECT_EQ(
      parse_include_object("Odd").error().message,
      "Unable to convert to Table as requested: includeObject: Invalid value: \"Odd\": must be 'Metadata', "
      "'Object', 'None', or empty");
}

}  // namespace
}  // namespace keelson::api
