#include "kubelet/cgroups.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "kubelet/files.h"

namespace keelson::kubelet {
namespace {

namespace fs = std::filesystem;
constexpr const char* kMount = "/sys/fs/cgroup";
constexpr long kCgroup2Magic = 0x63677270;

// Cgroup files take one write and no rename.
bool put(const std::string& path, const std::string& value) {
  const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0) return false;
  const bool ok = write(fd, value.data(), value.size()) == static_cast<ssize_t>(value.size());
  close(fd);
  return ok;
}

std::string pod_path(const std::string& root, std::string_view qos, std::string_view uid) {
  std::string middle = qos == "Burstable" ? "/burstable" : qos == "BestEffort" ? "/besteffort" : "";
  return fmt::format("/{}{}/pod{}", root, middle, uid);
}

// rmdir from the leaves up; the files inside are the kernel's.
void remove_cgroup_tree(const std::string& path) {
  std::error_code ec;
  std::vector<std::string> children;
  for (const auto& entry : fs::directory_iterator(path, ec)) {
    if (entry.is_directory(ec) && !entry.is_symlink(ec)) children.push_back(entry.path());
  }
  for (const auto& child : children) remove_cgroup_tree(child);
  rmdir(path.c_str());
}

class CgroupsV1 final : public Cgroups {
 public:
  explicit CgroupsV1(std::string root) : root_(std::move(root)) {
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(kMount, ec)) {
      // Symlinks name the same hierarchies again ("cpuacct" -> "cpu,cpuacct").
      if (entry.is_directory(ec) && !entry.is_symlink(ec)) {
        hierarchies_.push_back(entry.path());
      }
    }
  }
  Result<std::string> create_pod(std::string_view qos, std::string_view uid,
                                 const cri::LinuxContainerResources& r) override {
    const std::string path = pod_path(root_, qos, uid);
    for (const auto& h : hierarchies_) {
      const std::string name = fs::path(h).filename();
      if (name == "cpu" || name.starts_with("cpu,")) {
        TRY(make_directories(h + path));
        put(h + path + "/cpu.shares", std::to_string(r.cpu_shares));
        if (r.cpu_quota > 0) put(h + path + "/cpu.cfs_quota_us", std::to_string(r.cpu_quota));
      } else if (name == "memory") {
        TRY(make_directories(h + path));
        put(h + path + "/memory.use_hierarchy", "1");
        if (r.memory_limit_in_bytes > 0) {
          put(h + path + "/memory.limit_in_bytes", std::to_string(r.memory_limit_in_bytes));
        }
      }
    }
    return path;
  }
  Result<void> remove_pod(std::string_view uid) override {
    for (const auto& h : hierarchies_) {
      for (const char* qos : {"Guaranteed", "Burstable", "BestEffort"}) {
        remove_cgroup_tree(h + pod_path(root_, qos, uid));
      }
    }
    return {};
  }
  void remove_all() override {
    for (const auto& h : hierarchies_) remove_cgroup_tree(h + "/" + root_);
  }

 private:
  const std::string root_;
  std::vector<std::string> hierarchies_;
};

class CgroupsV2 final : public Cgroups {
 public:
  explicit CgroupsV2(std::string root) : root_(std::move(root)) {}

  Result<std::string> create_pod(std::string_view qos, std::string_view uid,
                                 const cri::LinuxContainerResources& r) override {
    const std::string path = pod_path(root_, qos, uid);
    TRY(make_directories(kMount + path));
    // Controllers must be handed down level by level.
    for (std::size_t at = 0; at != std::string::npos; at = path.find('/', at + 1)) {
      for (const char* c : {"+cpu", "+memory", "+pids", "+cpuset", "+io"}) {
        put(kMount + path.substr(0, at) + "/cgroup.subtree_control", c);
      }
    }
    for (const char* c : {"+cpu", "+memory", "+pids", "+cpuset", "+io"}) {
      put(kMount + path + "/cgroup.subtree_control", c);
    }
    // The kernel's mapping of v1 shares [2, 262144] to v2 weights [1, 10000].
    put(kMount + path + "/cpu.weight",
        std::to_string(1 + (std::max<std::int64_t>(r.cpu_shares, 2) - 2) * 9999 / 262142));
    put(kMount + path + "/cpu.max",
        r.cpu_quota > 0 ? fmt::format("{} {}", r.cpu_quota, r.cpu_period) : "max 100000");
    put(kMount + path + "/memory.max",
        r.memory_limit_in_bytes > 0 ? std::to_string(r.memory_limit_in_bytes) : "max");
    return path;
  }
  Result<void> remove_pod(std::string_view uid) override {
    for (const char* qos : {"Guaranteed", "Burstable", "BestEffort"}) {
      remove_cgroup_tree(kMount + pod_path(root_, qos, uid));
    }
    return {};
  }
  void remove_all() override { remove_cgroup_tree(std::string(kMount) + "/" + root_); }

 private:
  const std::string root_;
};

class NoCgroups final : public Cgroups {
 public:
  Result<std::string> create_pod(std::string_view, std::string_view,
                                 const cri::LinuxContainerResources&) override {
    return std::string();
  }
  Result<void> remove_pod(std::string_view) override { return {}; }
  void remove_all() override {}
};

}  // namespace

std::unique_ptr<Cgroups> Cgroups::none() {
  return std::make_unique<NoCgroups>();
}

std::unique_ptr<Cgroups> Cgroups::of_host(std::string root) {
  struct statfs st;
  if (statfs(kMount, &st) == 0 && st.f_type == kCgroup2Magic)
    return std::make_unique<CgroupsV2>(std::move(root));
  return std::make_unique<CgroupsV1>(std::move(root));
}

}  // namespace keelson::kubelet
