#include "base/file.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace keelson {
namespace {

std::unexpected<Error> os_error(std::string_view what, const std::string& path, int err) {
  Code code = Code::kInternal;
  if (err == ENOENT) code = Code::kNotFound;
  if (err == EEXIST) code = Code::kAlreadyExists;
  if (err == EACCES || err == EPERM) code = Code::kPermissionDenied;
  if (err == ENOSPC || err == EDQUOT) code = Code::kResourceExhausted;
  return fail(code, std::string(what) + " " + path + ": " + std::generic_category().message(err));
}

std::string parent_of(const std::string& path) {
  auto parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

class PosixFile final : public File {
 public:
  PosixFile(int fd, std::string path, bool synced) : fd_(fd), path_(std::move(path)), synced_(synced) {}
  ~PosixFile() override { ::close(fd_); }

  Result<std::size_t> pread(std::span<char> buf, std::uint64_t offset) override {
    std::size_t done = 0;
    while (done < buf.size()) {
      ssize_t n = ::pread(fd_, buf.data() + done, buf.size() - done, static_cast<off_t>(offset + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return os_error("read", path_, errno);
      if (n == 0) break;
      done += static_cast<std::size_t>(n);
    }
    return done;
  }

  Result<void> pwrite(std::string_view data, std::uint64_t offset) override {
    while (!data.empty()) {
      ssize_t n = ::pwrite(fd_, data.data(), data.size(), static_cast<off_t>(offset));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return os_error("write", path_, errno);
      data.remove_prefix(static_cast<std::size_t>(n));
      offset += static_cast<std::uint64_t>(n);
    }
    return {};
  }

  Result<void> append(std::string_view data) override { return pwrite(data, TRY(size())); }

  Result<void> datasync() override {
    if (synced_ && ::fdatasync(fd_) != 0) return os_error("fdatasync", path_, errno);
    return {};
  }

  Result<void> zero_fill(std::uint64_t size) override {
    std::uint64_t at = TRY(this->size());
    if (at >= size) return {};
    if (int err = ::posix_fallocate(fd_, 0, static_cast<off_t>(size)); err != 0) {
      return os_error("allocate", path_, err);
    }
    const std::string zeros(std::min<std::uint64_t>(size - at, 1 << 20), '\0');
    while (at < size) {
      auto n = std::min<std::uint64_t>(size - at, zeros.size());
      TRY(pwrite(std::string_view(zeros).substr(0, n), at));
      at += n;
    }
    if (synced_ && ::fsync(fd_) != 0) return os_error("fsync", path_, errno);
    return {};
  }

  Result<void> truncate(std::uint64_t size) override {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0) return os_error("truncate", path_, errno);
    return {};
  }

  Result<std::uint64_t> size() override {
    struct stat st{};
    if (::fstat(fd_, &st) != 0) return os_error("stat", path_, errno);
    return static_cast<std::uint64_t>(st.st_size);
  }

 private:
  const int fd_;
  const std::string path_;
  const bool synced_;
};

class PosixLock final : public FileLock {
 public:
  explicit PosixLock(int fd) : fd_(fd) {}
  ~PosixLock() override { ::close(fd_); }

 private:
  const int fd_;
};

class PosixFileSystem final : public FileSystem {
 public:
  explicit PosixFileSystem(bool synced) : synced_(synced) {}

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    int flags = O_CLOEXEC | (mode == OpenMode::kRead ? O_RDONLY : O_RDWR);
    if (mode == OpenMode::kCreate) flags |= O_CREAT | O_EXCL;
    int fd = ::open(path.c_str(), flags, 0600);
    if (fd < 0) return os_error("open", path, errno);
    return std::make_unique<PosixFile>(fd, path, synced_);
  }

  bool exists(const std::string& path) override { return ::access(path.c_str(), F_OK) == 0; }

  Result<std::vector<std::string>> list(const std::string& dir) override {
    DIR* d = ::opendir(dir.c_str());
    if (d == nullptr) return os_error("list", dir, errno);
    std::vector<std::string> names;
    while (const dirent* e = ::readdir(d)) {
      std::string_view name = e->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(d);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<void> make_dirs(const std::string& dir) override {
    if (dir.empty() || exists(dir)) return {};
    if (auto parent = parent_of(dir); parent != dir) TRY(make_dirs(parent));
    if (::mkdir(dir.c_str(), 0700) != 0 && errno != EEXIST) return os_error("mkdir", dir, errno);
    return sync_dir(parent_of(dir));
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0) return os_error("rename", from, errno);
    return {};
  }

  Result<void> remove(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return os_error("remove", path, errno);
    return {};
  }

  Result<void> remove_dir(const std::string& dir) override {
    if (::rmdir(dir.c_str()) != 0) return os_error("rmdir", dir, errno);
    return {};
  }

  Result<void> sync_dir(const std::string& dir) override {
    if (!synced_) return {};
    int fd = ::open(dir.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return os_error("open", dir, errno);
    int rc = ::fsync(fd);
    int err = errno;
    ::close(fd);
    if (rc != 0) return os_error("fsync", dir, err);
    return {};
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override {
    int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) return os_error("open", path, errno);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
      int err = errno;
      ::close(fd);
      if (err != EWOULDBLOCK) return os_error("lock", path, err);
      return fail(Code::kFailedPrecondition, path + " is locked: another process uses this directory");
    }
    return std::make_unique<PosixLock>(fd);
  }

 private:
  const bool synced_;
};

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem fs(true);
  return fs;
}

FileSystem& unsynced_posix_file_system() {
  static PosixFileSystem fs(false);
  return fs;
}

Result<std::string> read_file(FileSystem& fs, const std::string& path) {
  std::string out;
  TRY(read_file(fs, path, out));
  return out;
}

Result<void> read_file(FileSystem& fs, const std::string& path, std::string& out) {
  auto file = TRY(fs.open(path, OpenMode::kRead));
  Result<std::size_t> got = 0;
  out.resize_and_overwrite(TRY(file->size()), [&](char* at, std::size_t n) {
    got = file->pread({at, n}, 0);
    return got ? *got : 0;
  });
  TRY(std::move(got));
  return {};
}

Result<void> write_file_atomic(FileSystem& fs, const std::string& path, std::string_view data) {
  const std::string tmp = path + ".tmp";
  if (fs.exists(tmp)) {
    TRY(fs.remove(tmp));
  }
  auto file = TRY(fs.open(tmp, OpenMode::kCreate));
  TRY(file->pwrite(data, 0));
  TRY(file->datasync());
  TRY(fs.rename(tmp, path));
  return fs.sync_dir(parent_of(path));
}

}  // namespace keelson
