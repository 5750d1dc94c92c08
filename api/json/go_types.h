// Names of Go types, for the errors of decoding. Internal to api/json.
#pragma once

#include <string>
#include <string_view>

#include "api/schema.h"

namespace keelson::api::json {

// What one value of the field is read into: "int32", "v1.PullPolicy", "v1.PodSpec"; "string" for what is read
// by way of one.
std::string_view scalar_go_type(const Field& field);
// The type of the list or map: "[]v1.Container", "map[string]string". REQUIRES: shape is not single.
std::string container_go_type(const Field& field);

}  // namespace keelson::api::json
