// What the generated plain structs (gen.py) stand on. For measuring only (ADR 0001).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json/scanner.h"
#include "api/time.h"

namespace keelson::bench::plain {

using api::Arena;
using api::json::Scanner;
class Back;

struct Blob {
  std::string text;
};
struct RawText {
  std::string text;
};
struct Amount {
  std::string text;
};
template <bool micro>
struct When {
  api::Time time;
};
struct NumberOrText {
  bool is_text = false;
  std::int32_t number = 0;
  std::string text;
};

}  // namespace keelson::bench::plain
