// The kinds of JSON values against the schema, in the words of Go's conversion from unstructured objects:
// what a strategic merge patch answers with for a value of the wrong type. Thread rule: pure functions.
#pragma once

#include <boost/json/value.hpp>
#include <string_view>

#include "api/schema.h"
#include "base/error.h"

namespace keelson::api {

// "map[string]interface {}", "[]interface {}", "string", "int64" …: the Go type that a JSON value decodes to.
std::string_view go_type(const boost::json::value& v);

// Checks the JSON kinds in a patched object against its type, in upstream's words for this path: "cannot
// restore slice from map". Error: kInvalidArgument. Times, quantities and the like are left to the decoder.
Result<> check_value_kinds(const boost::json::value& object, const Type& type);

}  // namespace keelson::api
