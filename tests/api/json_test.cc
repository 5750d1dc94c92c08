// JSON decoding: Go's errors, strict errors, null, duplicates; encoding: Go's forms.
#include "api/json.h"

#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "api/gen/apps_v1.h"
#include "api/gen/core_v1.h"
#include "api/json_value.h"

namespace keelson::api {
namespace {

std::string error_of(std::string_view text, const KindInfo& kind = core_v1::ConfigMap::kind_info()) {
  Result<Decoded> out = decode_json(text, kind);
  return out ? "" : out.error().message;
}

TEST(JsonErrors, WrongTypes) {
  EXPECT_EQ(error_of(R"({"metadata":{"labels":"x"}})"),
            "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type "
            "map[string]string");
  EXPECT_EQ(error_of(R"({"data":{"a":1}})"),
            "json: cannot unmarshal number into Go struct field ConfigMap.data of type string");
  EXPECT_EQ(error_of(R"({"metadata":[]})"),
            "json: cannot unmarshal array into Go struct field ConfigMap.metadata of type v1.ObjectMeta");
  EXPECT_EQ(
      error_of(R"({"metadata":{"generation":1.5}})"),
      "json: cannot unmarshal number 1.5 into Go struct field ObjectMeta.metadata.generation of type int64");
  EXPECT_EQ(error_of(R"({"metadata":{"generation":99999999999999999999}})"),
            "json: cannot unmarshal number 99999999999999999999 into Go struct field "
            "ObjectMeta.metadata.generation of type int64");
  EXPECT_EQ(error_of(R"({"immutable":"yes"})"),
            "json: cannot unmarshal string into Go struct field ConfigMap.immutable of type bool");
  EXPECT_EQ(error_of(R"({"imagePullSecrets":[{"name":1}]})", core_v1::ServiceAccount::kind_info()),
            "json: cannot unmarshal number into Go struct field LocalObjectReference.imagePullSecrets.name "
            "of type string");
  EXPECT_EQ(error_of(R"({"secrets":"x"})", core_v1::ServiceAccount::kind_info()),
            "json: cannot unmarshal string into Go struct field ServiceAccount.secrets of type "
            "[]v1.ObjectReference");
  EXPECT_EQ(error_of(R"({"data":{"a":1}})", core_v1::Secret::kind_info()),
            "json: cannot unmarshal number into Go struct field Secret.data of type []uint8");
  EXPECT_EQ(error_of(R"({"data":{"a":"%"}})", core_v1::Secret::kind_info()),
            "illegal base64 data at input byte 0");
  // The first wrong type counts, and broken JSON anywhere outranks it.
  EXPECT_EQ(error_of(R"({"immutable":1,"data":2})"),
            "json: cannot unmarshal number into Go struct field ConfigMap.immutable of type bool");
  EXPECT_EQ(error_of(R"({"immutable":1,"data":tru})"),
            "invalid character '}' in literal true (expecting 'e')");
  EXPECT_EQ(error_of(R"({"spec":{"containers":[{"resources":{"limits":{"cpu":"x"}}}]}})",
                     core_v1::Pod::kind_info()),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'");
  EXPECT_EQ(error_of(R"({"metadata":{"creationTimestamp":"x"}})"),
            R"(parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006")");
}

TEST(JsonErrors, Syntax) {
  const auto syntax = [](std::string_view text) { return json_syntax_error(text); };
  EXPECT_EQ(syntax(""), "unexpected end of JSON input");
  EXPECT_EQ(syntax("{"), "unexpected end of JSON input");
  EXPECT_EQ(syntax("{}x"), "invalid character 'x' after top-level value");
  EXPECT_EQ(syntax(R"({"a":1,})"), "invalid character '}' looking for beginning of object key string");
  EXPECT_EQ(syntax(R"({"a" 1})"), "invalid character '1' after object key");
  EXPECT_EQ(syntax(R"({"a":1 "b"})"), "invalid character '\"' after object key:value pair");
  EXPECT_EQ(syntax("[1 2]"), "invalid character '2' after array element");
  EXPECT_EQ(syntax("dead"), "invalid character 'd' looking for beginning of value");
  EXPECT_EQ(syntax("- x"), "invalid character ' ' in numeric literal");
  EXPECT_EQ(syntax("\"\t\""), "invalid character '\\t' in string literal");
  EXPECT_EQ(syntax(R"("\x")"), "invalid character 'x' in string escape code");
  EXPECT_EQ(syntax(R"({"a":[1,2.5e3,"\u00e9",null,true]})"), "");
}

TEST(JsonStrict, UnknownAndDuplicateFieldsWithPaths) {
  Result<Decoded> out = decode_json(
      R"({"metadata":{"labels":{"a":"1","a":"2"},"nope":1},"spec":{"unheardOf":{"x":true},"replicas":1,"replicas":2,)"
      R"("template":{"spec":{"containers":[{"name":"a"},{"Name":"b"}]}}},"NOPE":1,"kind":"x"})",
      apps_v1::Deployment::kind_info());
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(strict_error_message(out->strict_errors),
            R"(strict decoding error: duplicate field "metadata.labels.a", unknown field "metadata.nope", )"
            R"(unknown field "spec.unheardOf", duplicate field "spec.replicas", )"
            R"(unknown field "spec.template.spec.containers[1].Name", unknown field "NOPE")");
  EXPECT_EQ(apps_v1::Deployment::of(*out->object).spec().replicas(), 2);
  EXPECT_EQ(out->object->meta().labels().get("a"), "2");
}

TEST(JsonTypeMeta, Errors) {
  EXPECT_EQ(find_type_meta(R"({"KIND":"a","apiVersion":"v1"})")->kind, "a");
  EXPECT_EQ(
      find_type_meta("[]").error().message,
      R"(couldn't get version/kind; json parse error: json: cannot unmarshal array into Go value of type struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" })");
  EXPECT_EQ(find_type_meta(R"({"apiVersion":1})").error().message,
            "couldn't get version/kind; json parse error: json: cannot unmarshal number into Go struct field "
            ".apiVersion of type string");
  EXPECT_EQ(bytes_for_message("[]"), "(5b5d)");
  EXPECT_EQ(bytes_for_message(""), "(<empty>)");
  EXPECT_EQ(bytes_for_message(R"({"apiVersion":"v1","kind":"ConfigMap"})"),
            R"(({"apiVersion":"v1","kind":"Con ...))");
}

TEST(JsonEncode, GosForms) {
  auto object = Object::make(core_v1::ConfigMap::kind_info());
  core_v1::ConfigMapMut cm = core_v1::ConfigMapMut::of(*object);
  cm.mutable_data().set("k", "a<b>&\"\\\n\x01 \xff \u2028 \u00e9");
  EXPECT_EQ(encode_json(*object),
            "{\"kind\":\"ConfigMap\",\"apiVersion\":\"v1\",\"metadata\":{},\"data\":{\"k\":"
            "\"a\\u003cb\\u003e\\u0026\\\"\\\\\\n\\u0001 \\ufffd \\u2028 \u00e9\"}}");
  std::string out;
  for (double d : {0.0, 1.0, 1.5, 1e21, 1e-7, 1e20, 123456.789}) (append_json_double(out, d), out += ' ');
  EXPECT_EQ(out, "0 1 1.5 1e+21 1e-7 100000000000000000000 123456.789 ");
}

TEST(JsonDecode, NullsAndEmpties) {
  Result<Decoded> out = decode_json(
      R"({"metadata":null,"spec":{"replicas":null,"selector":null,"template":{"spec":{"containers":[],"nodeSelector":{}}}},"status":{}})",
      apps_v1::Deployment::kind_info());
  ASSERT_TRUE(out);
  const apps_v1::DeploymentSpec spec = apps_v1::Deployment::of(*out->object).spec();
  EXPECT_FALSE(spec.has_replicas());
  EXPECT_TRUE(spec.template_().spec().has_containers());
  EXPECT_EQ(
      encode_json(*out->object),
      R"({"kind":"Deployment","apiVersion":"apps/v1","metadata":{},"spec":{"selector":null,"template":{"metadata":{},"spec":{"containers":[]}},"strategy":{}},"status":{}})");
  EXPECT_TRUE(decode_json("null", core_v1::Pod::kind_info()));
  EXPECT_EQ(decode_json(R"({"data":{"k":"\ud83d\ude00\ud800x"}})", core_v1::ConfigMap::kind_info())
                ->object->root()
                .find("data")
                .as_map()
                ->entries[0]
                .value.as_text(),
            "\U0001F600\uFFFDx");
}

TEST(JsonValue, RoundTrip) {
  const std::string text =
      R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"a"},"data":{"k":"v"}})";
  auto object = *parse_json(text, core_v1::ConfigMap::kind_info());
  boost::json::value v = to_json_value(*object);
  v.as_object()["data"].as_object()["z"] = "w";
  Result<Decoded> out = from_json_value(v, core_v1::ConfigMap::kind_info());
  ASSERT_TRUE(out);
  EXPECT_EQ(core_v1::ConfigMap::of(*out->object).data_().get("z"), "w");
  EXPECT_EQ(parse_json_value("[1").error().message, "unexpected end of JSON input");
}

}  // namespace
}  // namespace keelson::api
