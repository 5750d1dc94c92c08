// OpenAPI component schemas written from the object model's Types.
// Thread rule: pure functions.
#pragma once

#include <set>
#include <string>
#include <string_view>

#include "api/schema.h"

namespace keelson::apiserver {

// v3 keeps defaults and enums and says "oneOf"; v2 knows none of these.
enum class OpenApiDialect { kV2, kV3 };

// "#/components/schemas/NAME" or "#/definitions/NAME".
std::string component_ref(OpenApiDialect dialect, std::string_view name);

// Appends the schema of a component: a Type's name, or one of the few that are no Types (Time, Quantity,
// Patch …). REQUIRES: is_component(name).
void append_component(std::string& out, OpenApiDialect dialect, std::string_view name);
bool is_component(std::string_view name);

// Adds `name` and every component it refers to, directly or not.
void collect_components(std::string_view name, std::set<std::string_view>& into);

inline constexpr std::string_view kPatchComponent = "io.k8s.apimachinery.pkg.apis.meta.v1.Patch";

}  // namespace keelson::apiserver
