#include "kubelet/server/log_line.h"

#include <algorithm>
#include <charconv>

namespace keelson::kubelet {
namespace {

constexpr std::size_t kSecondsEnd = 19;  // "2026-11-21T09:00:00"

bool number(std::string_view s, std::size_t at, std::size_t n, int& out) {
  if (s.size() < at + n) return false;
  const auto [end, ec] = std::from_chars(s.data() + at, s.data() + at + n, out);
  return ec == std::errc() && end == s.data() + at + n && s[at] != '-';
}

// Where the decimals after the seconds end.
std::size_t fraction_end(std::string_view s) {
  std::size_t end = kSecondsEnd;
  if (end < s.size() && s[end] == '.') {
    ++end;
    while (end < s.size() && s[end] >= '0' && s[end] <= '9') ++end;
  }
  return end;
}

// The word up to the next space, which is taken off too.
std::string_view take_word(std::string_view& rest) {
  const auto space = rest.find(' ');
  const auto word = rest.substr(0, space);
  rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
  return word;
}

}  // namespace

std::optional<WallTime> parse_rfc3339(std::string_view s) {
  using namespace std::chrono;
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, sec = 0;
  if (!number(s, 0, 4, y) || !number(s, 5, 2, mo) || !number(s, 8, 2, d) || !number(s, 11, 2, h) ||
      !number(s, 14, 2, mi) || !number(s, 17, 2, sec) || s[4] != '-' || s[7] != '-' ||
      (s[10] != 'T' && s[10] != 't') || s[13] != ':' || s[16] != ':') {
    return std::nullopt;
  }
  const year_month_day date{year{y}, month{unsigned(mo)}, day{unsigned(d)}};
  if (!date.ok() || h > 23 || mi > 59 || sec > 60) return std::nullopt;
  const std::size_t end = fraction_end(s);
  std::string decimals(s.substr(kSecondsEnd, end - kSecondsEnd));
  int nanos = 0;
  if (!decimals.empty()) {
    decimals.erase(0, 1);
    if (decimals.empty()) return std::nullopt;
    decimals.resize(9, '0');
    number(decimals, 0, 9, nanos);
  }
  const auto zone = s.substr(end);
  int zh = 0, zm = 0;
  const bool utc = zone == "Z" || zone == "z";
  if (!utc && (zone.size() != 6 || (zone[0] != '+' && zone[0] != '-') || zone[3] != ':' ||
               !number(zone, 1, 2, zh) || !number(zone, 4, 2, zm))) {
    return std::nullopt;
  }
  const auto offset = hours(zh) + minutes(zm);
  const auto local = sys_days(date) + hours(h) + minutes(mi) + seconds(sec);
  return WallTime(!utc && zone[0] == '-' ? local + offset : local - offset) + nanoseconds(nanos);
}

std::string with_nine_decimals(std::string_view text) {
  const std::size_t end = fraction_end(text);
  std::string decimals(text.substr(kSecondsEnd, end - kSecondsEnd));
  if (decimals.empty()) decimals = ".";
  decimals.resize(10, '0');
  return std::string(text.substr(0, kSecondsEnd)) + decimals + std::string(text.substr(end));
}

std::optional<LogLine> parse_log_line(std::string_view line) {
  LogLine out;
  out.time_text = take_word(line);
  const auto time = parse_rfc3339(out.time_text);
  const auto stream = take_word(line);
  const auto tags = take_word(line);
  if (!time || (stream != "stdout" && stream != "stderr") || tags.empty()) return std::nullopt;
  out.time = *time;
  out.is_stderr = stream == "stderr";
  out.partial = tags.substr(0, tags.find(':')) == "P";
  out.content = line;
  return out;
}

}  // namespace keelson::kubelet
