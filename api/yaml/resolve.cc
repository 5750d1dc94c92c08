#include "api/yaml/resolve.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <limits>

namespace keelson::api::yaml {

namespace {

bool one_of(std::string_view text, std::initializer_list<std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t digits(std::string_view text, std::size_t at) {
  std::size_t n = 0;
  while (at + n < text.size() && is_digit(text[at + n])) ++n;
  return n;
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool float_shape(std::string_view text) {
  std::size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  const std::size_t whole = digits(text, at);
  at += whole;
  if (at < text.size() && text[at] == '.') {
    const std::size_t fraction = digits(text, at + 1);
    if (whole == 0 && fraction == 0) return false;
    at += 1 + fraction;
  } else if (whole == 0) {
    return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    if (at < text.size() && (text[at] == '-' || text[at] == '+')) ++at;
    const std::size_t exponent = digits(text, at);
    if (exponent == 0) return false;
    at += exponent;
  }
  return at == text.size();
}

// The forms go-yaml takes for a timestamp: a date, or a date with a time after T, t (zone required) or a
// space (no zone).
bool is_timestamp(std::string_view text) {
  if (digits(text, 0) != 4) return false;
  std::size_t at = 4;
  const auto part = [&](char before, unsigned max) {
    if (at >= text.size() || text[at] != before) return false;
    const std::size_t n = digits(text, at + 1);
    if (n < 1 || n > 2) return false;
    unsigned v = 0;
    std::from_chars(text.data() + at + 1, text.data() + at + 1 + n, v);
    at += 1 + n;
    return v <= max;
  };
  if (!part('-', 12) || !part('-', 31)) return false;
  if (at == text.size()) return true;
  const char separator = text[at];
  if (separator != 'T' && separator != 't' && separator != ' ') return false;
  if (!part(separator, 23) || !part(':', 59) || !part(':', 59)) return false;
  if (at < text.size() && text[at] == '.') {
    const std::size_t n = digits(text, at + 1);
    if (n == 0) return false;
    at += 1 + n;
  }
  if (separator == ' ') return at == text.size();
  const std::string_view zone = text.substr(at);
  return zone == "Z" || (zone.size() == 6 && (zone[0] == '+' || zone[0] == '-') && digits(zone, 1) == 2 &&
                         zone[3] == ':' && digits(zone, 4) == 2);
}

// strconv.ParseInt and ParseUint with base 0: 0x, 0o, 0b and 0 prefixes.
bool parse_integer(std::string_view text, Scalar& out) {
  const bool negative = text[0] == '-';
  if (text[0] == '-' || text[0] == '+') text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char c = text[1];
    base = c == 'x' || c == 'X' ? 16 : c == 'b' || c == 'B' ? 2 : 8;
    text.remove_prefix(base == 8 && c != 'o' && c != 'O' ? 1 : 2);
  }
  if (text.empty()) return false;
  std::uint64_t magnitude = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  constexpr auto kMax = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (magnitude <= kMax || (negative && magnitude == kMax + 1)) {
    out.kind = Kind::kInt;
    out.integer = negative ? static_cast<std::int64_t>(0 - magnitude) : static_cast<std::int64_t>(magnitude);
    return true;
  }
  if (negative) return false;
  out.kind = Kind::kUint;
  out.unsigned_integer = magnitude;
  return true;
}

bool parse_real(std::string_view text, Scalar& out) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  if (std::from_chars(text.data(), text.data() + text.size(), out.real).ec != std::errc()) return false;
  out.kind = Kind::kFloat;
  return true;
}

}  // namespace

Scalar resolve(std::string_view text) {
  Scalar out;
  if (one_of(text, {"", "~", "null", "Null", "NULL"})) {
    out.kind = Kind::kNull;
    return out;
  }
  const char c = text[0];
  if (std::string_view("yYnNtTfFoO").find(c) != std::string_view::npos) {
    const bool yes = one_of(text, {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"});
    const bool no =
        one_of(text, {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"});
    if (yes || no) {
      out.kind = Kind::kBool;
      out.boolean = yes;
    }
    return out;
  }
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (one_of(text, {".nan", ".NaN", ".NAN"}))
    out.real = std::nan(""), out.kind = Kind::kFloat;
  else if (one_of(text, {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"}))
    out.real = kInfinity, out.kind = Kind::kFloat;
  else if (one_of(text, {"-.inf", "-.Inf", "-.INF"}))
    out.real = -kInfinity, out.kind = Kind::kFloat;
  if (out.kind != Kind::kString) return out;
  if (c == '.') {
    if (float_shape(text)) parse_real(text, out);
    return out;
  }
  if (c != '+' && c != '-' && !is_digit(c)) return out;
  if (is_timestamp(text)) {
    out.kind = Kind::kTimestamp;
    return out;
  }
  std::string plain(text);
  std::erase(plain, '_');
  if (plain.size() > (plain[0] == '-' || plain[0] == '+' ? 1u : 0u) && parse_integer(plain, out)) return out;
  if (float_shape(plain)) parse_real(plain, out);
  return out;
}

bool is_base60(std::string_view text) {
  std::size_t at = !text.empty() && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  if (at >= text.size() || !is_digit(text[at])) return false;
  while (at < text.size() && (is_digit(text[at]) || text[at] == '_')) ++at;
  bool parts = false;
  while (at < text.size() && text[at] == ':') {
    const std::size_t n = digits(text, at + 1);
    if (n == 0 || n > 2 || (n == 2 && text[at + 1] > '5')) return false;
    at += 1 + n;
    parts = true;
  }
  if (at < text.size() && text[at] == '.') {
    ++at;
    while (at < text.size() && (is_digit(text[at]) || text[at] == '_')) ++at;
  }
  return parts && at == text.size();
}

std::string format_float(double d) {
  if (std::isnan(d)) return ".nan";
  if (std::isinf(d)) return d > 0 ? ".inf" : "-.inf";
  const double magnitude = std::fabs(d);
  const bool exponent = d != 0 && (magnitude < 1e-4 || magnitude >= 1e6);
  char buffer[400];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, d,
                                 exponent ? std::chars_format::scientific : std::chars_format::fixed)
                       .ptr;
  return std::string(buffer, end);
}

}  // namespace keelson::api::yaml
