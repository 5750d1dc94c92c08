// What `kubectl logs` sees of a container's log: options, formatting, and following until the container ends.
//
// Thread rule: one coroutine.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"
#include "kubelet/server/log_line.h"

namespace keelson::kubelet {

// v1.PodLogOptions as the query of /containerLogs carries them.
struct LogOptions {
  bool follow = false;
  bool previous = false;
  bool timestamps = false;
  bool want_stdout = true;
  bool want_stderr = true;
  std::optional<std::int64_t> tail_lines;
  std::optional<std::int64_t> limit_bytes;
  std::optional<WallTime> since;

  // kInvalidArgument for malformed or contradicting values. `now` is what sinceSeconds counts from.
  static Result<LogOptions> from_query(std::string_view query, WallTime now);
};

// Turns log lines into output text: filter, timestamps, joined partial lines, byte limit. Pure.
class LogFormatter {
 public:
  explicit LogFormatter(LogOptions options) : options_(std::move(options)) {}
  // Appends the output for one line to `out`. Lines that are no CRI log lines are skipped.
  void add(std::string_view raw, std::string& out);
  // True once limit_bytes are out: nothing more will be added.
  bool full() const { return options_.limit_bytes && written_ >= *options_.limit_bytes; }

 private:
  const LogOptions options_;
  std::int64_t written_ = 0;
  bool at_line_start_ = true;
};

// Takes one piece of output; an error (the client is gone) ends the reading.
using LogSink = std::function<Task<Result<void>>(std::string text)>;
// Whether the container still writes.
using StillRunning = std::function<Task<Result<bool>>()>;

// Reads the log at `path` into `sink`; when following, goes on across rotations until the container has ended
// and all it wrote is out. kNotFound when there is no log; the sink's error when it fails.
Task<Result<void>> read_log(std::string path, LogOptions options, StillRunning running, LogSink sink,
                            Clock& clock);

}  // namespace keelson::kubelet
