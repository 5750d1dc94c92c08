// The published golden objects and the recorded stored bytes: JSON and protobuf of the same object, both
// ways.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/json.h"
#include "api/protobuf.h"
#include "base/base64.h"
#include "tests/api/golden_data.h"

namespace keelson::api {
namespace {

// "core.v1.Pod.json" -> its kind; null for kinds we do not have.
const KindInfo* kind_of_file(const std::string& stem) {
  const std::size_t last = stem.rfind('.');
  const std::size_t middle = stem.rfind('.', last - 1);
  const std::string group = stem.substr(0, middle);
  return find_kind(group == "core" ? "" : group, stem.substr(middle + 1, last - middle - 1),
                   stem.substr(last + 1));
}

std::string compact(const std::string& json) {
  return boost::json::serialize(boost::json::parse(json));
}

TEST(Golden, BothFormsGiveTheSameObjectAndTheSameBytes) {
  NEED_DATA(dir);
  int kinds = 0;
  for (const auto& entry : std::filesystem::directory_iterator(dir / "kube-api-v1.36")) {
    std::string stem = entry.path().stem().string();
    if (entry.path().extension() != ".json" || stem.find("after_roundtrip") != std::string::npos) continue;
    const KindInfo* kind = kind_of_file(stem);
    if (kind == nullptr || stem == "core.v1.WatchEvent") continue;
    SCOPED_TRACE(stem);
    std::filesystem::path pb_path = entry.path();
    pb_path.replace_extension(".pb");
    const std::string json = read_text(entry.path());
    const std::string pb = read_text(pb_path);
    const std::string want_json = compact(json);

    Result<Decoded> a = decode_json(json, *kind);
    ASSERT_TRUE(a) << a.error().message;
    EXPECT_TRUE(a->strict_errors.empty()) << a->strict_errors[0];
    Result<std::unique_ptr<Object>> b = decode_stored(pb, *kind);
    ASSERT_TRUE(b) << b.error().message;
    EXPECT_TRUE(equal(a->object->root(), (*b)->root()));
    EXPECT_TRUE(equal((*b)->root(), a->object->root()));
    EXPECT_EQ(encode_json(*a->object, TypeMetaMode::kAsIs), want_json);
    const Envelope envelope = *open_envelope(pb);
    (*b)->root().put_scalar(*(*b)->type().find("kind"), Value::of_string(envelope.kind));
    (*b)->root().put_scalar(*(*b)->type().find("apiVersion"), Value::of_string(envelope.api_version));
    EXPECT_EQ(encode_json(**b, TypeMetaMode::kAsIs), want_json);
    EXPECT_EQ(seal_envelope(envelope.api_version, envelope.kind, encode_protobuf(a->object->root())), pb);
    EXPECT_EQ(seal_envelope(envelope.api_version, envelope.kind, encode_protobuf((*b)->root())), pb);
    auto copy = a->object->clone();
    EXPECT_TRUE(equal(copy->root(), a->object->root()));
    EXPECT_EQ(encode_json(*copy, TypeMetaMode::kAsIs), want_json);
    ++kinds;
  }
  EXPECT_GE(kinds, 40);
}

TEST(Golden, StoredBytes) {
  NEED_DATA(dir);
  const boost::json::value all = boost::json::parse(read_text(dir / "kube-v1.36-facts/stored-objects.json"));
  int kinds = 0;
  for (const boost::json::value& entry : all.as_array()) {
    const boost::json::object& o = entry.as_object();
    std::string stored_text;
    for (const auto& [key, value] : o)
      if (key != "key" && key != "path" && key != "object") stored_text = value.as_string();
    const std::string stored = *base64_decode(stored_text);
    boost::json::object object = o.at("object").as_object();
    const KindInfo* kind = find_kind(std::string(object.at("apiVersion").as_string()),
                                     std::string(object.at("kind").as_string()));
    if (kind == nullptr || !has_envelope(stored) || kind->group == "events.k8s.io") continue;
    SCOPED_TRACE(std::string(o.at("key").as_string()));
    // What is stored has no resourceVersion.
    object.at("metadata").as_object().stable_erase("resourceVersion");
    Result<std::unique_ptr<Object>> from_json = parse_json(boost::json::serialize(object), *kind);
    ASSERT_TRUE(from_json) << from_json.error().message;
    EXPECT_EQ(encode_enveloped(**from_json), stored);
    Result<std::unique_ptr<Object>> from_stored = decode_stored(stored, *kind);
    ASSERT_TRUE(from_stored) << from_stored.error().message;
    EXPECT_EQ(encode_enveloped(**from_stored), stored);
    EXPECT_EQ(encode_json(**from_stored), boost::json::serialize(object));
    const std::string prefix = "/registry/" + std::string(kind->storage_prefix) + "/";
    EXPECT_TRUE(std::string(o.at("key").as_string()).starts_with(prefix)) << prefix;
    ++kinds;
  }
  EXPECT_GE(kinds, 10);
}

}  // namespace
}  // namespace keelson::api
