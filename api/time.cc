#include "api/time.h"

#include <algorithm>
#include <charconv>

namespace keelson::api {

namespace {

using std::chrono::day;
using std::chrono::month;
using std::chrono::year;

void put(char*& at, std::int64_t v, int digits) {
  for (int i = digits - 1; i >= 0; --i, v /= 10) at[i] = static_cast<char>('0' + v % 10);
  at += digits;
}

std::string format(Time t, bool micro) {
  using namespace std::chrono;
  const sys_seconds at{seconds(t.seconds)};
  const sys_days date = floor<days>(at);
  const year_month_day ymd(date);
  const std::int64_t in_day = (at - date).count();
  char buffer[40];
  char* p = buffer;
  put(p, static_cast<int>(ymd.year()), 4);
  *p++ = '-';
  put(p, static_cast<unsigned>(ymd.month()), 2);
  *p++ = '-';
  put(p, static_cast<unsigned>(ymd.day()), 2);
  *p++ = 'T';
  put(p, in_day / 3600, 2);
  *p++ = ':';
  put(p, in_day / 60 % 60, 2);
  *p++ = ':';
  put(p, in_day % 60, 2);
  if (micro) {
    *p++ = '.';
    put(p, t.nanos / 1000, 6);
  }
  *p++ = 'Z';
  return std::string(buffer, p);
}

// A reader of RFC 3339 that remembers where it stopped and what it wanted there (Go's layout element).
struct Reader {
  std::string_view rest;
  std::string_view wanted;

  bool number(std::string_view layout, std::size_t digits, int& out) {
    wanted = layout;
    if (rest.size() < digits) return false;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + digits, out);
    if (error != std::errc() || end != rest.data() + digits || rest[0] == '-') return false;
    rest.remove_prefix(digits);
    return true;
  }
  bool text(std::string_view layout) {
    wanted = layout;
    if (!rest.starts_with(layout)) return false;
    rest.remove_prefix(layout.size());
    return true;
  }
};

// Go's parser takes an hour of one digit too.
bool hour(Reader& r, int& out) {
  return r.number("15", 2, out) || r.number("15", 1, out);
}

struct Parsed {
  std::optional<Time> time;
  std::string_view rest, wanted, out_of_range;
};

// `micro`: exactly six decimals, as RFC3339Micro has them.
Parsed parse(std::string_view whole, bool micro = false) {
  using namespace std::chrono;
  Reader r{whole, {}};
  int y = 0, mo = 0, d = 0, h = 0, mi = 0, s = 0;
  const bool shape = r.number("2006", 4, y) && r.text("-") && r.number("01", 2, mo) && r.text("-") &&
                     r.number("02", 2, d) && r.text("T") && hour(r, h) && r.text(":") &&
                     r.number("04", 2, mi) && r.text(":") && r.number("05", 2, s);
  if (!shape) return {{}, r.rest, r.wanted, {}};
  if (mo < 1 || mo > 12) return {{}, {}, {}, "month"};
  const year_month_day ymd{year(y), month(static_cast<unsigned>(mo)), day(static_cast<unsigned>(d))};
  if (!ymd.ok()) return {{}, {}, {}, "day"};
  if (h > 23) return {{}, {}, {}, "hour"};
  if (mi > 59) return {{}, {}, {}, "minute"};
  if (s > 59) return {{}, {}, {}, "second"};
  Time out;
  if (micro) {
    const bool six =
        r.rest.size() > 6 && r.rest[0] == '.' &&
        std::all_of(r.rest.begin() + 1, r.rest.begin() + 7, [](char c) { return c >= '0' && c <= '9'; });
    if (!six) return {{}, r.rest, ".000000", {}};
  }
  if (r.rest.size() > 1 && (r.rest[0] == '.' || r.rest[0] == ',') && r.rest[1] >= '0' && r.rest[1] <= '9') {
    r.rest.remove_prefix(1);
    std::int32_t unit = 100'000'000;
    for (; !r.rest.empty() && r.rest[0] >= '0' && r.rest[0] <= '9'; r.rest.remove_prefix(1), unit /= 10)
      out.nanos += (r.rest[0] - '0') * unit;
  }
  int offset_s = 0;
  if (!r.text("Z")) {
    r.wanted = "Z07:00";
    if (r.rest.size() < 6 || (r.rest[0] != '+' && r.rest[0] != '-')) return {{}, r.rest, r.wanted, {}};
    Reader zone{r.rest.substr(1), {}};
    int zh = 0, zm = 0;
    if (!zone.number("", 2, zh) || !zone.text(":") || !zone.number("", 2, zm))
      return {{}, r.rest, r.wanted, {}};
    if (zh > 24) return {{}, {}, {}, "time zone offset hour"};
    if (zm > 60) return {{}, {}, {}, "time zone offset minute"};
    offset_s = (zh * 3600 + zm * 60) * (r.rest[0] == '-' ? -1 : 1);
    r.rest = zone.rest;
  }
  if (!r.rest.empty()) return {{}, r.rest, {}, {}};
  out.seconds = sys_days(ymd).time_since_epoch().count() * 86400LL + h * 3600 + mi * 60 + s - offset_s;
  return {out, {}, {}, {}};
}

std::string go_quote(std::string_view s) {
  std::string out = "\"";
  for (char c : s) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string format_time(Time t) {
  return format(t, false);
}
std::string format_micro_time(Time t) {
  return format(t, true);
}
std::optional<Time> parse_time(std::string_view text) {
  return parse(text).time;
}
std::optional<Time> parse_micro_time(std::string_view text) {
  return parse(text, true).time;
}

std::string parse_time_error(std::string_view text, bool micro) {
  const Parsed p = parse(text, micro);
  if (!p.out_of_range.empty())
    return "parsing time " + go_quote(text) + ": " + std::string(p.out_of_range) + " out of range";
  if (p.wanted.empty()) return "parsing time " + go_quote(text) + ": extra text: " + go_quote(p.rest);
  const std::string_view layout = micro ? "2006-01-02T15:04:05.000000Z07:00" : "2006-01-02T15:04:05Z07:00";
  return "parsing time " + go_quote(text) + " as " + go_quote(layout) + ": cannot parse " + go_quote(p.rest) +
         " as " + go_quote(p.wanted);
}

std::string format_duration(std::int64_t nanos) {
  if (nanos == 0) return "0s";
  const bool negative = nanos < 0;
  std::uint64_t u = negative ? 0 - static_cast<std::uint64_t>(nanos) : static_cast<std::uint64_t>(nanos);
  const auto fraction = [](std::uint64_t v, std::uint64_t unit) {
    std::string out = std::to_string(v / unit);
    std::uint64_t rest = v % unit;
    if (rest != 0) {
      std::string digits = std::to_string(rest + unit).substr(1);
      digits.erase(digits.find_last_not_of('0') + 1);
      out += "." + digits;
    }
    return out;
  };
  std::string out;
  if (u < 1'000'000'000) {
    if (u < 1'000)
      out = std::to_string(u) + "ns";
    else if (u < 1'000'000)
      out = fraction(u, 1'000) + "\u00b5s";
    else
      out = fraction(u, 1'000'000) + "ms";
  } else {
    const std::uint64_t minutes = u / 60'000'000'000;
    if (minutes >= 60) out = std::to_string(minutes / 60) + "h";
    if (minutes > 0) out += std::to_string(minutes % 60) + "m";
    out += fraction(u % 60'000'000'000, 1'000'000'000) + "s";
  }
  return negative ? "-" + out : out;
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  bool negative = false;
  if (!text.empty() && (text[0] == '-' || text[0] == '+')) {
    negative = text[0] == '-';
    text.remove_prefix(1);
  }
  if (text == "0") return 0;
  if (text.empty()) return std::nullopt;
  long double total = 0;
  while (!text.empty()) {
    long double v = 0, unit = 1;
    bool digits = false, dot = false;
    for (; !text.empty() && ((text[0] >= '0' && text[0] <= '9') || (text[0] == '.' && !dot));
         text.remove_prefix(1)) {
      if (text[0] == '.') {
        dot = true;
        continue;
      }
      digits = true;
      v = v * 10 + (text[0] - '0');
      if (dot) unit *= 10;
    }
    if (!digits) return std::nullopt;
    const std::size_t n = std::min(text.find_first_of("0123456789."), text.size());
    const std::string_view name = text.substr(0, n);
    const long double scale = name == "ns"                                             ? 1.0L
                              : name == "us" || name == "\u00b5s" || name == "\u03bcs" ? 1e3L
                              : name == "ms"                                           ? 1e6L
                              : name == "s"                                            ? 1e9L
                              : name == "m"                                            ? 60e9L
                              : name == "h"                                            ? 3600e9L
                                                                                       : 0.0L;
    if (scale == 0) return std::nullopt;
    total += v / unit * scale;
    text.remove_prefix(n);
  }
  if (total > 9.2e18L) return std::nullopt;
  const auto out = static_cast<std::int64_t>(total);
  return negative ? -out : out;
}

}  // namespace keelson::api
