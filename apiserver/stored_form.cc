#include "apiserver/stored_form.h"

#include "api/protobuf.h"
#include "apiserver/object_meta.h"

namespace keelson::apiserver {

Bytes encode_stored(const api::Object& object) { return Bytes(api::encode_enveloped(object)); }

Result<VersionPtr> decode_stored(const api::KindInfo& kind, std::string_view bytes, std::int64_t revision) {
  auto object = TRY(api::decode_stored(bytes, kind));
  set_resource_version(*object, revision);
  return make_version(api::freeze(std::move(object)), revision);
}

}  // namespace keelson::apiserver
