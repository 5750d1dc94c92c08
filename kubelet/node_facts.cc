#include "kubelet/node_facts.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "kubelet/files.h"

namespace keelson::kubelet {
namespace {

std::string first_line(const std::string& path) {
  const std::string text = read_file(path).value_or("");
  return text.substr(0, text.find('\n'));
}

std::int64_t meminfo_kib(const std::string& key) {
  std::istringstream lines(read_file("/proc/meminfo").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with(key + ":")) return std::atoll(line.c_str() + key.size() + 1);
  }
  return 0;
}

std::string os_name() {
  std::istringstream lines(read_file("/etc/os-release").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("PRETTY_NAME=")) continue;
    std::string v = line.substr(12);
    if (v.size() >= 2 && v.front() == '"') v = v.substr(1, v.size() - 2);
    return v;
  }
  return "Linux";
}

}  // namespace

MachineFacts machine_facts(const std::string& data_dir) {
  MachineFacts f;
  f.cpus = sysconf(_SC_NPROCESSORS_ONLN);
  f.memory_bytes = meminfo_kib("MemTotal") * 1024;
  struct statvfs vfs;
  if (statvfs(data_dir.c_str(), &vfs) == 0) {
    f.disk_bytes = static_cast<std::int64_t>(vfs.f_blocks) * static_cast<std::int64_t>(vfs.f_frsize);
  }
  f.machine_id = first_line("/etc/machine-id");
  f.system_uuid = first_line("/sys/class/dmi/id/product_uuid");
  if (f.system_uuid.empty()) f.system_uuid = f.machine_id;
  f.boot_id = first_line("/proc/sys/kernel/random/boot_id");
  f.os_image = os_name();
  struct utsname u;
  if (uname(&u) == 0) {
    f.kernel_version = u.release;
    f.host_name = u.nodename;
    const std::string machine = u.machine;
    f.architecture = machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
  }
  return f;
}

Pressure present_pressure(const std::string& data_dir) {
  Pressure p;
  p.memory_available_bytes = meminfo_kib("MemAvailable") * 1024;
  struct statvfs vfs;
  if (statvfs(data_dir.c_str(), &vfs) == 0 && vfs.f_blocks > 0) {
    p.disk_free_share = static_cast<double>(vfs.f_bavail) / static_cast<double>(vfs.f_blocks);
  }
  return p;
}

}  // namespace keelson::kubelet
