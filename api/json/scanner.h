// JSON text at the lowest level: white space, strings, numbers, skipping. Internal to api/.
//
// A Scanner walks a text that it does not own and never reads outside of it. Its functions answer false at
// the first violation of JSON's grammar and then leave the position unspecified; json_syntax_error()
// (api/json.h) words the error as Go does. Thread rule: value type.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/arena.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace keelson::api::json {

// Go's limit on nesting (encoding/json scanner).
inline constexpr int kMaxDepth = 10000;

// First byte in [p, end) that is `"`, `\`, a control character or not ASCII; end when there is none.
inline const char* find_special(const char* p, const char* end) {
#if defined(__SSE2__)
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i slash = _mm_set1_epi8('\\');
  const __m128i space = _mm_set1_epi8(0x20);
  while (end - p >= 16) {
    const __m128i x = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    // Signed compare: bytes >= 0x80 are negative, so they count as below space too.
    const __m128i hit = _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(x, quote), _mm_cmpeq_epi8(x, slash)),
                                     _mm_cmplt_epi8(x, space));
    const int mask = _mm_movemask_epi8(hit);
    if (mask != 0) return p + __builtin_ctz(static_cast<unsigned>(mask));
    p += 16;
  }
#endif
  while (p < end && *p != '"' && *p != '\\' && static_cast<signed char>(*p) >= 0x20) ++p;
  return p;
}

class Scanner {
 public:
  explicit Scanner(std::string_view text)
      : begin_(text.data()), p_(text.data()), end_(text.data() + text.size()) {}

  // The next byte, 0 at the end.
  char peek() const { return p_ < end_ ? *p_ : '\0'; }
  bool at_end() const { return p_ == end_; }
  void advance() { ++p_; }
  const char* position() const { return p_; }
  std::size_t offset() const { return static_cast<std::size_t>(p_ - begin_); }
  void space() {
    while (p_ < end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\t' || *p_ == '\r')) ++p_;
  }
  // Passes over white space, then `c`.
  bool expect(char c) {
    space();
    if (p_ >= end_ || *p_ != c) return false;
    ++p_;
    return true;
  }
  bool literal(std::string_view word) {
    if (static_cast<std::size_t>(end_ - p_) < word.size() || std::string_view(p_, word.size()) != word)
      return false;
    p_ += word.size();
    return true;
  }
  // A string at the opening quote. Plain ones are views into the text; those with escapes or invalid UTF-8
  // (replaced, as Go does) are made in `arena`.
  bool string(std::string_view& out, Arena& arena);
  // The same without its value.
  bool skip_string();
  // A number's text; `integer` is set when it has no fraction and no exponent.
  bool number(std::string_view& out, bool& integer);
  // Any value.
  bool skip_value();

 private:
  bool slow_string(const char* start, std::string_view& out, Arena& arena);

  const char* begin_;
  const char* p_;
  const char* end_;
};

// Length of the valid UTF-8 sequence at p, 0 when it is none.
std::size_t utf8_length(const char* p, const char* end);
// Writes the UTF-8 of a code point (up to 4 bytes); returns its length.
std::size_t put_utf8(char* out, std::uint32_t rune);

}  // namespace keelson::api::json
