// What a plain YAML scalar means, as go-yaml v2 decides (YAML 1.1). Internal to api/yaml.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::api::yaml {

enum class Kind : std::uint8_t { kString, kNull, kBool, kInt, kUint, kFloat, kTimestamp };

struct Scalar {
  Kind kind = Kind::kString;
  bool boolean = false;
  std::int64_t integer = 0;
  std::uint64_t unsigned_integer = 0;
  double real = 0;
};

Scalar resolve(std::string_view text);
// "1:30": read as a number by other parsers, so it is quoted on the way out.
bool is_base60(std::string_view text);
// Go's strconv.FormatFloat(d, 'g', -1, 64).
std::string format_float(double d);

}  // namespace keelson::api::yaml
