// SHA-256 as lower-case hex, and short stable ids derived from it.
#pragma once

#include <string>
#include <string_view>

namespace keelson::kubelet {

std::string sha256_hex(std::string_view data);
// The first 8 hex digits: names what belongs to one data directory, one container spec …
std::string short_digest(std::string_view data);

}  // namespace keelson::kubelet
