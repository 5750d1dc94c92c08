// Patches: scripts in tests/testdata/patch.txt, and the recorded patches of ../shared/data/transcripts/patch
// applied to the recorded objects: what upstream answered must contain our result, and its errors must be
// ours.
#include "api/patch/patch.h"

#include <gtest/gtest.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "api/gen/apps_v1.h"
#include "api/gen/core_v1.h"
#include "api/json.h"
#include "api/kinds.h"
#include "api/patch/json_patch.h"
#include "api/patch/json_text.h"
#include "api/patch/merge_patch.h"
#include "api/patch/strategic_patch.h"
#include "api/patch/value_kinds.h"
#include "api/status.h"
#include "base/check.h"

namespace keelson::api {
namespace {

namespace json = boost::json;
namespace fs = std::filesystem;

json::value parse(std::string_view text) {
  auto r = read_json_text(text);
  EXPECT_TRUE(r) << text;
  return r ? std::move(r->value) : json::value();
}

Result<json::value> patched(std::string_view how, const Type& type, json::value doc, std::string_view patch) {
  if (how == "json") {
    JsonPatch p = TRY(read_json_patch(patch, true));
    TRY(apply_json_patch(p.ops, doc));
  } else if (how == "merge") {
    json::value p = TRY(read_json_text(patch)).value;
    if (!p.is_object())
      return fail(Code::kInvalidArgument, "json: cannot unmarshal " + std::string(json_kind_name(p)) +
                                              " into Go value of type map[string]interface {}");
    apply_merge_patch(std::move(p), doc);
  } else if (how == "strategic") {
    json::value p = TRY(read_json_text(patch)).value;
    if (!p.is_object())
      return fail(Code::kInvalidArgument, "json: cannot unmarshal " + std::string(json_kind_name(p)) +
                                              " into Go value of type map[string]interface {}");
    TRY(apply_strategic_patch(doc.as_object(), p.as_object(), type));
    TRY(check_value_kinds(doc, type));
  } else {
    TRY(check_value_kinds(doc, type));
  }
  return doc;
}

const Type& type_named(std::string_view kind) {
  const KindInfo* k = find_kind(kind == "Deployment" ? "apps/v1" : "v1", kind);
  CHECK(k != nullptr);
  return *k->type;
}

TEST(Patch, Scripts) {
  std::ifstream in(KEELSON_SOURCE_DIR "/tests/testdata/patch.txt");
  ASSERT_TRUE(in);
  std::string line;
  int blocks = 0;
  while (std::getline(in, line)) {
    if (line.empty() || line.starts_with('#')) continue;
    std::string how, kind, doc, patch, want;
    std::istringstream(line) >> how >> kind;
    std::getline(in, doc);
    std::getline(in, patch);
    std::getline(in, want);
    ++blocks;
    auto got = patched(how, type_named(kind), parse(doc), patch);
    if (want.starts_with("error ")) {
      ASSERT_FALSE(got) << patch << "\n" << json::serialize(*got);
      EXPECT_EQ("error " + std::string(code_name(got.error().code)) + " " + got.error().message, want)
          << patch;
    } else {
      ASSERT_TRUE(got) << patch << ": " << got.error().message;
      EXPECT_EQ(*got, parse(want)) << patch << "\n" << json::serialize(*got);
    }
  }
  EXPECT_GT(blocks, 10);
}

// Whether everything of `part` is in `whole`: members of objects, all items of lists.
bool contained(const json::value& part, const json::value& whole) {
  if (part.is_object() && whole.is_object()) {
    static const std::vector<std::string_view> kServers{"managedFields", "resourceVersion",      "generation",
                                                        "uid",           "creationTimestamp",    "status",
                                                        "nodePort",      "externalTrafficPolicy"};
    for (const auto& m : part.get_object()) {
      if (m.value().is_null() || std::ranges::find(kServers, std::string_view(m.key())) != kServers.end())
        continue;
      const json::value* w = whole.get_object().if_contains(m.key());
      if (w == nullptr) {
        if ((m.value().is_array() && m.value().get_array().empty()) ||
            (m.value().is_object() && m.value().get_object().empty()) || m.key() == "unheardOf" ||
            m.key().starts_with('$') || m.value() == json::value(""))
          continue;
        return false;
      }
      if (!contained(m.value(), *w)) return false;
    }
    return true;
  }
  if (part.is_array() && whole.is_array()) {
    const auto &a = part.get_array(), &b = whole.get_array();
    if (a.size() != b.size()) return false;
    for (std::size_t i = 0; i < a.size(); ++i)
      if (!contained(a[i], b[i])) return false;
    return true;
  }
  return part.is_null() || part == whole;
}

fs::path transcripts() {
  const char* shared = std::getenv("KEELSON_SHARED");
  return fs::path(shared ? shared : KEELSON_SOURCE_DIR "/../shared") / "data/transcripts";
}

// Applies the patch of one recorded step to `live`; on success `live` becomes what upstream answered.
void replay_step(const json::object& step, json::value& live, int& checked) {
  const json::object& request = step.at("request").as_object();
  const json::object& response = step.at("response").as_object();
  const std::int64_t status = response.at("status").to_number<std::int64_t>();
  const json::value* body = response.if_contains("body");
  std::string how;
  if (const json::value* h = request.if_contains("headers"))
    if (const json::value* ct = h->as_object().if_contains("Content-Type"))
      how = std::string(ct->as_string());
  how = how == "application/json-patch+json"              ? "json"
        : how == "application/merge-patch+json"           ? "merge"
        : how == "application/strategic-merge-patch+json" ? "strategic"
                                                          : "";
  if (how.empty() || body == nullptr || !body->is_object()) return;
  const KindInfo* kind = find_kind(std::string_view(live.as_object().at("apiVersion").as_string()),
                                   std::string_view(live.as_object().at("kind").as_string()));
  if (kind == nullptr) return;
  const json::value* text = request.if_contains("bodyText");
  const json::value* given = request.if_contains("body");
  const std::string patch = text ? std::string(text->as_string()) : given ? json::serialize(*given) : "";
  auto got = patched(how, *kind->type, live, patch);
  const std::string message = status < 400 ? "" : std::string(body->as_object().at("message").as_string());
  SCOPED_TRACE(how + " " + patch.substr(0, 300) + "\n  recorded: " + message);
  if (status == 200) {
    ASSERT_TRUE(got) << got.error().message;
    EXPECT_TRUE(contained(*got, *body)) << json::serialize(*got) << "\n" << json::serialize(*body);
    live = *body;
    ++checked;
  } else if (!got) {
    // What the store, the validation or the typed decoder refuses is not this test's.
    if (got.error().code == Code::kFailedPrecondition) {
      EXPECT_EQ(message, "the server rejected our request due to an error in our request");
    } else if (got.error().code == Code::kResourceExhausted) {
      EXPECT_EQ(message, "Request entity too large: " + got.error().message);
    } else {
      EXPECT_TRUE(message.ends_with(got.error().message)) << got.error().message;
    }
    EXPECT_EQ(status, got.error().code == Code::kFailedPrecondition  ? 422
                      : got.error().code == Code::kResourceExhausted ? 413
                      : got.error().code == Code::kInternal          ? 500
                      : message.starts_with(" \"\" is invalid")      ? 422
                                                                     : 400);
    ++checked;
  }
}

TEST(Patch, RecordedPatches) {
  if (!fs::exists(transcripts())) GTEST_SKIP() << "SKIPPED: no recorded data at " << transcripts();
  int checked = 0;
  std::vector<fs::path> files;
  for (const auto& f : fs::directory_iterator(transcripts() / "patch")) files.push_back(f.path());
  std::ranges::sort(files);
  for (const fs::path& file : files) {
    SCOPED_TRACE(file.filename().string());
    std::stringstream text;
    text << std::ifstream(file).rdbuf();
    const json::value doc = parse(text.str());
    std::map<std::string, json::value> live;  // by path
    for (const json::value& s : doc.as_object().at("steps").as_array()) {
      const json::object& request = s.as_object().at("request").as_object();
      const json::value* body = s.as_object().at("response").as_object().if_contains("body");
      std::string path(request.at("path").as_string());
      path = path.substr(0, path.find('?'));
      const std::string_view method = request.at("method").as_string();
      if (method == "PATCH") {
        if (live.contains(path) && live[path].as_object().contains("apiVersion"))
          replay_step(s.as_object(), live[path], checked);
      } else if (body && body->is_object() && body->as_object().contains("metadata") &&
                 body->as_object().at("kind") != "Status") {
        const json::value* name = body->as_object().at("metadata").as_object().if_contains("name");
        if (name) live[method == "POST" ? path + "/" + std::string(name->as_string()) : path] = *body;
      }
    }
  }
  EXPECT_GT(checked, 100);
  RecordProperty("checked", checked);
}

TEST(Patch, ObjectsAndStatuses) {
  auto cm =
      parse_json(R"({"metadata":{"name":"a"},"data":{"a":"1"}})", core_v1::ConfigMap::kind_info()).value();
  const auto patch = [&](PatchType type, std::string_view body, FieldValidation v = FieldValidation::kWarn) {
    return apply_patch(type, body, v, *cm);
  };
  auto ok = patch(PatchType::kMerge, R"({"data":{"a":"5","a":"6"},"x":1})");
  ASSERT_TRUE(ok) << ok.error().message;
  EXPECT_EQ(core_v1::ConfigMap::of(*ok->object).data_().get("a"), "6");
  EXPECT_EQ(ok->warnings, (std::vector<std::string>{"duplicate field \"data.a\"", "unknown field \"x\""}));
  // A null member of a map of texts is the empty text.
  ok = patch(PatchType::kJson, R"([{"op":"add","path":"/data/n","value":null}])");
  ASSERT_TRUE(ok);
  EXPECT_EQ(core_v1::ConfigMap::of(*ok->object).data_().find("n"), "");

  const auto error = [&](PatchType type, std::string_view body, FieldValidation v = FieldValidation::kWarn) {
    auto r = patch(type, body, v);
    EXPECT_FALSE(r) << body;
    return r ? std::string()
             : std::to_string(http_code(r.error())) + " " + std::string(reason(r.error())) + ": " +
                   r.error().message;
  };
  EXPECT_EQ(error(PatchType::kJson, "[{"),
            "400 BadRequest: error decoding patch: unexpected end of JSON input");
  EXPECT_EQ(error(PatchType::kJson, R"([{"op":"remove","path":"/data/zz"}])"),
            "422 Invalid: the server rejected our request due to an error in our request");
  EXPECT_EQ(error(PatchType::kMerge, "[1]"),
            "400 BadRequest: error decoding patch: json: cannot unmarshal array into Go value of type "
            "map[string]interface {}");
  EXPECT_EQ(error(PatchType::kStrategic, "\"x\""),
            "400 BadRequest: json: cannot unmarshal string into Go value of type map[string]interface {}");
  EXPECT_TRUE(
      error(PatchType::kMerge, R"({"data":{"a":5}})")
          .ends_with("json: cannot unmarshal number into Go struct field ConfigMap.data of type string"));
  EXPECT_TRUE(error(PatchType::kMerge, R"({"data":{"a":5}})")
                  .starts_with("422 Invalid:  \"\" is invalid: patch: Invalid value: "));
  EXPECT_TRUE(error(PatchType::kMerge, R"({"x":1})", FieldValidation::kStrict)
                  .ends_with("strict decoding error: unknown field \"x\""));
  EXPECT_TRUE(error(PatchType::kMerge, R"({"apiVersion":"v9"})")
                  .find("no kind \"ConfigMap\" is registered for version \"v9\" in scheme") !=
              std::string::npos);
  EXPECT_TRUE(
      error(PatchType::kMerge, R"({"kind":"Secret"})").ends_with("illegal base64 data at input byte 0"));
  EXPECT_EQ(error(PatchType::kStrategic, R"({"data":{"$patch":"explode"}})"),
            "500 : unknown patch type: explode in map: map[$patch:explode]");
  auto d =
      parse_json(R"({"metadata":{"name":"d"},"spec":{"template":{"spec":{"containers":[{"name":"a"}]}}}})",
                 apps_v1::Deployment::kind_info())
          .value();
  auto r = apply_patch(PatchType::kStrategic, R"({"spec":{"template":{"spec":{"containers":{"name":"x"}}}}})",
                       FieldValidation::kWarn, *d);
  ASSERT_FALSE(r);
  EXPECT_EQ(
      r.error().message,
      " \"\" is invalid: patch: Invalid value: "
      "\"map[spec:map[template:map[spec:map[containers:map[name:x]]]]]\": cannot restore slice from map");
}

TEST(JsonText, GoErrors) {
  const std::map<std::string, std::string> cases{
      {"", "unexpected end of JSON input"},
      {"[{", "unexpected end of JSON input"},
      {"- op: add", "invalid character ' ' in numeric literal"},
      {"data:\n", "invalid character 'd' looking for beginning of value"},
      {"{\"a\" 1}", "invalid character '1' after object key"},
      {"{\"a\":1]", "invalid character ']' after object key:value pair"},
      {"[1 2]", "invalid character '2' after array element"},
      {"{} x", "invalid character 'x' after top-level value"},
      {"{a:1}", "invalid character 'a' looking for beginning of object key string"},
      {"[tru]", "invalid character ']' in literal true (expecting 'e')"},
      {"\"\\q\"", "invalid character 'q' in string escape code"},
      {"[1.]", "invalid character ']' after decimal point in numeric literal"},
  };
  for (const auto& [text, want] : cases) {
    auto r = read_json_text(text);
    ASSERT_FALSE(r) << text;
    EXPECT_EQ(r.error().message, want) << text;
  }
  EXPECT_EQ(read_json_text(R"({"a":{"b":1,"b":2},"l":[{"x":1,"x":1}]})")->duplicates,
            (std::vector<std::string>{"a.b", "l[0].x"}));
  EXPECT_EQ(read_json_text("\"\\ud83d\\ude00\\u00e9\"")->value, json::value("😀é"));
  EXPECT_EQ(go_format(parse(R"({"b":[1,"x",true,null],"a":1.5})")), "map[a:1.5 b:[1 x true <nil>]]");
}

}  // namespace
}  // namespace keelson::api
