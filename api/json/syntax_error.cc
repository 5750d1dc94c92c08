// json_syntax_error(): Go's wording (encoding/json's scanner), found by walking the text once more with its
// states.
#include <string>
#include <string_view>

#include "api/field_error.h"
#include "api/json.h"
#include "api/json/scanner.h"

namespace keelson::api {

namespace {

// A byte as Go's quoteChar prints it: as a rune, in single quotes.
std::string quote_char(unsigned char c) {
  if (c == '\'') return "'\\''";
  if (c == '"') return "'\"'";
  if (c == 0x7f) return "'\\x7f'";
  if (c >= 0x80 && c < 0xa0)
    return std::string("'\\u00") + "89"[c >= 0x90] + "0123456789abcdef"[c & 15] + "'";
  if (c == 0xa0 || c == 0xad) return c == 0xa0 ? "'\\u00a0'" : "'\\u00ad'";
  char utf8[4];
  const std::string text(utf8, json::put_utf8(utf8, c));
  const std::string quoted = field::go_quote(text);
  return "'" + quoted.substr(1, quoted.size() - 2) + "'";
}

class Grammar {
 public:
  explicit Grammar(std::string_view text) : text_(text) {}

  std::string run() {
    if (!value()) return error_;
    space();
    if (at_ < text_.size()) return bad("after top-level value"), error_;
    return "";
  }

 private:
  bool end() const { return at_ >= text_.size(); }
  char peek() const { return end() ? '\0' : text_[at_]; }
  void space() {
    while (!end() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool bad(std::string_view context) {
    error_ = end() ? "unexpected end of JSON input"
                   : "invalid character " + quote_char(static_cast<unsigned char>(text_[at_])) + " " +
                         std::string(context);
    return false;
  }
  static bool is_digit(char c) { return c >= '0' && c <= '9'; }
  static bool is_hex(char c) { return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

  bool string() {
    for (++at_;;) {
      if (end()) return bad("");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') return ++at_, true;
      if (c < 0x20) return bad("in string literal");
      ++at_;
      if (c != '\\') continue;
      if (end() || std::string_view("bfnrt\\/\"u").find(peek()) == std::string_view::npos)
        return bad("in string escape code");
      if (text_[at_++] != 'u') continue;
      for (int i = 0; i < 4; ++i, ++at_)
        if (end() || !is_hex(peek())) return bad("in \\u hexadecimal character escape");
    }
  }

  bool word(std::string_view w) {
    for (std::size_t i = 0; i < w.size(); ++i, ++at_)
      if (end() || text_[at_] != w[i])
        return bad("in literal " + std::string(w) + " (expecting " +
                   quote_char(static_cast<unsigned char>(w[i])) + ")");
    return true;
  }

  bool number() {
    if (peek() == '-') {
      ++at_;
      if (!is_digit(peek())) return bad("in numeric literal");
    }
    if (peek() == '0')
      ++at_;
    else
      while (is_digit(peek())) ++at_;
    if (peek() == '.') {
      ++at_;
      if (!is_digit(peek())) return bad("after decimal point in numeric literal");
      while (is_digit(peek())) ++at_;
    }
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (!is_digit(peek())) return bad("in exponent of numeric literal");
      while (is_digit(peek())) ++at_;
    }
    return true;
  }

  bool scalar() {
    const char c = peek();
    if (c == '"') return string();
    if (c == 't') return word("true");
    if (c == 'f') return word("false");
    if (c == 'n') return word("null");
    if (c == '-' || is_digit(c)) return number();
    return bad("looking for beginning of value");
  }

  bool key() {
    space();
    if (peek() != '"') return bad("looking for beginning of object key string");
    if (!string()) return false;
    space();
    if (peek() != ':') return bad("after object key");
    ++at_;
    return true;
  }

  bool value() {
    std::string open;
    for (;;) {
      space();
      if (end()) return bad("");
      if (const char c = peek(); c == '{' || c == '[') {
        ++at_;
        open.push_back(c);
        if (open.size() > json::kMaxDepth) return error_ = "exceeded max depth", false;
        space();
        if (c == '{' && peek() != '}') {
          if (!key()) return false;
          continue;
        }
        if (c == '[' && peek() != ']') continue;
      } else if (!scalar()) {
        return false;
      }
      for (bool more = false; !more;) {
        if (open.empty()) return true;
        space();
        const bool object = open.back() == '{';
        if (peek() == ',' && !end()) {
          ++at_;
          if (object && !key()) return false;
          more = true;
        } else if (peek() == (object ? '}' : ']')) {
          ++at_;
          open.pop_back();
        } else {
          return bad(object ? "after object key:value pair" : "after array element");
        }
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::string error_;
};

}  // namespace

std::string json_syntax_error(std::string_view text) {
  return Grammar(text).run();
}

}  // namespace keelson::api
