// Quantity: resource.Quantity of Kubernetes: a decimal number with an SI or binary suffix, precise to 1e-9,
// in ±1e28; finer ones are rounded away from zero, and numbers with a binary suffix capped at 2^63-1, as
// upstream does. The text form is canonical: no trailing zeros after scaling, the largest suffix that leaves
// the mantissa an integer. Thread rule: value type.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace keelson::api {

class Quantity {
 public:
  enum class Format : std::uint8_t { kDecimalSI, kBinarySI, kDecimalExponent };

  Quantity() = default;
  // `value` × 1.
  explicit Quantity(std::int64_t value, Format format = Format::kDecimalSI);
  static Quantity from_milli(std::int64_t milli, Format format = Format::kDecimalSI);
  // kInvalidArgument with upstream's text ("quantities must match the regular expression …").
  static Result<Quantity> parse(std::string_view text);
  // The text that upstream stores and answers for `text`: canonical, but for texts its quick check takes for
  // canonical already.
  static Result<std::string> normalize(std::string_view text);
  // REQUIRES: text that text() or normalize() made, or empty (zero). Never fails: a bad text reads as zero.
  static Quantity from_canonical(std::string_view text);

  // Rounded up, as upstream's Value() and MilliValue(); capped at int64.
  std::int64_t value() const;
  std::int64_t milli_value() const;
  std::string text() const;
  Format format() const { return format_; }
  bool is_zero() const { return nanos_ == 0; }
  int sign() const { return nanos_ < 0 ? -1 : nanos_ > 0 ? 1 : 0; }

  // The left side's format stays, unless it is zero (upstream's rule).
  Quantity& operator+=(const Quantity& other);
  Quantity& operator-=(const Quantity& other);
  friend Quantity operator+(Quantity a, const Quantity& b) { return a += b; }
  friend Quantity operator-(Quantity a, const Quantity& b) { return a -= b; }

  // By value; the format does not count.
  friend bool operator==(const Quantity& a, const Quantity& b) { return a.nanos_ == b.nanos_; }
  friend std::strong_ordering operator<=>(const Quantity& a, const Quantity& b) {
    return a.nanos_ < b.nanos_   ? std::strong_ordering::less
           : a.nanos_ > b.nanos_ ? std::strong_ordering::greater
                                 : std::strong_ordering::equal;
  }

 private:
  __int128 nanos_ = 0;
  Format format_ = Format::kDecimalSI;
};

}  // namespace keelson::api
