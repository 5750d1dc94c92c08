// Base64 of RFC 4648: standard (§4, padded) and URL-safe (§5, unpadded, as JWTs use it).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace keelson {

std::string base64_encode(std::string_view data);
std::string base64url_encode(std::string_view data);
// nullopt when `text` is not valid. Both alphabets' padding is optional.
std::optional<std::string> base64_decode(std::string_view text);
std::optional<std::string> base64url_decode(std::string_view text);

}  // namespace keelson
