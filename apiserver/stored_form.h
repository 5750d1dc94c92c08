// The bytes under a key: `k8s\0` + runtime.Unknown + the protobuf message, without resourceVersion, as upstream stores
// built-in kinds. REQUIRES for all: kinds with a protobuf form.
#pragma once

#include "apiserver/object_version.h"
#include "base/error.h"

namespace keelson::apiserver {

// The object's resourceVersion must be empty.
Bytes encode_stored(const api::Object& object);
// Stamps `revision` as the object's resourceVersion.
Result<VersionPtr> decode_stored(const api::KindInfo& kind, std::string_view bytes, std::int64_t revision);

}  // namespace keelson::apiserver
