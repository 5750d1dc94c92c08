#include "cmd/kvstore/log_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <vector>

#include "base/clock.h"

namespace keelson::cmd {

Result<std::shared_ptr<LogFile>> LogFile::open(std::string path, Rotation rotation) {
  std::shared_ptr<LogFile> out(new LogFile(std::move(path), rotation));
  TRY(out->reopen());
  return out;
}

LogFile::~LogFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<void> LogFile::reopen() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = ::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
  if (fd_ < 0) return fail(Code::kInternal, "log file " + path_ + ": " + std::strerror(errno));
  struct stat st{};
  bytes_ = ::fstat(fd_, &st) == 0 ? static_cast<std::uint64_t>(st.st_size) : 0;
  return {};
}

void LogFile::write(std::string_view line) {
  std::lock_guard lock(mu_);
  if (rotation_.max_bytes > 0 && bytes_ > 0 && bytes_ + line.size() > rotation_.max_bytes) rotate();
  if (fd_ < 0) return;
  const ssize_t n = ::write(fd_, line.data(), line.size());
  if (n > 0) bytes_ += static_cast<std::uint64_t>(n);
}

// NAME.EXT becomes NAME-2026-11-21T09-00-00.123456Z.EXT.
void LogFile::rotate() {
  namespace fs = std::filesystem;
  const fs::path path(path_);
  std::string stamp =
      format_rfc3339_micro(std::chrono::time_point_cast<Duration>(std::chrono::system_clock::now()));
  std::ranges::replace(stamp, ':', '-');
  const std::string prefix = path.stem().string() + "-";
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code ignored;
  fs::rename(path, folder / (prefix + stamp + path.extension().string()), ignored);
  if (!reopen() || rotation_.max_backups <= 0) return;
  std::vector<fs::path> backups;
  for (const auto& entry : fs::directory_iterator(folder, ignored)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(prefix) && entry.path().extension() == path.extension())
      backups.push_back(entry.path());
  }
  std::ranges::sort(backups);
  const auto keep = static_cast<std::size_t>(rotation_.max_backups);
  for (std::size_t i = 0; i + keep < backups.size(); ++i) fs::remove(backups[i], ignored);
}

}  // namespace keelson::cmd
