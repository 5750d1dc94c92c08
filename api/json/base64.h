// Base64 as Go's encoding/base64.StdEncoding reads it, straight into memory of the caller. Internal to
// api/json.
#pragma once

#include <cstddef>
#include <string_view>

namespace keelson::api::json {

// Padding is required, line breaks are passed over. REQUIRES: `out` has room for in.size() / 4 * 3 + 3 bytes.
// On false, `bad` is the offset that Go's "illegal base64 data at input byte N" names.
bool decode_base64(std::string_view in, char* out, std::size_t& size, std::size_t& bad);

}  // namespace keelson::api::json
