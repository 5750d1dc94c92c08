// events.k8s.io/v1 and core/v1 Events are one stored kind (core/v1) under two names.
#pragma once

#include <memory>

#include "api/object.h"

namespace keelson::apiserver {

// Either way; `to` says which. The result is a new object.
std::unique_ptr<api::Object> convert_event(const api::Object& from, const api::KindInfo& to);

}  // namespace keelson::apiserver
