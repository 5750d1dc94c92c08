// Where the registry meets api/defaults, api/validation and api/managed_fields.
// Thread rule: pure functions.
#pragma once

#include <string>
#include <vector>

#include "api/field_error.h"
#include "api/object.h"
#include "apiserver/registry.h"

namespace keelson::apiserver {

void apply_defaults(api::Object& object);
api::field::ErrorList validate_create(const api::KindInfo& kind, const api::Object& object);
api::field::ErrorList validate_update(const api::KindInfo& kind, const api::Object& updated, const api::Object& old,
                                      UpdateScope scope);
void add_create_warnings(const api::Object& object, std::vector<std::string>& out);
void add_update_warnings(const api::Object& updated, const api::Object& old, std::vector<std::string>& out);

}  // namespace keelson::apiserver
