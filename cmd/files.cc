#include "cmd/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>

namespace keelson::cmd {

Result<std::string> read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return fail(Code::kNotFound, "cannot read " + path + ": " + std::strerror(errno));
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

Result<std::string> read_flag_file(std::string_view flag, const std::string& path) {
  if (path.empty()) return std::string();
  auto text = read_file(path);
  if (!text) {
    return fail(Code::kInvalidArgument, "--" + std::string(flag) + "=" + path + ": " + text.error().message);
  }
  return text;
}

Result<void> write_file(const std::string& path, std::string_view data, unsigned mode) {
  const std::string temp = path + ".new";
  const auto failed = [&](const char* what) {
    return fail(Code::kInternal, std::string(what) + " " + path + ": " + std::strerror(errno));
  };
  const int fd = ::open(temp.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
  if (fd < 0) return failed("cannot write");
  ::fchmod(fd, mode);
  bool good = true;
  while (good && !data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    good = n > 0;
    if (good) data.remove_prefix(static_cast<std::size_t>(n));
  }
  good = good && ::fsync(fd) == 0;
  ::close(fd);
  if (!good || ::rename(temp.c_str(), path.c_str()) != 0) return failed("cannot write");
  return {};
}

}  // namespace keelson::cmd
