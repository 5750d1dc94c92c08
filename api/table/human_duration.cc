#include "api/table/human_duration.h"

#include <fmt/format.h>

namespace keelson::api {
namespace {

// "5m" or "5m30s": the second part only when it is not zero.
std::string two(std::int64_t a, char unit_a, std::int64_t b, char unit_b) {
  return b == 0 ? fmt::format("{}{}", a, unit_a) : fmt::format("{}{}{}{}", a, unit_a, b, unit_b);
}

}  // namespace

std::string human_duration(std::chrono::nanoseconds d) {
  const std::int64_t seconds = d.count() / 1'000'000'000;
  if (seconds < -1) return "<invalid>";
  if (seconds < 0) return "0s";
  if (seconds < 120) return fmt::format("{}s", seconds);
  const std::int64_t minutes = seconds / 60;
  if (minutes < 10) return two(minutes, 'm', seconds % 60, 's');
  if (minutes < 180) return fmt::format("{}m", minutes);
  const std::int64_t hours = minutes / 60;
  if (hours < 8) return two(hours, 'h', minutes % 60, 'm');
  if (hours < 48) return fmt::format("{}h", hours);
  const std::int64_t days = hours / 24;
  if (days < 8) return two(days, 'd', hours % 24, 'h');
  if (days < 365 * 2) return fmt::format("{}d", days);
  if (days < 365 * 8) return two(days / 365, 'y', days % 365, 'd');
  return fmt::format("{}y", days / 365);
}

std::string age(Time then, Time now) {
  if (then.is_zero()) return "<unknown>";
  const std::int64_t seconds = now.seconds - then.seconds;
  // Beyond what nanoseconds hold.
  if (seconds > 9'000'000'000) return fmt::format("{}y", seconds / 86400 / 365);
  if (seconds < -9'000'000'000) return "<invalid>";
  return human_duration(std::chrono::seconds(seconds) + std::chrono::nanoseconds(now.nanos - then.nanos));
}

}  // namespace keelson::api
