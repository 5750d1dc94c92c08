#include "api/patch/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/string.hpp>
#include <charconv>
#include <map>
#include <set>

namespace keelson::api {
namespace {

namespace json = boost::json;

constexpr int kDepthMax = 2000;

std::string quote_char(unsigned char c) {
  if (c == '\'') return "'\\''";
  if (c == '"') return "'\"'";
  switch (c) {
    case '\n':
      return "'\\n'";
    case '\t':
      return "'\\t'";
    case '\r':
      return "'\\r'";
    case '\\':
      return "'\\\\'";
    case '\b':
      return "'\\b'";
    case '\f':
      return "'\\f'";
    case '\v':
      return "'\\v'";
    case '\a':
      return "'\\a'";
    default:
      break;
  }
  // Go prints the byte as the rune of the same number.
  if (c < 0x20 || c == 0x7f) return fmt::format("'\\x{:02x}'", c);
  if (c < 0x80) return fmt::format("'{}'", static_cast<char>(c));
  if (c < 0xa1 || c == 0xad) return fmt::format("'\\u{:04x}'", c);
  std::string rune;
  rune += static_cast<char>(0xc0 | (c >> 6));
  rune += static_cast<char>(0x80 | (c & 0x3f));
  return "'" + rune + "'";
}

void append_utf8(std::string& out, std::uint32_t cp) {
  if (cp < 0x80) {
    out += static_cast<char>(cp);
  } else if (cp < 0x800) {
    out += static_cast<char>(0xc0 | (cp >> 6));
    out += static_cast<char>(0x80 | (cp & 0x3f));
  } else if (cp < 0x10000) {
    out += static_cast<char>(0xe0 | (cp >> 12));
    out += static_cast<char>(0x80 | ((cp >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (cp & 0x3f));
  } else {
    out += static_cast<char>(0xf0 | (cp >> 18));
    out += static_cast<char>(0x80 | ((cp >> 12) & 0x3f));
    out += static_cast<char>(0x80 | ((cp >> 6) & 0x3f));
    out += static_cast<char>(0x80 | (cp & 0x3f));
  }
}

// Length of the valid UTF-8 sequence at the front of `s`, 0 when invalid.
std::size_t utf8_length(std::string_view s) {
  const auto b = [&](std::size_t i) { return static_cast<unsigned char>(s[i]); };
  const unsigned char c = b(0);
  const std::size_t n = c < 0x80                ? 1
                        : c >= 0xc2 && c < 0xe0 ? 2
                        : c >= 0xe0 && c < 0xf0 ? 3
                        : c >= 0xf0 && c < 0xf5 ? 4
                                                : 0;
  if (n == 0 || s.size() < n) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((b(i) & 0xc0) != 0x80) return 0;
  if (n == 3 && ((c == 0xe0 && b(1) < 0xa0) || (c == 0xed && b(1) >= 0xa0))) return 0;
  if (n == 4 && ((c == 0xf0 && b(1) < 0x90) || (c == 0xf4 && b(1) >= 0x90))) return 0;
  return n;
}

class Reader {
 public:
  explicit Reader(std::string_view text) : s_(text) {}

  Result<JsonText> read() {
    JsonText out;
    if (!value(out.value, 0)) return fail(Code::kInvalidArgument, error_);
    skip_space();
    if (pos_ < s_.size()) {
      bad("after top-level value");
      return fail(Code::kInvalidArgument, error_);
    }
    out.duplicates = std::move(duplicates_);
    return out;
  }

 private:
  void skip_space() {
    while (pos_ < s_.size() && (s_[pos_] == ' ' || s_[pos_] == '\t' || s_[pos_] == '\r' || s_[pos_] == '\n'))
      ++pos_;
  }
  bool at_end() const { return pos_ >= s_.size(); }
  char peek() const { return s_[pos_]; }
  bool bad(std::string_view where) {
    error_ = at_end() ? "unexpected end of JSON input"
                      : fmt::format("invalid character {} {}", quote_char(static_cast<unsigned char>(peek())),
                                    where);
    return false;
  }

  bool value(json::value& out, int depth) {
    if (depth > kDepthMax) {
      error_ = "exceeded max depth";
      return false;
    }
    skip_space();
    if (at_end()) return bad("");
    switch (peek()) {
      case '{':
        return object(out, depth);
      case '[':
        return array(out, depth);
      case '"': {
        std::string text;
        if (!string(text)) return false;
        out = text;
        return true;
      }
      case 't':
        out = true;
        return literal("true");
      case 'f':
        out = false;
        return literal("false");
      case 'n':
        out = nullptr;
        return literal("null");
      default:
        return number(out);
    }
  }

  bool literal(std::string_view word) {
    ++pos_;
    for (std::size_t i = 1; i < word.size(); ++i, ++pos_)
      if (at_end() || peek() != word[i])
        return bad(fmt::format("in literal {} (expecting '{}')", word, word[i]));
    return true;
  }

  bool digits() {
    while (!at_end() && peek() >= '0' && peek() <= '9') ++pos_;
    return true;
  }
  bool is_digit() const { return !at_end() && peek() >= '0' && peek() <= '9'; }

  bool number(json::value& out) {
    const std::size_t start = pos_;
    const bool negative = peek() == '-';
    if (negative) ++pos_;
    if (!is_digit()) return bad(negative ? "in numeric literal" : "looking for beginning of value");
    if (peek() == '0') {
      ++pos_;
    } else {
      digits();
    }
    bool integer = true;
    if (!at_end() && peek() == '.') {
      integer = false;
      ++pos_;
      if (!is_digit()) return bad("after decimal point in numeric literal");
      digits();
    }
    if (!at_end() && (peek() == 'e' || peek() == 'E')) {
      integer = false;
      ++pos_;
      if (!at_end() && (peek() == '+' || peek() == '-')) ++pos_;
      if (!is_digit()) return bad("in exponent of numeric literal");
      digits();
    }
    const char* first = s_.data() + start;
    const char* last = s_.data() + pos_;
    if (integer) {
      std::int64_t n = 0;
      if (auto [p, ec] = std::from_chars(first, last, n); ec == std::errc() && p == last) {
        out = n;
        return true;
      }
    }
    double d = 0;
    std::from_chars(first, last, d);
    out = d;
    return true;
  }

  bool hex4(std::uint32_t& out) {
    out = 0;
    for (int i = 0; i < 4; ++i, ++pos_) {
      if (at_end()) return bad("");
      const char c = peek();
      const int v = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
      if (v < 0) return bad("in \\u hexadecimal character escape");
      out = out * 16 + static_cast<std::uint32_t>(v);
    }
    return true;
  }

  bool escape(std::string& out) {
    ++pos_;
    if (at_end()) return bad("");
    const char c = peek();
    static constexpr std::string_view kPlain = "\"\\/bfnrt";
    static constexpr std::string_view kMeant = "\"\\/\b\f\n\r\t";
    if (const std::size_t i = kPlain.find(c); i != std::string_view::npos) {
      out += kMeant[i];
      ++pos_;
      return true;
    }
    if (c != 'u') return bad("in string escape code");
    ++pos_;
    std::uint32_t cp = 0;
    if (!hex4(cp)) return false;
    if (cp >= 0xd800 && cp < 0xdc00 && s_.substr(pos_, 2) == "\\u") {
      const std::size_t mark = pos_;
      std::uint32_t low = 0;
      pos_ += 2;
      if (!hex4(low)) return false;
      if (low >= 0xdc00 && low < 0xe000) {
        cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
      } else {
        pos_ = mark;
      }
    }
    append_utf8(out, cp >= 0xd800 && cp < 0xe000 ? 0xfffd : cp);
    return true;
  }

  bool string(std::string& out) {
    ++pos_;
    for (;;) {
      if (at_end()) return bad("");
      const unsigned char c = static_cast<unsigned char>(peek());
      if (c == '"') {
        ++pos_;
        return true;
      }
      if (c < 0x20) return bad("in string literal");
      if (c == '\\') {
        if (!escape(out)) return false;
        continue;
      }
      const std::size_t n = utf8_length(s_.substr(pos_));
      if (n == 0) {
        append_utf8(out, 0xfffd);
        ++pos_;
      } else {
        out.append(s_.substr(pos_, n));
        pos_ += n;
      }
    }
  }

  bool array(json::value& out, int depth) {
    json::array& items = out.emplace_array();
    ++pos_;
    skip_space();
    if (!at_end() && peek() == ']') {
      ++pos_;
      return true;
    }
    for (;;) {
      const std::size_t mark = path_.size();
      path_ += fmt::format("[{}]", items.size());
      if (!value(items.emplace_back(nullptr), depth + 1)) return false;
      path_.resize(mark);
      skip_space();
      if (at_end() || (peek() != ',' && peek() != ']')) return bad("after array element");
      if (s_[pos_++] == ']') return true;
    }
  }

  bool object(json::value& out, int depth) {
    json::object& members = out.emplace_object();
    ++pos_;
    skip_space();
    if (!at_end() && peek() == '}') {
      ++pos_;
      return true;
    }
    for (;;) {
      skip_space();
      if (at_end() || peek() != '"') return bad("looking for beginning of object key string");
      std::string key;
      if (!string(key)) return false;
      skip_space();
      if (at_end() || peek() != ':') return bad("after object key");
      ++pos_;
      const std::size_t mark = path_.size();
      path_ += mark == 0 ? key : "." + key;
      if (members.contains(key) && std::ranges::find(duplicates_, path_) == duplicates_.end())
        duplicates_.push_back(path_);
      if (!value(members[key], depth + 1)) return false;
      path_.resize(mark);
      skip_space();
      if (at_end() || (peek() != ',' && peek() != '}')) return bad("after object key:value pair");
      if (s_[pos_++] == '}') return true;
    }
  }

  std::string_view s_;
  std::size_t pos_ = 0;
  std::string error_;
  std::string path_;
  std::vector<std::string> duplicates_;
};

std::string format_double(double d) {
  // Go's %v is %g with the shortest text; exponents from 21 on.
  if (d == static_cast<double>(static_cast<std::int64_t>(d)) && d < 1e15 && d > -1e15)
    return fmt::format("{}", static_cast<std::int64_t>(d));
  return fmt::format("{}", d);
}

}  // namespace

Result<JsonText> read_json_text(std::string_view text) {
  return Reader(text).read();
}

std::string go_format(const json::value& v) {
  switch (v.kind()) {
    case json::kind::null:
      return "<nil>";
    case json::kind::bool_:
      return v.get_bool() ? "true" : "false";
    case json::kind::int64:
      return fmt::format("{}", v.get_int64());
    case json::kind::uint64:
      return fmt::format("{}", v.get_uint64());
    case json::kind::double_:
      return format_double(v.get_double());
    case json::kind::string:
      return std::string(v.get_string());
    case json::kind::array: {
      std::string out = "[";
      for (const json::value& e : v.get_array()) out += (out.size() > 1 ? " " : "") + go_format(e);
      return out + "]";
    }
    case json::kind::object: {
      std::map<std::string_view, const json::value*> sorted;
      for (const auto& m : v.get_object()) sorted.emplace(std::string_view(m.key()), &m.value());
      std::string out = "map[";
      for (const auto& [k, e] : sorted)
        out += fmt::format("{}{}:{}", out.size() > 4 ? " " : "", k, go_format(*e));
      return out + "]";
    }
  }
  return "";
}

std::string_view json_kind_name(const json::value& v) {
  switch (v.kind()) {
    case json::kind::null:
      return "null";
    case json::kind::bool_:
      return "bool";
    case json::kind::string:
      return "string";
    case json::kind::array:
      return "array";
    case json::kind::object:
      return "object";
    default:
      return "number";
  }
}

}  // namespace keelson::api
