// OpenAPI v2 as gnostic's protobuf (openapi.v2.Document), which kubectl up to 1.28 asks for.
// Thread rule: pure function.
#pragma once

#include <string>
#include <string_view>

namespace keelson::apiserver {

// Converts a v2 document of the shape that openapi.cc writes. REQUIRES: valid JSON.
std::string gnostic_v2(std::string_view json);

}  // namespace keelson::apiserver
