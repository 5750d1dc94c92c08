// What this machine is: the facts of a Node's status. Blocking reads of a few small files.
#pragma once

#include <cstdint>
#include <string>

namespace keelson::kubelet {

struct MachineFacts {
  std::int64_t cpus = 0, memory_bytes = 0, disk_bytes = 0;
  std::string machine_id, system_uuid, boot_id, kernel_version, os_image, architecture, host_name;
};

// `data_dir`: whose file system holds emptyDirs and logs.
MachineFacts machine_facts(const std::string& data_dir);

struct Pressure {
  std::int64_t memory_available_bytes = 0;
  double disk_free_share = 1.0;
};
Pressure present_pressure(const std::string& data_dir);

}  // namespace keelson::kubelet
