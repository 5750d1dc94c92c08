// Document: the bytes of a reply that changes only when the set of served kinds does, with its ETag.
// Thread rule: immutable value.
#pragma once

#include <string>
#include <string_view>

#include "base/bytes.h"

namespace keelson::apiserver {

struct Document {
  Bytes body;
  std::string etag;  // quoted, as in the header; "" for none

  static Document of(std::string body);
};

// Upper-case hex SHA-256 of the text: hashes in ETags and in OpenAPI's index.
std::string content_hash(std::string_view text);
std::string sha256_bytes(std::string_view text);

}  // namespace keelson::apiserver
