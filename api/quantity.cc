#include "api/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>

namespace keelson::api {

namespace {

using Int = __int128;
constexpr Int kNano = 1'000'000'000;
constexpr Int kMaxBinary = Int{std::numeric_limits<std::int64_t>::max()} * kNano;
constexpr Int kMax = kNano * kNano * kNano * kNano * 10;  // 1e28, in nanos; upstream's decimals have no bound
constexpr std::string_view kFormatWrong =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
constexpr std::string_view kSuffixWrong = "unable to parse quantity's suffix";

struct Suffix {
  std::string_view text;
  int exponent;  // of ten, or of two where binary
};
constexpr std::array<Suffix, 10> kDecimal = {{{"n", -9},
                                              {"u", -6},
                                              {"m", -3},
                                              {"", 0},
                                              {"k", 3},
                                              {"M", 6},
                                              {"G", 9},
                                              {"T", 12},
                                              {"P", 15},
                                              {"E", 18}}};
constexpr std::array<Suffix, 6> kBinary = {
    {{"Ki", 10}, {"Mi", 20}, {"Gi", 30}, {"Ti", 40}, {"Pi", 50}, {"Ei", 60}}};

// a * b, capped at kMax. REQUIRES: both >= 0.
Int mul_capped(Int a, Int b) {
  Int out;
  return __builtin_mul_overflow(a, b, &out) || out > kMax ? kMax : out;
}

Int pow10_capped(int n) {
  Int out = 1;
  for (int i = 0; i < n && out < kMax; ++i) out = mul_capped(out, 10);
  return out;
}

struct Parsed {
  bool ok = true;
  Quantity::Format format = Quantity::Format::kDecimalSI;
  bool binary = false;
  int exponent = 0;
};

Parsed parse_suffix(std::string_view s) {
  for (const Suffix& x : kDecimal)
    if (s == x.text) return {true, Quantity::Format::kDecimalSI, false, x.exponent};
  for (const Suffix& x : kBinary)
    if (s == x.text) return {true, Quantity::Format::kBinarySI, true, x.exponent};
  if (s.size() > 1 && (s[0] == 'e' || s[0] == 'E')) {
    int n = 0;
    std::string_view digits = s.substr(1);
    if (digits[0] == '+') digits.remove_prefix(1);
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), n);
    if (error == std::errc() && end == digits.data() + digits.size())
      return {true, Quantity::Format::kDecimalExponent, false, n};
  }
  return {false};
}

// Mantissa digits (with at most one dot) × 10^exponent or × 2^exponent, in nanos; rounded up in magnitude,
// capped.
Int scaled(std::string_view whole, std::string_view fraction, const Parsed& p) {
  Int mantissa = 0;
  int dropped = 0;  // digits of the mantissa not taken in
  bool inexact = false;
  int scale = 0;  // mantissa is in units of 10^-scale
  const auto take = [&](char c, bool is_fraction) {
    if (mantissa > Int{1} << 116) {
      inexact = inexact || c != '0';
      if (!is_fraction) ++dropped;
      return;
    }
    mantissa = mantissa * 10 + (c - '0');
    if (is_fraction) ++scale;
  };
  for (char c : whole) take(c, false);
  for (char c : fraction) take(c, true);
  if (mantissa == 0) return 0;
  int ten = 9 - scale + dropped + (p.binary ? 0 : p.exponent);
  Int value = mantissa;
  if (p.binary) {
    for (int i = 0; i < p.exponent; ++i) {
      // Shrink by tens first where the doubling would not fit: only the lowest digits of huge numbers suffer.
      if (value > (Int{1} << 125)) {
        inexact = inexact || value % 10 != 0;
        value /= 10;
        ++ten;
      }
      value *= 2;
    }
  }
  if (ten >= 0) return mul_capped(value, pow10_capped(ten));
  for (; ten < 0; ++ten) {
    inexact = inexact || value % 10 != 0;
    value /= 10;
  }
  if (inexact) ++value;
  return value > kMax ? kMax : value;
}

std::int64_t ceil_div(Int nanos, Int by) {
  Int q = nanos / by;
  if (nanos % by != 0 && nanos > 0) ++q;
  if (nanos % by != 0 && nanos < 0) --q;  // away from zero, as upstream rounds
  if (q > std::numeric_limits<std::int64_t>::max()) return std::numeric_limits<std::int64_t>::max();
  if (q < std::numeric_limits<std::int64_t>::min()) return std::numeric_limits<std::int64_t>::min();
  return static_cast<std::int64_t>(q);
}

}  // namespace

Quantity::Quantity(std::int64_t value, Format format) : nanos_(Int{value} * kNano), format_(format) {}

Quantity Quantity::from_milli(std::int64_t milli, Format format) {
  Quantity out;
  out.nanos_ = Int{milli} * 1'000'000;
  out.format_ = format;
  return out;
}

Result<Quantity> Quantity::parse(std::string_view text) {
  if (text.empty()) return fail(Code::kInvalidArgument, std::string(kFormatWrong));
  std::string_view rest = text;
  bool negative = false;
  if (rest[0] == '-' || rest[0] == '+') {
    negative = rest[0] == '-';
    rest.remove_prefix(1);
  }
  const auto digits = [&] {
    std::size_t n = 0;
    while (n < rest.size() && rest[n] >= '0' && rest[n] <= '9') ++n;
    const std::string_view out = rest.substr(0, n);
    rest.remove_prefix(n);
    return out;
  };
  const std::string_view whole = digits();
  std::string_view fraction;
  if (!rest.empty() && rest[0] == '.') {
    rest.remove_prefix(1);
    fraction = digits();
  }
  const std::string_view suffix = rest;
  while (!rest.empty() && std::string_view("eEinumkKMGTP").find(rest[0]) != std::string_view::npos)
    rest.remove_prefix(1);
  if (!rest.empty() && (rest[0] == '-' || rest[0] == '+')) rest.remove_prefix(1);
  digits();
  if (!rest.empty()) return fail(Code::kInvalidArgument, std::string(kFormatWrong));
  const Parsed parsed = parse_suffix(suffix);
  if (!parsed.ok) return fail(Code::kInvalidArgument, std::string(kSuffixWrong));
  // A suffix alone is zero to upstream.

  Quantity out;
  out.format_ = parsed.format;
  out.nanos_ = scaled(whole, fraction, parsed);
  if (out.format_ == Format::kBinarySI && out.nanos_ > kMaxBinary) out.nanos_ = kMaxBinary;
  // A binary quantity below 1 in magnitude is written in decimal, as upstream does.
  if (out.format_ == Format::kBinarySI && out.nanos_ > 0 && out.nanos_ < kNano)
    out.format_ = Format::kDecimalSI;
  if (negative) out.nanos_ = -out.nanos_;
  return out;
}

namespace {

// Upstream keeps the text of quantities that look canonical to its quick check, "1.500" and "+5" among them.
bool kept_as_written(std::string_view text, const Parsed& suffix, std::size_t suffix_size) {
  std::string_view number = text.substr(0, text.size() - suffix_size);
  if (number.starts_with('-') || number.starts_with('+')) number.remove_prefix(1);
  while (number.starts_with('0')) number.remove_prefix(1);
  const std::size_t dot = std::min(number.find('.'), number.size());
  const std::string whole(dot == 0 ? "0" : number.substr(0, dot));
  const std::string fraction(number.substr(std::min(dot + 1, number.size())));
  if (number.empty()) return false;
  const std::string digits = whole + fraction;
  if (suffix.binary) {
    if (!fraction.empty() || 15 - static_cast<int>(whole.size()) - suffix.exponent * 3 / 10 - 1 < 0)
      return false;
    return ((whole.back() - '0') + (whole.size() > 1 ? (whole[whole.size() - 2] - '0') * 2 : 0) +
            (whole.size() > 2 ? (whole[whole.size() - 3] - '0') * 4 : 0)) %
               8 !=
           0;
  }
  const int scale = suffix.exponent - static_cast<int>(fraction.size());
  if (digits.size() > 18 || scale < -9) return false;
  return scale % 3 == 0 && !digits.ends_with("000") && digits[0] != '0';
}

}  // namespace

Result<std::string> Quantity::normalize(std::string_view text) {
  const Quantity q = TRY(parse(text));
  std::size_t number = text.find_first_not_of("+-.0123456789");
  if (number == std::string_view::npos) number = text.size();
  const std::string_view suffix = text.substr(number);
  if (kept_as_written(text, parse_suffix(suffix), suffix.size())) return std::string(text);
  return q.text();
}

Quantity Quantity::from_canonical(std::string_view text) {
  if (text.empty()) return {};
  Result<Quantity> out = parse(text);
  return out ? *out : Quantity();
}

std::int64_t Quantity::value() const {
  return ceil_div(nanos_, kNano);
}
std::int64_t Quantity::milli_value() const {
  return ceil_div(nanos_, 1'000'000);
}

Quantity& Quantity::operator+=(const Quantity& other) {
  if (nanos_ == 0) format_ = other.format_;
  nanos_ += other.nanos_;
  if (nanos_ > kMax) nanos_ = kMax;
  if (nanos_ < -kMax) nanos_ = -kMax;
  return *this;
}

Quantity& Quantity::operator-=(const Quantity& other) {
  Quantity negated = other;
  negated.nanos_ = -negated.nanos_;
  return *this += negated;
}

std::string Quantity::text() const {
  if (nanos_ == 0) return "0";
  const bool negative = nanos_ < 0;
  Int n = negative ? -nanos_ : nanos_;
  std::string_view suffix;
  std::string exponent;
  Format format = format_;
  // Binary form is for whole numbers from 1024 on; others are written as decimals.
  if (format == Format::kBinarySI && (n < 1024 * kNano || n % kNano != 0)) format = Format::kDecimalSI;
  if (format == Format::kBinarySI) {
    n /= kNano;
    std::size_t at = 0;
    while (at < kBinary.size() && n % 1024 == 0) {
      n /= 1024;
      ++at;
    }
    if (at > 0) suffix = kBinary[at - 1].text;
  } else {
    int power = -9;
    while (n % 1000 == 0 && power < (format == Format::kDecimalSI ? 18 : 27)) {
      n /= 1000;
      power += 3;
    }
    if (format == Format::kDecimalSI) {
      suffix = kDecimal[static_cast<std::size_t>((power + 9) / 3)].text;
    } else if (power != 0) {
      exponent = "e" + std::to_string(power);
      suffix = exponent;
    }
  }
  char buffer[48];
  char* at = buffer + sizeof buffer;
  for (; n > 0; n /= 10) *--at = static_cast<char>('0' + static_cast<int>(n % 10));
  if (negative) *--at = '-';
  std::string out(at, static_cast<std::size_t>(buffer + sizeof buffer - at));
  out += suffix;
  return out;
}

}  // namespace keelson::api
