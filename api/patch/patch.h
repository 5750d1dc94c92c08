// One PATCH request applied to an object: the way from the body to the new object, with upstream's errors.
//
// Thread rule: pure functions.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/object.h"
#include "base/error.h"

namespace keelson::api {

enum class PatchType : std::uint8_t { kJson, kMerge, kStrategic };

enum class FieldValidation : std::uint8_t { kIgnore, kWarn, kStrict };

struct PatchedObject {
  std::unique_ptr<Object> object;
  // fieldValidation=Warn: one Warning header each (`unknown field "spec.x"`).
  std::vector<std::string> warnings;
};

// Applies `body` to `current`, which must be a version of a kind, without defaulting the result. Errors carry
// a Status: 400 a patch that does not parse; 413 too many operations; 422 one that does not apply, or whose
// result does not decode (kind and name are then empty, the field is "patch"); 500 misused directives.
Result<PatchedObject> apply_patch(PatchType type, std::string_view body, FieldValidation validation,
                                  const Object& current);

}  // namespace keelson::api
