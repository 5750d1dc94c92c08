// FlagSet: command-line flags as Kubernetes' and etcd's commands take them: `--name value`, `--name=value`,
// `--switch`,
// `--switch=false`; a repeated flag's last value wins; `--help` lists them. An unknown flag or a bad value is
// a clear Error.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keelson {

class FlagSet {
 public:
  // `usage` is the first line of help, e.g. "keelson apiserver [flags]".
  explicit FlagSet(std::string usage) : usage_(std::move(usage)) {}

  // Targets keep their value as the default and must outlive parse().
  void add(std::string name, std::string* target, std::string help);
  void add(std::string name, bool* target, std::string help);
  void add(std::string name, int* target, std::string help);
  void add(std::string name, std::int64_t* target, std::string help);
  // "1h2m3s", "300ms", as Go writes durations.
  void add(std::string name, std::chrono::nanoseconds* target, std::string help);
  // Comma-separated; every further use of the flag appends, as upstream's string slices do.
  void add(std::string name, std::vector<std::string>* target, std::string help);
  // Accepted without effect; `parse` adds "flag --NAME has no meaning here" to warnings().
  void ignore(std::string name, bool takes_value);

  // What an environment variable or a configuration file says; a flag given to parse() stays set. Errors as
  // parse()'s.
  Result<void> set(std::string_view name, std::string_view value);
  bool is_set(std::string_view name) const;
  std::vector<std::string> names() const;

  // kInvalidArgument: unknown flag, missing or bad value, stray argument. `help_wanted()` tells that --help
  // was given.
  Result<void> parse(const std::vector<std::string>& args);
  bool help_wanted() const { return help_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  std::string help() const;

 private:
  struct Flag {
    std::string name;
    std::string help;
    std::string default_text;
    bool is_switch = false;
    bool is_set = false;
    std::function<Result<void>(std::string_view)> set;
  };
  void push(std::string name, std::string help, std::string default_text, bool is_switch,
            std::function<Result<void>(std::string_view)> set);
  Flag* find(std::string_view name);
  std::string usage_;
  std::vector<Flag> flags_;
  std::vector<std::string> warnings_;
  bool help_ = false;
};

// "1h2m3s" → nanoseconds; kInvalidArgument otherwise.
Result<std::chrono::nanoseconds> parse_duration(std::string_view text);

}  // namespace keelson
