// Protobuf codec of the object model, driven by the same tables as JSON, and the stored form.
//
// Writing is upstream's (gogo) form byte for byte: fields by ascending number, a scalar or message that is no
// Go pointer always written even when zero, maps sorted by key with key and value always written, a zero Time
// an empty message. The envelope is k8s\0 followed by runtime.Unknown{1: TypeMeta{1: apiVersion, 2: kind}, 2:
// raw, 3: contentEncoding, 4: contentType}. Thread rule: functions without state.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "api/object.h"
#include "base/error.h"

namespace keelson::api {

// One message, no envelope. Unknown fields are skipped. kInvalidArgument on malformed input.
Result<std::unique_ptr<Object>> decode_protobuf(std::string_view message, const KindInfo& kind);
Result<std::unique_ptr<Object>> decode_protobuf(std::string_view message, const Type& type);
std::string encode_protobuf(StructRef s);
// Appends.
void encode_protobuf(std::string& out, StructRef s);

inline constexpr std::string_view kProtobufMagic{"k8s\0", 4};

struct Envelope {
  std::string_view api_version, kind;
  std::string_view raw;
  std::string_view content_encoding, content_type;
};
bool has_envelope(std::string_view bytes);
// Views into `bytes`. kInvalidArgument where it has no envelope or is malformed.
Result<Envelope> open_envelope(std::string_view bytes);
std::string seal_envelope(std::string_view api_version, std::string_view kind, std::string_view raw);

// The object with its kind's envelope: the stored form of built-ins and the
// application/vnd.kubernetes.protobuf body. REQUIRES: object.kind() is not null, or its fields hold kind and
// apiVersion.
std::string encode_enveloped(const Object& object);
// What encode_enveloped() made, or JSON; of the kind given. The envelope's own kind is not checked.
Result<std::unique_ptr<Object>> decode_stored(std::string_view bytes, const KindInfo& kind);

}  // namespace keelson::api
