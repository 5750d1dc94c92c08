// JSON, YAML and protobuf decoders on any bytes: they refuse or decode, and what they decode survives every
// round trip. First byte: which kind and which form.
#include <cstdint>
#include <string_view>

#include "api/json.h"
#include "api/protobuf.h"
#include "api/yaml.h"
#include "base/check.h"

namespace keelson::api {
namespace {

void round_trips(const Object& object, const KindInfo& kind) {
  const std::string json = encode_json(object, TypeMetaMode::kAsIs);
  CHECK(json_syntax_error(json).empty());
  Result<Decoded> again = decode_json(json, kind);
  CHECK_MSG(again.has_value(), again.error().message.c_str());
  CHECK(encode_json(*again->object, TypeMetaMode::kAsIs) == json);
  const std::string message = encode_protobuf(again->object->root());
  Result<std::unique_ptr<Object>> from_message = decode_protobuf(message, kind);
  CHECK(from_message.has_value());
  CHECK(encode_protobuf((*from_message)->root()) == message);
  CHECK(equal((*from_message)->root(), (*from_message)->clone()->root()));
}

void fuzz(std::string_view data) {
  if (data.empty()) return;
  const auto choice = static_cast<unsigned char>(data[0]);
  data.remove_prefix(1);
  const auto kinds = all_kinds();
  const KindInfo& kind = *kinds[(choice >> 2) % kinds.size()];
  if ((choice & 3) == 0) {
    Result<std::unique_ptr<Object>> object = decode_stored(data, kind);
    if (!object) return;
    // Raw fields of a message may hold anything: JSON is owed only for what came from JSON.
    const std::string message = encode_protobuf((*object)->root());
    Result<std::unique_ptr<Object>> again = decode_protobuf(message, kind);
    CHECK(again.has_value());
    CHECK(encode_protobuf((*again)->root()) == message);
    return;
  }
  if ((choice & 3) == 1) {
    Result<YamlAsJson> json = yaml_to_json(data);
    if (!json) return;
    CHECK(json_syntax_error(json->json).empty());
    const std::string yaml = json_to_yaml(json->json);
    (void)yaml_to_json(yaml);
    return;
  }
  Result<Decoded> object = decode_json(data, kind);
  CHECK(object.has_value() || !object.error().message.empty());
  const bool valid = json_syntax_error(data).empty();
  CHECK(valid || !object.has_value());
  (void)find_type_meta(data);
  if (object) round_trips(*object->object, kind);
}

}  // namespace
}  // namespace keelson::api

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  keelson::api::fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
