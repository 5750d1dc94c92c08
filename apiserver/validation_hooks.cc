#include "apiserver/validation_hooks.h"

#include "api/defaults.h"

namespace keelson::apiserver {

namespace field = api::field;

void apply_defaults(api::Object& object) { api::default_object(object); }

field::ErrorList validate_create(const api::KindInfo&, const api::Object& object) {
  field::ErrorList out;
  if (object.name().empty())
    out.push_back(field::required(field::Path("metadata").child("name"), "name or generateName is required"));
  return out;
}

field::ErrorList validate_update(const api::KindInfo&, const api::Object&, const api::Object&, UpdateScope) { return {}; }

void add_create_warnings(const api::Object&, std::vector<std::string>&) {}
void add_update_warnings(const api::Object&, const api::Object&, std::vector<std::string>&) {}

}  // namespace keelson::apiserver
