#include "api/json/base64.h"

#include <cstdint>

namespace keelson::api::json {

bool decode_base64(std::string_view in, char* out, std::size_t& size, std::size_t& bad) {
  std::size_t at = 0;
  const auto digit = [](char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
  };
  const auto breaks = [&] {
    while (at < in.size() && (in[at] == '\n' || in[at] == '\r')) ++at;
  };
  for (;;) {
    std::uint32_t group = 0;
    int have = 0;
    for (; have < 4; ++have) {
      breaks();
      if (at == in.size()) {
        bad = at - static_cast<std::size_t>(have);
        return have == 0;
      }
      const int value = digit(in[at]);
      if (value >= 0) {
        group = group << 6 | static_cast<std::uint32_t>(value);
        ++at;
        continue;
      }
      bad = at;
      if (in[at] != '=' || have < 2) return false;
      ++at;
      if (have == 2) {
        breaks();
        if (at == in.size()) return bad = in.size(), false;
        if (in[at] != '=') return bad = at - 1, false;
        ++at;
      }
      breaks();
      bad = at;
      if (at < in.size()) return false;
      group <<= 6 * (4 - have);
      for (int i = 0; i < have - 1; ++i) out[size++] = static_cast<char>(group >> (16 - 8 * i));
      return true;
    }
    for (int i = 0; i < 3; ++i) out[size++] = static_cast<char>(group >> (16 - 8 * i));
  }
}

}  // namespace keelson::api::json
