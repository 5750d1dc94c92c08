#include "kvstore/server/etcd/process_metrics.h"

#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

namespace keelson::kvstore::etcd {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

void add(std::vector<MetricFamily>& out, const char* name, const char* help, MetricType type, double v) {
  MetricFamily f;
  f.name = name;
  f.help = help;
  f.type = type;
  prometheus::ClientMetric m;
  (type == MetricType::Counter ? m.counter.value : m.gauge.value) = v;
  f.metric.push_back(std::move(m));
  out.push_back(std::move(f));
}

// Field `n` (from 1) of /proc/self/stat behind the command's name, as proc(5) numbers them.
struct Stat {
  double utime = 0, stime = 0, start = 0, vsize = 0, rss = 0;
};
bool read_stat(Stat& s) {
  std::ifstream in("/proc/self/stat");
  std::string line;
  if (!std::getline(in, line)) return false;
  const auto paren = line.rfind(')');
  if (paren == std::string::npos) return false;
  std::istringstream fields(line.substr(paren + 2));
  std::string v;
  for (int i = 3; fields >> v; ++i) {
    double* slot = i == 14   ? &s.utime
                   : i == 15 ? &s.stime
                   : i == 22 ? &s.start
                   : i == 23 ? &s.vsize
                   : i == 24 ? &s.rss
                             : nullptr;
    if (slot != nullptr) *slot = std::stod(v);
  }
  return true;
}

// Bytes of IP that this network namespace has received and sent: as Go's client library counts them.
struct Traffic {
  double in = 0, out = 0;
};
bool read_traffic(Traffic& t) {
  std::ifstream in("/proc/self/net/netstat");
  for (std::string names, values; std::getline(in, names) && std::getline(in, values);) {
    if (!names.starts_with("IpExt:")) continue;
    std::istringstream name_of(names), value_of(values);
    for (std::string name, value; name_of >> name && value_of >> value;) {
      if (name == "InOctets") t.in = std::stod(value);
      if (name == "OutOctets") t.out = std::stod(value);
    }
    return true;
  }
  return false;
}

double boot_time() {
  std::ifstream in("/proc/stat");
  std::string word;
  while (in >> word) {
    double v = 0;
    if (word == "btime" && in >> v) return v;
  }
  return 0;
}

}  // namespace

std::vector<MetricFamily> process_metrics() {
  std::vector<MetricFamily> out;
  const auto hz = static_cast<double>(::sysconf(_SC_CLK_TCK));
  const auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  if (Stat s; read_stat(s)) {
    add(out, "process_cpu_seconds_total", "Total user and system CPU time spent in seconds.",
        MetricType::Counter, (s.utime + s.stime) / hz);
    add(out, "process_resident_memory_bytes", "Resident memory size in bytes.", MetricType::Gauge,
        s.rss * page);
    add(out, "process_virtual_memory_bytes", "Virtual memory size in bytes.", MetricType::Gauge, s.vsize);
    add(out, "process_start_time_seconds", "Start time of the process since unix epoch in seconds.",
        MetricType::Gauge, boot_time() + s.start / hz);
  }
  std::error_code ec;
  double fds = 0;
  for (auto it = std::filesystem::directory_iterator("/proc/self/fd", ec);
       !ec && it != std::filesystem::directory_iterator(); it.increment(ec)) {
    ++fds;
  }
  add(out, "process_open_fds", "Number of open file descriptors.", MetricType::Gauge, fds);
  add(out, "os_fd_used", "The number of used file descriptors.", MetricType::Gauge, fds);
  if (Traffic t; read_traffic(t)) {
    add(out, "process_network_receive_bytes_total", "Number of bytes received by the process over the network.",
        MetricType::Counter, t.in);
    add(out, "process_network_transmit_bytes_total", "Number of bytes sent by the process over the network.",
        MetricType::Counter, t.out);
  }
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0) {
    add(out, "process_virtual_memory_max_bytes", "Maximum amount of virtual memory available in bytes.",
        MetricType::Gauge, static_cast<double>(limit.rlim_cur));
  }
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    add(out, "process_max_fds", "Maximum number of open file descriptors.", MetricType::Gauge,
        static_cast<double>(limit.rlim_cur));
    add(out, "os_fd_limit", "The file descriptor limit.", MetricType::Gauge,
        static_cast<double>(limit.rlim_cur));
  }
  return out;
}

}  // namespace keelson::kvstore::etcd
