// Continue tokens of paginated lists, in upstream's form: base64url(JSON {"v":"meta.k8s.io/v1","rv":N,"start":"key"})
// without padding. `start` is relative to the list's key prefix. rv -1: the snapshot was compacted, go on at the
// newest one (an inconsistent continuation).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace keelson::apiserver {

struct ContinueToken {
  std::int64_t revision = 0;
  std::string start_key;  // absolute: the first key of the next page
};

// `prefix` is the list's key prefix ("/registry/pods/ns/"); `next_key` starts with it.
std::string encode_continue(std::string_view prefix, std::string_view next_key, std::int64_t revision);
// kInvalidArgument with upstream's wording, without the leading "invalid continue token: ".
Result<ContinueToken> decode_continue(std::string_view prefix, std::string_view token);

std::string base64url_encode(std::string_view data);
// Lenient as Go's RawURLEncoding: stops at the first character outside of the alphabet with an error.
Result<std::string> base64url_decode(std::string_view text);

}  // namespace keelson::apiserver
