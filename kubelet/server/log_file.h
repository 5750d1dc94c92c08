// LogFile: a container's log on disk, read line by line while the runtime writes it and the kubelet rotates
// it. Blocking reads of at most 64 KiB, from the page cache mostly.
//
// Thread rule: not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace keelson::kubelet {

class LogFile {
 public:
  // kNotFound when there is no file at `path`.
  static Result<LogFile> open(std::string path);
  LogFile(LogFile&& other) noexcept;
  LogFile& operator=(LogFile&& other) noexcept;
  ~LogFile();

  // Starts at the `lines`th newline from the end (what is after the last newline is no line). Start of the
  // file when it has fewer. REQUIRES: next_line() has not been called.
  Result<void> seek_to_tail(std::int64_t lines);
  // The next whole line without its newline, valid until the next call; nullopt when none is complete yet.
  Result<std::optional<std::string_view>> next_line();
  // What follows the last newline at the end of the file, once next_line() answered nullopt.
  std::string_view rest() const { return std::string_view(buffer_).substr(start_); }
  // True when another file is at the path now: the log was rotated. Read this one to its end, then open()
  // again.
  bool was_rotated() const;

 private:
  LogFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}

  int fd_ = -1;
  std::string path_;
  std::string buffer_;
  std::size_t start_ = 0;    // buffer_[start_..) is not yet handed out
  std::size_t scanned_ = 0;  // buffer_[start_..scanned_) holds no newline
};

}  // namespace keelson::kubelet
