#include "kubelet/server/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "base/check.h"

namespace keelson::kubelet {
namespace {

constexpr std::size_t kChunk = 64 * 1024;
constexpr std::size_t kMaxLine = 16u << 20;  // runtimes split lines at 16 KiB

std::unexpected<Error> os_error(std::string_view what, const std::string& path) {
  const int e = errno;
  return keelson::fail(e == ENOENT ? Code::kNotFound : Code::kInternal,
                       std::string(what) + " " + path + ": " + std::generic_category().message(e));
}

}  // namespace

Result<LogFile> LogFile::open(std::string path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return os_error("open", path);
  return LogFile(fd, std::move(path));
}

LogFile::LogFile(LogFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      buffer_(std::move(other.buffer_)),
      start_(other.start_),
      scanned_(other.scanned_) {}

LogFile& LogFile::operator=(LogFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(buffer_, other.buffer_);
  std::swap(start_, other.start_);
  std::swap(scanned_, other.scanned_);
  return *this;
}

LogFile::~LogFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> LogFile::seek_to_tail(std::int64_t lines) {
  CHECK(buffer_.empty());
  const off_t size = ::lseek(fd_, 0, SEEK_END);
  if (size < 0) return os_error("lseek", path_);
  // Backwards until `lines` + 1 newlines are found: the first of them ends the line before the tail.
  std::vector<char> chunk(kChunk);
  std::int64_t newlines = 0;
  off_t from = 0;
  for (off_t end = size; end > 0 && from == 0;) {
    const off_t begin = std::max<off_t>(0, end - static_cast<off_t>(kChunk));
    const ssize_t n = ::pread(fd_, chunk.data(), static_cast<std::size_t>(end - begin), begin);
    if (n != end - begin) return os_error("read", path_);
    for (ssize_t i = n - 1; i >= 0; --i) {
      if (chunk[static_cast<std::size_t>(i)] != '\n' || newlines++ < lines) continue;
      from = begin + i + 1;
      break;
    }
    end = begin;
  }
  if (::lseek(fd_, from, SEEK_SET) < 0) return os_error("lseek", path_);
  return {};
}

Result<std::optional<std::string_view>> LogFile::next_line() {
  for (;;) {
    const auto newline = buffer_.find('\n', scanned_);
    if (newline != std::string::npos) {
      const auto line = std::string_view(buffer_).substr(start_, newline - start_);
      start_ = scanned_ = newline + 1;
      return line;
    }
    buffer_.erase(0, start_);
    start_ = 0;
    scanned_ = buffer_.size();
    if (buffer_.size() > kMaxLine) return keelson::fail(Code::kDataLoss, path_ + ": a log line is too long");
    buffer_.resize(scanned_ + kChunk);
    const ssize_t n = ::read(fd_, buffer_.data() + scanned_, kChunk);
    buffer_.resize(scanned_ + static_cast<std::size_t>(std::max<ssize_t>(n, 0)));
    if (n < 0) return os_error("read", path_);
    if (n == 0) return std::nullopt;
  }
}

bool LogFile::was_rotated() const {
  struct stat mine{};
  struct stat now{};
  return ::fstat(fd_, &mine) == 0 && ::stat(path_.c_str(), &now) == 0 &&
         (mine.st_ino != now.st_ino || mine.st_dev != now.st_dev);
}

}  // namespace keelson::kubelet
