// The zero that Go puts into a list or map for an item that is null. Internal to api/json.
#pragma once

#include "api/schema.h"
#include "api/value.h"

namespace keelson::api::json {

Value zero_item(Arena& arena, const Field& field);

}  // namespace keelson::api::json
