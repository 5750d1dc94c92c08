// Strong<Tag>: a 64-bit number with a meaning (Revision, Index, Term, LeaseId …). Explicit construction; only
// comparison, difference and next() — no mixed arithmetic.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>

namespace keelson {

template <class Tag, class Rep = std::uint64_t>
class Strong {
 public:
  constexpr Strong() = default;
  constexpr explicit Strong(Rep v) : v_(v) {}
  constexpr Rep value() const { return v_; }
  constexpr Strong next() const { return Strong(v_ + 1); }
  constexpr auto operator<=>(const Strong&) const = default;
  // Distance in steps; `*this >= other` is not required.
  friend constexpr std::int64_t operator-(Strong a, Strong b) {
    return static_cast<std::int64_t>(a.v_) - static_cast<std::int64_t>(b.v_);
  }

 private:
  Rep v_ = 0;
};

}  // namespace keelson

template <class Tag, class Rep>
struct std::hash<keelson::Strong<Tag, Rep>> {
  std::size_t operator()(keelson::Strong<Tag, Rep> s) const noexcept { return std::hash<Rep>{}(s.value()); }
};
