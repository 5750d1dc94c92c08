// JSON patch (RFC 6902) with the deviations that upstream's library has and clients rely on: `replace` of an
// absent member adds it, `copy` of an absent member writes null, `test` of an absent member against null
// succeeds, array indices may be negative, a path's first character is not looked at. Thread rule: pure
// functions.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keelson::api {

struct JsonPatch {
  boost::json::value ops;
  // What strict field validation complains of: `json patch unknown field "[0].x"`, `json patch duplicate
  // field …`.
  std::vector<std::string> strict_errors;
};

// Reads a patch. `checked` is false under fieldValidation=Ignore: then members of operations are not looked
// at yet. Errors: kInvalidArgument (400) with upstream's text; kResourceExhausted (413) above 10,000
// operations.
Result<JsonPatch> read_json_patch(std::string_view text, bool checked);

// Applies the operations to `doc` in order. Error: kFailedPrecondition (422, whose text upstream hides from
// clients); `doc` is then half changed and must be dropped.
Result<> apply_json_patch(const boost::json::value& ops, boost::json::value& doc);

}  // namespace keelson::api
