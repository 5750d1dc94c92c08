// One line of a CRI log file: "<time> stdout|stderr P|F <content>". P: the runtime split a long line here,
// more follows.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace keelson::kubelet {

struct LogLine {
  WallTime time;
  std::string_view time_text;  // as written
  bool is_stderr = false;
  bool partial = false;
  std::string_view content;  // without the newline
};

// `line` has no newline; the result's views point into it. nullopt when it is no such line.
std::optional<LogLine> parse_log_line(std::string_view line);

// RFC 3339 with up to nine decimals and any offset, as "2026-11-21T09:00:00.123456789+01:00".
std::optional<WallTime> parse_rfc3339(std::string_view text);

// The same instant with exactly nine decimals, offset kept: what `kubectl logs --timestamps` shows.
// REQUIRES: parse_rfc3339(text).
std::string with_nine_decimals(std::string_view text);

}  // namespace keelson::kubelet
