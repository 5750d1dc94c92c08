#include "base/clock.h"

#include <cstdio>
#include <ctime>

namespace keelson {
namespace {
std::string format(WallTime t, bool micro) {
  using namespace std::chrono;
  const auto secs = floor<seconds>(t);
  const std::time_t tt = secs.time_since_epoch().count();
  std::tm tm{};
  ::gmtime_r(&tt, &tm);
  char buf[96];
  const int n = std::snprintf(buf, sizeof buf, "%04d-%02d-%02dT%02d:%02d:%02d", tm.tm_year + 1900, tm.tm_mon + 1,
                              tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
  std::string s(buf, static_cast<std::size_t>(n));
  if (micro) {
    std::snprintf(buf, sizeof buf, ".%06lld", static_cast<long long>(duration_cast<microseconds>(t - secs).count()));
    s += buf;
  }
  s += 'Z';
  return s;
}
}  // namespace

std::string format_rfc3339(WallTime t) { return format(t, false); }
std::string format_rfc3339_micro(WallTime t) { return format(t, true); }

}  // namespace keelson
