#include "api/validation.h"

namespace keelson::api {

field::ErrorList validate_create(const Object&) { return {}; }
field::ErrorList validate_update(const Object&, const Object&, std::string_view) { return {}; }
std::vector<std::string> write_warnings(const Object&, const Object*) { return {}; }

}  // namespace keelson::api
