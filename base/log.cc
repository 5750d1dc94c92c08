#include "base/log.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>

#include "base/clock.h"

namespace keelson {

struct Logger::State {
  Sink sink;
  LogLevel level;
};

void append_json_string(std::string& out, std::string_view s) {
  out.push_back('"');
  for (const char c : s) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          char buf[8];
          std::snprintf(buf, sizeof buf, "\\u%04x", c);
          out += buf;
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
}

namespace {

// The file and the folder it is in.
std::string_view short_path(std::string_view path) {
  const auto name = path.rfind('/');
  if (name == std::string_view::npos || name == 0) return path;
  const auto folder = path.rfind('/', name - 1);
  return folder == std::string_view::npos ? path : path.substr(folder + 1);
}

}  // namespace

Logger::Logger(Sink sink, LogLevel level)
    : state_(std::make_shared<const State>(State{std::move(sink), level})) {}

Logger Logger::to_stderr(LogLevel level) {
  return Logger(
      [](std::string_view line) {
        while (!line.empty()) {
          const ssize_t n = ::write(2, line.data(), line.size());
          if (n <= 0) return;
          line.remove_prefix(static_cast<std::size_t>(n));
        }
      },
      level);
}

Logger Logger::named(std::string_view name) const {
  Logger copy = *this;
  if (!copy.name_.empty()) copy.name_.push_back('.');
  copy.name_ += name;
  return copy;
}

bool Logger::enabled(LogLevel level) const {
  return state_ && level >= state_->level;
}

void Logger::debug(std::string_view m, std::initializer_list<LogField> f, Caller c) const {
  write(LogLevel::kDebug, m, f, c);
}
void Logger::info(std::string_view m, std::initializer_list<LogField> f, Caller c) const {
  write(LogLevel::kInfo, m, f, c);
}
void Logger::warn(std::string_view m, std::initializer_list<LogField> f, Caller c) const {
  write(LogLevel::kWarn, m, f, c);
}
void Logger::error(std::string_view m, std::initializer_list<LogField> f, Caller c) const {
  write(LogLevel::kError, m, f, c);
}

void Logger::write(LogLevel level, std::string_view msg, std::initializer_list<LogField> fields,
                   const Caller& caller) const {
  if (!enabled(level)) return;
  static constexpr std::string_view kNames[] = {"debug", "info", "warn", "error"};
  // Log stamps are the one use of the wall clock that is not injected: they decide nothing.
  const auto now = std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now());
  std::string line = "{\"level\":\"";
  line += kNames[static_cast<int>(level)];
  line += "\",\"ts\":\"";
  line += format_rfc3339_micro(now);
  line += '"';
  if (!name_.empty()) {
    line += ",\"logger\":";
    append_json_string(line, name_);
  }
  line += ",\"caller\":";
  append_json_string(line, short_path(caller.file_name()));
  line.back() = ':';
  line += std::to_string(caller.line());
  line += "\",\"msg\":";
  append_json_string(line, msg);
  for (const auto& f : fields) {
    line += ',';
    append_json_string(line, f.key);
    line += ':';
    if (f.quoted) {
      append_json_string(line, f.value);
    } else {
      line += f.value;
    }
  }
  line += "}\n";
  state_->sink(line);
}

}  // namespace keelson
