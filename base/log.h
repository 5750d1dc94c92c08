// Logger: structured log lines, JSON by default:
// {"level":"info","ts":"…","logger":"apiserver","caller":"apiserver/registry.cc:12","msg":"…",…}.
// Handed in by constructor, cheap to copy (shared sink). Thread rule: thread-safe; a line is written whole.
#pragma once

#include <functional>
#include <initializer_list>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>

#include "base/error.h"

namespace keelson {

enum class LogLevel : int { kDebug = 0, kInfo = 1, kWarn = 2, kError = 3 };

// One key and value of a log line. Numbers and booleans are written bare, text is quoted.
struct LogField {
  std::string_view key;
  std::string value;
  bool quoted = true;

  LogField(std::string_view k, std::string_view v) : key(k), value(v) {}
  LogField(std::string_view k, const char* v) : key(k), value(v) {}
  LogField(std::string_view k, const std::string& v) : key(k), value(v) {}
  LogField(std::string_view k, const Error& e) : key(k), value(e.to_string()) {}
  LogField(std::string_view k, bool v) : key(k), value(v ? "true" : "false"), quoted(false) {}
  template <class N>
    requires(std::is_arithmetic_v<N> && !std::is_same_v<N, bool>)
  LogField(std::string_view k, N v) : key(k), value(std::to_string(v)), quoted(false) {}
};

class Logger {
 public:
  using Caller = std::source_location;
  // Receives one whole line, newline included.
  using Sink = std::function<void(std::string_view line)>;

  // A logger that drops everything.
  Logger() = default;
  Logger(Sink sink, LogLevel level);
  // Writes to file descriptor 2.
  static Logger to_stderr(LogLevel level = LogLevel::kInfo);

  // A copy whose lines carry "logger":"name" (nested names are joined by dots).
  Logger named(std::string_view name) const;
  bool enabled(LogLevel level) const;

  void debug(std::string_view msg, std::initializer_list<LogField> fields = {},
             Caller caller = Caller::current()) const;
  void info(std::string_view msg, std::initializer_list<LogField> fields = {},
            Caller caller = Caller::current()) const;
  void warn(std::string_view msg, std::initializer_list<LogField> fields = {},
            Caller caller = Caller::current()) const;
  void error(std::string_view msg, std::initializer_list<LogField> fields = {},
             Caller caller = Caller::current()) const;

 private:
  struct State;
  void write(LogLevel level, std::string_view msg, std::initializer_list<LogField> fields,
             const Caller& caller) const;
  std::shared_ptr<const State> state_;
  std::string name_;
};

// Appends `s` as a JSON string with quotes.
void append_json_string(std::string& out, std::string_view s);

}  // namespace keelson
