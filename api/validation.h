// Validation: what makes an object of a built-in kind unacceptable, with upstream's rules, order and wording
// (pkg/apis/*/validation). Pure; runs after defaulting and admission, before storage.
//
// A kind joins by one line in validation/validation.cc: its name rule, its create and update checks.
// Thread rule: free functions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/field_error.h"
#include "api/object.h"

namespace keelson::api {

// An empty list: the object may be stored. `name` and `namespace` are already those of the request.
field::ErrorList validate_create(const Object& object);
// `subresource`: "" for the object itself, or "status", "binding" …: only the part it may change is looked at.
field::ErrorList validate_update(const Object& now, const Object& old, std::string_view subresource);
// Texts for Warning headers of a write that is accepted; `old` is null on create.
std::vector<std::string> write_warnings(const Object& now, const Object* old);

}  // namespace keelson::api
