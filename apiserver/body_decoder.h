// Request bodies: JSON, YAML or protobuf to an object of the kind that the path expects, with upstream's errors for what does
// not parse or does not fit.
// Thread rule: pure functions.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "apiserver/endpoint.h"
#include "apiserver/media_type.h"

namespace keelson::apiserver {

// `warnings` receives what fieldValidation=Warn complains of.
Result<std::unique_ptr<api::Object>> decode_body(std::string_view body, MediaType type, const api::KindInfo& expected,
                                                 FieldValidation validation, std::vector<std::string>& warnings);
// A DELETE's body; null when it is empty.
Result<std::unique_ptr<api::Object>> decode_delete_options(std::string_view body, MediaType type);
// The group's name in Go's internal packages: "core", "apps", "discovery".
std::string go_package(std::string_view group);

}  // namespace keelson::apiserver
