// LogFile: a file that log lines are appended to, rotated by size. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/error.h"

namespace keelson::cmd {

struct Rotation {
  std::uint64_t max_bytes = 0;  // 0: never
  int max_backups = 0;          // 0: all are kept
};

class LogFile {
 public:
  static Result<std::shared_ptr<LogFile>> open(std::string path, Rotation rotation);
  ~LogFile();
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;
  // A line that cannot be written is lost: logging never stops the member.
  void write(std::string_view line);

 private:
  LogFile(std::string path, Rotation rotation) : path_(std::move(path)), rotation_(rotation) {}
  Result<void> reopen();
  void rotate();

  const std::string path_;
  const Rotation rotation_;
  std::mutex mu_;
  int fd_ = -1;
  std::uint64_t bytes_ = 0;
};

}  // namespace keelson::cmd
