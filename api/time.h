// Time: an instant as metav1.Time and metav1.MicroTime hold it. Go's zero time (year 1) is "absent".
// Thread rule: value type.
#pragma once

#include <chrono>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace keelson::api {

struct Time {
  static constexpr std::int64_t kZeroSeconds = -62135596800;  // 0001-01-01T00:00:00Z

  std::int64_t seconds = kZeroSeconds;  // since the Unix epoch
  std::int32_t nanos = 0;               // [0, 1e9)

  constexpr bool is_zero() const { return seconds == kZeroSeconds && nanos == 0; }
  // REQUIRES: the year fits (1678 … 2262).
  std::chrono::sys_time<std::chrono::nanoseconds> wall() const {
    return std::chrono::sys_time<std::chrono::nanoseconds>(std::chrono::seconds(seconds) +
                                                           std::chrono::nanoseconds(nanos));
  }
  static Time from(std::chrono::sys_time<std::chrono::nanoseconds> t) {
    const auto s = std::chrono::floor<std::chrono::seconds>(t);
    return {s.time_since_epoch().count(), static_cast<std::int32_t>((t - s).count())};
  }
  friend auto operator<=>(const Time&, const Time&) = default;
};

// "2026-11-21T09:00:00Z"; fractions dropped, as metav1.Time prints.
std::string format_time(Time t);
// "2026-11-21T09:00:00.000000Z", as metav1.MicroTime prints.
std::string format_micro_time(Time t);
// RFC 3339 with optional fraction and numeric zone; nothing when the text is not that.
std::optional<Time> parse_time(std::string_view text);
// Only with six decimals, as metav1.MicroTime reads.
std::optional<Time> parse_micro_time(std::string_view text);
// Go's error text of time.Parse for a text that parse_time refused.
std::string parse_time_error(std::string_view text, bool micro);
// Go's time.Duration.String(): "1h2m3.5s".
std::string format_duration(std::int64_t nanos);
std::optional<std::int64_t> parse_duration(std::string_view text);

}  // namespace keelson::api
