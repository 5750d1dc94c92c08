#include "kubelet/files.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace keelson::kubelet {
namespace fs = std::filesystem;

Error errno_error(std::string_view what, const std::string& path) {
  const int e = errno;
  const Code code = e == ENOENT                  ? Code::kNotFound
                    : e == EEXIST                ? Code::kAlreadyExists
                    : e == EACCES || e == EPERM  ? Code::kPermissionDenied
                    : e == ENOSPC || e == EDQUOT ? Code::kResourceExhausted
                                                 : Code::kInternal;
  return Error{code, std::string(what) + " " + path + ": " + std::strerror(e), nullptr};
}

Result<std::string> read_file(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) return fail(errno_error("open", path));
  std::string out;
  char buf[16384];
  for (;;) {
    const ssize_t n = read(fd, buf, sizeof buf);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      auto e = errno_error("read", path);
      close(fd);
      return fail(std::move(e));
    }
    if (n == 0) break;
    out.append(buf, static_cast<std::size_t>(n));
  }
  close(fd);
  return out;
}

Result<void> write_file(const std::string& path, std::string_view content, unsigned mode) {
  const std::string tmp = path + ".tmp";
  const int fd = open(tmp.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return fail(errno_error("create", tmp));
  fchmod(fd, mode);
  while (!content.empty()) {
    const ssize_t n = write(fd, content.data(), content.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) {
      auto e = errno_error("write", tmp);
      close(fd);
      unlink(tmp.c_str());
      return fail(std::move(e));
    }
    content.remove_prefix(static_cast<std::size_t>(n));
  }
  close(fd);
  if (rename(tmp.c_str(), path.c_str()) != 0) return fail(errno_error("rename to", path));
  return {};
}

Result<void> make_directories(const std::string& path, unsigned mode) {
  struct stat st;
  if (stat(path.c_str(), &st) == 0) {
    if (S_ISDIR(st.st_mode)) return {};
    errno = ENOTDIR;
    return fail(errno_error("mkdir", path));
  }
  const std::size_t slash = path.rfind('/');
  if (slash != std::string::npos && slash > 0) TRY(make_directories(path.substr(0, slash)));
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) return fail(errno_error("mkdir", path));
  chmod(path.c_str(), mode);
  return {};
}

Result<void> remove_tree(const std::string& path) {
  std::error_code ec;
  fs::remove_all(path, ec);
  if (ec) return fail(Code::kInternal, "remove " + path + ": " + ec.message());
  return {};
}

void remove_file_and_rotated(const std::string& path) {
  if (path.empty()) return;
  std::error_code ec;
  const fs::path file(path);
  const std::string prefix = file.filename().string() + ".";
  std::vector<fs::path> found{file};
  for (const auto& entry : fs::directory_iterator(file.parent_path(), ec)) {
    if (entry.path().filename().string().starts_with(prefix)) found.push_back(entry.path());
  }
  for (const auto& f : found) fs::remove(f, ec);
}

Result<void> unmount_below(const std::string& path) {
  std::ifstream in("/proc/self/mountinfo");
  std::vector<std::string> found;
  for (std::string line; std::getline(in, line);) {
    std::istringstream fields(line);
    std::string skip, point;
    fields >> skip >> skip >> skip >> skip >> point;
    if (point == path || point.starts_with(path + "/")) found.push_back(point);
  }
  std::reverse(found.begin(), found.end());  // newest first: children before parents
  for (const auto& p : found) {
    if (umount2(p.c_str(), MNT_DETACH) != 0 && errno != EINVAL && errno != ENOENT) {
      return fail(errno_error("unmount", p));
    }
  }
  return {};
}

}  // namespace keelson::kubelet
