#include "apiserver/discovery/document.h"

#include <openssl/sha.h>

#include <array>

namespace keelson::apiserver {

std::string sha256_bytes(std::string_view text) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest;
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

std::string content_hash(std::string_view text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  std::string out;
  for (const char c : sha256_bytes(text)) {
    out += kHex[static_cast<unsigned char>(c) >> 4];
    out += kHex[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

Document Document::of(std::string body) {
  std::string etag = "\"" + content_hash(body) + "\"";
  return {Bytes(std::move(body)), std::move(etag)};
}

}  // namespace keelson::apiserver
