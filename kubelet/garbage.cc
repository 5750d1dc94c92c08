#include "kubelet/garbage.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>

#include "kubelet/blocking.h"

namespace keelson::kubelet {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

namespace {

constexpr std::int64_t kLogMaxBytes = 10 << 20;
constexpr int kLogFilesMax = 5;
constexpr double kDiskHigh = 0.85, kDiskLow = 0.80;
constexpr Duration kImageMinAge = 2min;

double disk_used_share() {
  struct statvfs v;
  if (statvfs("/", &v) != 0 || v.f_blocks == 0) return 0;
  return 1.0 - static_cast<double>(v.f_bavail) / static_cast<double>(v.f_blocks);
}

}  // namespace

bool rotate_log(const std::string& path, std::int64_t max_bytes, int keep, WallTime now) {
  struct stat st;
  if (stat(path.c_str(), &st) != 0 || st.st_size < max_bytes) return false;
  const std::time_t s = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch().count();
  std::tm tm{};
  gmtime_r(&s, &tm);
  char stamp[32];
  std::strftime(stamp, sizeof stamp, ".%Y%m%d-%H%M%S", &tm);
  std::error_code ec;
  fs::rename(path, path + stamp, ec);
  if (ec) return false;
  std::vector<std::string> old;
  const std::string prefix = fs::path(path).filename().string() + ".";
  for (const auto& entry : fs::directory_iterator(fs::path(path).parent_path(), ec)) {
    if (entry.path().filename().string().starts_with(prefix)) old.push_back(entry.path());
  }
  std::sort(old.begin(), old.end());
  for (std::size_t i = 0; i + static_cast<std::size_t>(keep) - 1 < old.size(); ++i) fs::remove(old[i], ec);
  return true;
}

Task<> GarbageCollector::rotate_logs(std::vector<cri::ContainerStatus> containers) {
  for (const auto& c : containers) {
    if (c.state != cri::ContainerState::kRunning || c.log_path.empty()) continue;
    const bool rotated = co_await run_blocking(pool_, [path = c.log_path, now = clock_.wall()] {
      return rotate_log(path, kLogMaxBytes, kLogFilesMax, now);
    });
    if (!rotated) continue;
    auto r = co_await runtime_.reopen_log(c.id);
    if (!r) log_.warn("reopening a log failed", {{"container", c.id}, {"error", r.error()}});
  }
}

Task<> GarbageCollector::collect_images(std::set<std::string> in_use) {
  auto images = co_await runtime_.list_images();
  if (!images) co_return;
  const MonoTime now = clock_.now();
  for (const auto& image : *images) {
    const bool ours = std::any_of(image.repo_tags.begin(), image.repo_tags.end(),
                                  [](const std::string& t) { return t.starts_with("localhost/"); });
    if (image.pinned || ours || in_use.contains(image.id)) {
      first_unused_.erase(image.id);
      continue;
    }
    auto [it, fresh] = first_unused_.try_emplace(image.id, now);
    const double limit = disk_used_share() > kDiskHigh ? kDiskLow : kDiskHigh;
    if (fresh || now - it->second < kImageMinAge || disk_used_share() <= limit) continue;
    auto r = co_await runtime_.remove_image(image.id);
    if (r) first_unused_.erase(it);
    log_.info("removed an unused image", {{"image", image.id}, {"ok", r.has_value()}});
  }
}

Task<> GarbageCollector::run(std::function<std::vector<cri::ContainerStatus>()> containers) {
  for (int round = 0;; ++round) {
    co_await clock_.sleep_for(10s);
    auto present = containers();
    std::set<std::string> in_use;
    for (const auto& c : present) in_use.insert(c.image_ref);
    co_await rotate_logs(std::move(present));
    if (round % 30 == 29) co_await collect_images(std::move(in_use));
  }
}

}  // namespace keelson::kubelet
