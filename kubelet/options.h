// What a kubelet is told about its place: filled from flags in cmd/.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/task.h"

namespace keelson::kubelet {

struct KubeletOptions {
  std::string node_name;
  std::string node_ip;
  std::string data_dir;  // absolute; pods/, pods-logs/ are made below it
  std::string pod_cidr = "10.22.0.0/16";
  std::uint16_t port = 10250;  // of the kubelet's HTTPS API, published in the Node's status
  std::int64_t max_pods = 110;
  std::vector<std::string> cluster_dns;
  std::string cluster_domain = "cluster.local";
  std::string version = "v1.36.0-keelson";
  std::map<std::string, std::string> node_labels;
  bool cgroups = true;  // false: pods get no cgroups of ours (tests)
  Executor executor;    // coroutines run on a strand of it
  Executor pool;        // threads that may block
};

}  // namespace keelson::kubelet
