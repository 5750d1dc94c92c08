// JSON codec of the object model, with upstream's (sigs.k8s.io/json's) behaviour and error texts.
//
// Decoding is schema-directed and goes straight from the text into the arena. Field names are case-sensitive;
// null leaves a field absent; a wrong type is an error worded as Go's; unknown and duplicate fields are
// collected, not refused: the caller (fieldValidation) decides. Encoding writes Go's field order, escapes and
// number forms, so that equal objects give upstream's bytes. Thread rule: functions without state.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "base/error.h"

namespace keelson::api {

struct Decoded {
  std::unique_ptr<Object> object;
  // In text order, at most 100: `unknown field "spec.foo"`, `duplicate field "metadata.labels.a"`. Joined by
  // ", " after "strict decoding error: " they are upstream's strict error.
  std::vector<std::string> strict_errors;
};

// `text`: one JSON value. kInvalidArgument with Go's error text: "json: cannot unmarshal string into Go
// struct field ObjectMeta.metadata.labels of type map[string]string", "unexpected end of JSON input", …
// "null" decodes to an empty object.
Result<Decoded> decode_json(std::string_view text, const KindInfo& kind);
Result<Decoded> decode_json(std::string_view text, const Type& type);
// The same for callers that do not care for strict errors.
Result<std::unique_ptr<Object>> parse_json(std::string_view text, const KindInfo& kind);
Result<std::unique_ptr<Object>> parse_json(std::string_view text, const Type& type);

// apiVersion and kind of a JSON object without decoding the rest; each "" when missing. Errors are
// upstream's: "couldn't get version/kind; json parse error: …".
struct TypeMeta {
  std::string api_version, kind;
};
Result<TypeMeta> find_type_meta(std::string_view text);
// The tail of upstream's "the object provided is unrecognized": "({"apiVersion":"v1","kind":"Con ...)",
// "(5b5d)", "(<empty>)".
std::string bytes_for_message(std::string_view body);

// "strict decoding error: a, b".
std::string strict_error_message(const std::vector<std::string>& strict_errors);

// Go's error text of a text that is no JSON value ("invalid character 'x' looking for beginning of value");
// empty when it is one.
std::string json_syntax_error(std::string_view text);

enum class TypeMetaMode : std::uint8_t {
  kKind,  // kind and apiVersion of the object's KindInfo; without a KindInfo, what its fields hold
  kOmit,  // neither: list items, and bytes that get json_type_meta() put before them
  kAsIs,  // what the fields hold
};

// Compact, no final newline.
std::string encode_json(const Object& object, TypeMetaMode mode = TypeMetaMode::kKind);
// Appends. A struct inside an object, or a root with the TypeMeta its fields hold.
void encode_json(std::string& out, StructRef s);
std::string encode_json(StructRef s);
// Appends the value of one field: for managedFields, patches, messages.
void encode_json(std::string& out, const Field& field, const Value& value);

// `"kind":"Pod","apiVersion":"v1",`: goes after the "{" of bytes encoded with kOmit (which are never "{}" for
// kinds with metadata).
std::string json_type_meta(const KindInfo& kind);
// A Go JSON string with quotes; < > & U+2028 U+2029 escaped, invalid UTF-8 replaced, as encoding/json writes.
void append_json_string(std::string& out, std::string_view text);
// A float64 as encoding/json writes it.
void append_json_double(std::string& out, double d);
// Appends JSON text without insignificant white space, HTML characters escaped as Go's compact does.
// REQUIRES: valid JSON.
void append_compact_json(std::string& out, std::string_view json);

}  // namespace keelson::api
