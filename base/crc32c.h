// CRC-32C (Castagnoli), the checksum of every disk format of ours. Hardware instructions where the CPU has
// them. Thread rule: pure functions.
#pragma once

#include <cstdint>
#include <string_view>

namespace keelson {

// The checksum of what `crc` already covers followed by `data`. Start with 0.
std::uint32_t crc32c(std::uint32_t crc, std::string_view data);

namespace detail {
// The table version, for tests and for CPUs without SSE 4.2.
std::uint32_t crc32c_portable(std::uint32_t crc, std::string_view data);
}  // namespace detail

}  // namespace keelson
