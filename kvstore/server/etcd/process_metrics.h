// process_metrics: the process_* metrics every Prometheus client has, read from /proc/self when asked.
#pragma once

#include <prometheus/metric_family.h>

#include <vector>

namespace keelson::kvstore::etcd {

// Also os_fd_used and os_fd_limit, which etcd adds. What cannot be read is left out.
std::vector<prometheus::MetricFamily> process_metrics();

}  // namespace keelson::kvstore::etcd
