// JSON text of patches, read the way Go's encoding/json reads it: the same syntax errors word for word (they
// reach the client in 400 replies), integers kept as integers, duplicate members found (the last one wins).
// Thread rule: pure functions.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keelson::api {

struct JsonText {
  boost::json::value value;
  // Paths of members that occur twice in one object: "data.a", "[0].op", "spec.list[1].x". Each once.
  std::vector<std::string> duplicates;
};

// Errors: kInvalidArgument with Go's text, e.g. "unexpected end of JSON input".
Result<JsonText> read_json_text(std::string_view text);

// What Go's fmt prints for the decoded value with %v: "map[a:1 b:[x y]]".
std::string go_format(const boost::json::value& v);

// "object", "array", "string", "number", "bool", "null": how Go's decoder names what it met.
std::string_view json_kind_name(const boost::json::value& v);

}  // namespace keelson::api
