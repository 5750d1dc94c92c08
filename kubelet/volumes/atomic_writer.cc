#include "kubelet/volumes/atomic_writer.h"

#include <dirent.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <set>
#include <vector>

#include "kubelet/files.h"

namespace keelson::kubelet {
namespace {

namespace fs = std::filesystem;

Result<void> check_path(const std::string& path) {
  if (path.empty() || path[0] == '/' || path.starts_with("..")) {
    return fail(Code::kInvalidArgument, "invalid path in volume: \"" + path + "\"");
  }
  for (const auto& part : fs::path(path)) {
    if (part == "..") return fail(Code::kInvalidArgument, "path must not contain '..': \"" + path + "\"");
  }
  return {};
}

// The version that ..data points to; nullopt when there is none or it cannot be read.
std::optional<VolumeFiles> present_files(const std::string& dir) {
  std::error_code ec;
  const fs::path data = fs::path(dir) / "..data";
  if (!fs::is_directory(data, ec)) return std::nullopt;
  VolumeFiles out;
  for (const auto& entry : fs::recursive_directory_iterator(fs::canonical(data, ec), ec)) {
    if (!entry.is_regular_file(ec)) continue;
    auto content = read_file(entry.path());
    struct stat st;
    if (!content || stat(entry.path().c_str(), &st) != 0) return std::nullopt;
    out[fs::relative(entry.path(), fs::canonical(data, ec), ec)] = {std::move(*content), st.st_mode & 07777u};
  }
  if (ec) return std::nullopt;
  return out;
}

std::string version_name(WallTime now) {
  const auto ns = now.time_since_epoch().count();
  const std::time_t s = static_cast<std::time_t>(ns / 1'000'000'000);
  std::tm tm{};
  gmtime_r(&s, &tm);
  char buf[40];
  std::strftime(buf, sizeof buf, "..%Y_%m_%d_%H_%M_%S", &tm);
  return fmt::format("{}.{:09}", buf, ns % 1'000'000'000);
}

Result<void> link_atomically(const std::string& target, const std::string& path) {
  const std::string tmp = path + "_tmp";
  unlink(tmp.c_str());
  if (symlink(target.c_str(), tmp.c_str()) != 0) return fail(errno_error("symlink", tmp));
  if (rename(tmp.c_str(), path.c_str()) != 0) return fail(errno_error("rename to", path));
  return {};
}

Result<void> write_version(const std::string& version, const VolumeFiles& files,
                           std::optional<std::int64_t> group) {
  TRY(make_directories(version));
  for (const auto& [path, file] : files) {
    const std::string full = version + "/" + path;
    TRY(make_directories(full.substr(0, full.rfind('/'))));
    TRY(write_file(full, file.content, file.mode));
    if (group && chown(full.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(*group)) != 0) {
      return fail(errno_error("chown", full));
    }
  }
  return {};
}

}  // namespace

Result<void> write_volume(const std::string& dir, const VolumeFiles& wanted, WallTime now,
                          std::optional<std::int64_t> group) {
  VolumeFiles files = wanted;
  for (auto& [path, file] : files) {
    TRY(check_path(path));
    if (group) file.mode |= (file.mode & 0400u) >> 3;
  }
  TRY(make_directories(dir));
  if (auto present = present_files(dir); present && *present == files) return {};

  char old[256] = {};
  const ssize_t old_size = readlink((dir + "/..data").c_str(), old, sizeof old - 1);
  const std::string name = version_name(now);
  TRY(write_version(dir + "/" + name, files, group));
  TRY(link_atomically(name, dir + "/..data"));

  std::set<std::string> tops;
  for (const auto& [path, file] : files) tops.insert(path.substr(0, path.find('/')));
  for (const auto& top : tops) {
    struct stat st;
    if (lstat((dir + "/" + top).c_str(), &st) != 0) TRY(link_atomically("..data/" + top, dir + "/" + top));
  }
  std::error_code ec;
  std::vector<fs::path> stale;
  for (const auto& entry : fs::directory_iterator(dir, ec)) {
    const std::string base = entry.path().filename();
    if (!base.starts_with("..") && !tops.contains(base)) stale.push_back(entry.path());
  }
  for (const auto& path : stale) fs::remove_all(path, ec);
  if (old_size > 0 && name != old) TRY(remove_tree(dir + "/" + old));
  return {};
}

}  // namespace keelson::kubelet
