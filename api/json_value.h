// Objects to and from boost::json::value: for patches, strategic merge and managedFields. Slower than
// api/json.h's direct way. Members are in Go's field order. Thread rule: functions without state.
#pragma once

#include <boost/json/value.hpp>

#include "api/json.h"

namespace keelson::api {

boost::json::value to_json_value(const Object& object, TypeMetaMode mode = TypeMetaMode::kKind);
boost::json::value to_json_value(StructRef s);
// Errors as decode_json().
Result<Decoded> from_json_value(const boost::json::value& value, const KindInfo& kind);
Result<Decoded> from_json_value(const boost::json::value& value, const Type& type);
// Parses as Go's json.Unmarshal into interface{}: the last of duplicate members wins; Go's syntax error
// texts.
Result<boost::json::value> parse_json_value(std::string_view text);

// Appends compact JSON as Go would write it; members in the value's own order.
void append_json(std::string& out, const boost::json::value& value);

}  // namespace keelson::api
