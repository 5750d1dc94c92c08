#include "api/json/scanner.h"

namespace keelson::api::json {

namespace {

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The four digits of a \u escape at p; -1 when they are not there.
std::int32_t hex4(const char* p, const char* end) {
  if (end - p < 4) return -1;
  std::int32_t out = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex(p[i]);
    if (digit < 0) return -1;
    out = out * 16 + digit;
  }
  return out;
}

char simple_escape(char c) {
  switch (c) {
    case 'b':
      return '\b';
    case 'f':
      return '\f';
    case 'n':
      return '\n';
    case 'r':
      return '\r';
    case 't':
      return '\t';
    case '"':
    case '\\':
    case '/':
      return c;
    default:
      return '\0';
  }
}

bool digit(const char* p, const char* end) {
  return p < end && *p >= '0' && *p <= '9';
}

}  // namespace

std::size_t utf8_length(const char* p, const char* end) {
  const auto byte = [&](int i) { return p + i < end ? static_cast<unsigned char>(p[i]) : 0u; };
  const auto tail = [&](int i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned b = byte(0);
  if (b < 0x80) return 1;
  if (b >= 0xc2 && b < 0xe0) return tail(1) ? 2 : 0;
  if (b >= 0xe0 && b < 0xf0) {
    if (!tail(1) || !tail(2) || (b == 0xe0 && byte(1) < 0xa0) || (b == 0xed && byte(1) >= 0xa0)) return 0;
    return 3;
  }
  if (b >= 0xf0 && b < 0xf5) {
    if (!tail(1) || !tail(2) || !tail(3) || (b == 0xf0 && byte(1) < 0x90) || (b == 0xf4 && byte(1) >= 0x90))
      return 0;
    return 4;
  }
  return 0;
}

std::size_t put_utf8(char* out, std::uint32_t rune) {
  if (rune < 0x80) {
    out[0] = static_cast<char>(rune);
    return 1;
  }
  if (rune < 0x800) {
    out[0] = static_cast<char>(0xc0 | (rune >> 6));
    out[1] = static_cast<char>(0x80 | (rune & 0x3f));
    return 2;
  }
  if (rune < 0x10000) {
    out[0] = static_cast<char>(0xe0 | (rune >> 12));
    out[1] = static_cast<char>(0x80 | ((rune >> 6) & 0x3f));
    out[2] = static_cast<char>(0x80 | (rune & 0x3f));
    return 3;
  }
  out[0] = static_cast<char>(0xf0 | (rune >> 18));
  out[1] = static_cast<char>(0x80 | ((rune >> 12) & 0x3f));
  out[2] = static_cast<char>(0x80 | ((rune >> 6) & 0x3f));
  out[3] = static_cast<char>(0x80 | (rune & 0x3f));
  return 4;
}

bool Scanner::string(std::string_view& out, Arena& arena) {
  if (peek() != '"' || at_end()) return false;
  const char* start = ++p_;
  for (;;) {
    p_ = find_special(p_, end_);
    if (p_ == end_) return false;
    if (*p_ == '"') {
      out = {start, static_cast<std::size_t>(p_ - start)};
      ++p_;
      return true;
    }
    if (static_cast<unsigned char>(*p_) < 0x20) return false;
    const std::size_t n = *p_ == '\\' ? 0 : utf8_length(p_, end_);
    if (n == 0) return slow_string(start, out, arena);
    p_ += n;
  }
}

bool Scanner::slow_string(const char* start, std::string_view& out, Arena& arena) {
  const char* stop = start;
  while (stop < end_ && *stop != '"') stop += *stop == '\\' ? 2 : 1;
  if (stop >= end_) return false;
  const std::size_t room = static_cast<std::size_t>(stop - start) * 3;  // a bad byte becomes three
  char* text = arena.alloc_text(room);
  char* w = text;
  for (p_ = start; p_ < stop;) {
    const auto c = static_cast<unsigned char>(*p_);
    if (c == '\\') {
      ++p_;
      if (p_ >= stop) return false;
      if (*p_ != 'u') {
        const char e = simple_escape(*p_++);
        if (e == '\0') return false;
        *w++ = e;
        continue;
      }
      ++p_;
      const std::int32_t first = hex4(p_, stop);
      if (first < 0) return false;
      p_ += 4;
      auto rune = static_cast<std::uint32_t>(first);
      if (rune >= 0xd800 && rune < 0xe000) {
        const std::int32_t second = stop - p_ >= 6 && p_[0] == '\\' && p_[1] == 'u' ? hex4(p_ + 2, stop) : -1;
        if (rune < 0xdc00 && second >= 0xdc00 && second < 0xe000) {
          rune = 0x10000 + ((rune - 0xd800) << 10) + (static_cast<std::uint32_t>(second) - 0xdc00);
          p_ += 6;
        } else {
          rune = 0xfffd;
        }
      }
      w += put_utf8(w, rune);
    } else if (c < 0x20) {
      return false;
    } else if (const std::size_t n = utf8_length(p_, stop); n == 0) {
      w += put_utf8(w, 0xfffd);
      ++p_;
    } else {
      for (std::size_t i = 0; i < n; ++i) *w++ = *p_++;
    }
  }
  ++p_;
  out = {text, static_cast<std::size_t>(w - text)};
  arena.shrink_text(text, room, out.size());
  return true;
}

bool Scanner::skip_string() {
  if (at_end() || *p_ != '"') return false;
  ++p_;
  for (;;) {
    p_ = find_special(p_, end_);
    if (p_ == end_) return false;
    const auto c = static_cast<unsigned char>(*p_);
    if (c == '"') {
      ++p_;
      return true;
    }
    if (c < 0x20) return false;
    if (c != '\\') {
      ++p_;  // not ASCII; any bytes pass, as in Go
      continue;
    }
    if (++p_ == end_) return false;
    if (*p_ == 'u') {
      if (hex4(p_ + 1, end_) < 0) return false;
      p_ += 5;
    } else {
      if (simple_escape(*p_) == '\0') return false;
      ++p_;
    }
  }
}

bool Scanner::number(std::string_view& out, bool& integer) {
  const char* start = p_;
  integer = true;
  if (peek() == '-') ++p_;
  if (!digit(p_, end_)) return false;
  if (*p_ == '0') {
    ++p_;
  } else {
    while (digit(p_, end_)) ++p_;
  }
  if (peek() == '.') {
    integer = false;
    ++p_;
    if (!digit(p_, end_)) return false;
    while (digit(p_, end_)) ++p_;
  }
  if (peek() == 'e' || peek() == 'E') {
    integer = false;
    ++p_;
    if (peek() == '+' || peek() == '-') ++p_;
    if (!digit(p_, end_)) return false;
    while (digit(p_, end_)) ++p_;
  }
  out = {start, static_cast<std::size_t>(p_ - start)};
  return true;
}

bool Scanner::skip_value() {
  std::string open;  // the brackets we are in
  for (;;) {
    space();
    switch (peek()) {
      case '{':
        if (open.size() >= kMaxDepth) return false;
        ++p_;
        space();
        if (peek() == '}') {
          ++p_;
          break;
        }
        open.push_back('{');
        if (!skip_string() || !expect(':')) return false;
        continue;
      case '[':
        if (open.size() >= kMaxDepth) return false;
        ++p_;
        space();
        if (peek() == ']') {
          ++p_;
          break;
        }
        open.push_back('[');
        continue;
      case '"':
        if (!skip_string()) return false;
        break;
      case 't':
        if (!literal("true")) return false;
        break;
      case 'f':
        if (!literal("false")) return false;
        break;
      case 'n':
        if (!literal("null")) return false;
        break;
      default: {
        std::string_view text;
        bool integer;
        if (!number(text, integer)) return false;
      }
    }
    // After a value: close what closes, go on where a comma says so.
    for (;;) {
      if (open.empty()) return true;
      space();
      const char c = peek();
      if (c == ',') {
        ++p_;
        if (open.back() == '{') {
          space();
          if (!skip_string() || !expect(':')) return false;
        }
        break;
      }
      if (c != (open.back() == '{' ? '}' : ']')) return false;
      ++p_;
      open.pop_back();
    }
  }
}

}  // namespace keelson::api::json
