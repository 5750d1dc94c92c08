// GarbageCollector: images that no container uses, when the disk is nearly full (from 85 % down to 80 %, at
// least 2 min old, as upstream), and rotation of container logs (10 MiB, 5 files). Images of localhost/
// cannot be pulled again: they stay. Thread rule: on the kubelet's strand.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "kubelet/cri/runtime.h"

namespace keelson::kubelet {

class GarbageCollector {
 public:
  GarbageCollector(cri::Runtime& runtime, Clock& clock, Executor pool, Logger logger)
      : runtime_(runtime), clock_(clock), pool_(pool), log_(logger.named("gc")) {}
  // Looks every 10 s at logs and every 5 min at images, until cancelled. `containers`: those that exist, by
  // the last look.
  Task<> run(std::function<std::vector<cri::ContainerStatus>()> containers);

 private:
  Task<> rotate_logs(std::vector<cri::ContainerStatus> containers);
  Task<> collect_images(std::set<std::string> in_use);

  cri::Runtime& runtime_;
  Clock& clock_;
  Executor pool_;
  Logger log_;
  std::map<std::string, MonoTime> first_unused_;
};

// path.YYYYMMDD-HHMMSS of a rotated log; the oldest beyond `keep` are removed. True when the runtime has to
// reopen the file.
bool rotate_log(const std::string& path, std::int64_t max_bytes, int keep, WallTime now);

}  // namespace keelson::kubelet
