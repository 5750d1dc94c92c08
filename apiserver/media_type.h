// Content negotiation: which representation an Accept header asks for, and what a Content-Type names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson::apiserver {

enum class MediaType : unsigned char { kJson, kYaml, kProtobuf };

// How the answer is to be transformed before it is encoded.
enum class View : unsigned char { kObject, kTable, kPartial, kPartialList };

struct Accepted {
  MediaType type = MediaType::kJson;
  View view = View::kObject;
  bool beta = false;     // the v1beta1 of Table and PartialObjectMetadata
  bool watch = false;    // ;stream=watch
  bool pretty = false;
};

enum class NegotiationFailure : unsigned char {
  kNone,
  kMediaType,  // no known type: upstream's "406: Not Acceptable\n\nAvailable representations: …"
  kTransform,  // a known type whose `as=` is not: "only the following media types are accepted: …"
};

struct Negotiated {
  Accepted accepted;
  NegotiationFailure failure = NegotiationFailure::kNone;
};

// `transforms` is false where Table and PartialObjectMetadata are not offered (discovery, status): `as=` is refused then.
// An absent or empty header means JSON.
Negotiated negotiate(std::string_view accept, bool transforms);

// "application/json" …; for protobuf watches with its ";stream=watch".
std::string_view content_type(MediaType type);
std::string_view watch_content_type(MediaType type);

// The type of a request body; nullopt when it is not supported. An empty header means JSON.
std::optional<MediaType> body_media_type(std::string_view content_type);
// Type and subtype in lower case, without parameters.
std::string media_essence(std::string_view header);

inline constexpr std::string_view kRepresentations = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

}  // namespace keelson::apiserver
