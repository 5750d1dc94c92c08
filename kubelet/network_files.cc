#include "kubelet/network_files.h"

#include <fmt/format.h>

#include <algorithm>
#include <sstream>

namespace keelson::kubelet {
namespace {

void append_aliases(std::string& out, const std::vector<HostAlias>& aliases) {
  if (aliases.empty()) return;
  out += "\n# Entries added by HostAliases.\n";
  for (const auto& a : aliases) {
    out += a.ip;
    for (const auto& name : a.names) out += "\t" + name;
    out += '\n';
  }
}

void append_unique(std::vector<std::string>& to, const std::vector<std::string>& from) {
  for (const auto& s : from) {
    if (std::find(to.begin(), to.end(), s) == to.end()) to.push_back(s);
  }
}

void merge_options(std::vector<std::string>& to, const std::vector<std::string>& from) {
  const auto name = [](const std::string& o) { return o.substr(0, o.find(':')); };
  for (const auto& o : from) {
    std::erase_if(to, [&](const std::string& have) { return name(have) == name(o); });
    to.push_back(o);
  }
}

}  // namespace

std::string hosts_file(const std::vector<std::string>& pod_ips, const std::string& host_name,
                       const std::string& domain, const std::vector<HostAlias>& aliases) {
  std::string out =
      "# Kubernetes-managed hosts file.\n"
      "127.0.0.1\tlocalhost\n"
      "::1\tlocalhost ip6-localhost ip6-loopback\n"
      "fe00::0\tip6-localnet\n"
      "fe00::0\tip6-mcastprefix\n"
      "fe00::1\tip6-allnodes\n"
      "fe00::2\tip6-allrouters\n";
  for (const auto& ip : pod_ips) {
    out += domain.empty() ? fmt::format("{}\t{}\n", ip, host_name)
                          : fmt::format("{}\t{}.{}\t{}\n", ip, host_name, domain, host_name);
  }
  append_aliases(out, aliases);
  return out;
}

std::string node_hosts_file(std::string node_file, const std::vector<HostAlias>& aliases) {
  std::string out = "# Kubernetes-managed hosts file (host network).\n" + std::move(node_file);
  append_aliases(out, aliases);
  return out;
}

cri::DnsConfig parse_resolv_conf(const std::string& text) {
  cri::DnsConfig out;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(0, line.find_first_of("#;")));
    std::string key, word;
    words >> key;
    std::vector<std::string> values;
    while (words >> word) values.push_back(word);
    if (key == "nameserver" && !values.empty()) out.servers.push_back(values[0]);
    if (key == "search") out.searches = values;
    if (key == "options") out.options = values;
  }
  return out;
}

cri::DnsConfig pod_dns(const PodDns& pod, const cri::DnsConfig& node,
                       const std::vector<std::string>& cluster_servers, const std::string& cluster_domain) {
  const bool cluster_first =
      !cluster_servers.empty() &&
      (pod.policy == "ClusterFirstWithHostNet" || (pod.policy == "ClusterFirst" && !pod.host_network));
  cri::DnsConfig out;
  if (pod.policy != "None") out = node;
  if (cluster_first) {
    out.servers = cluster_servers;
    std::vector<std::string> searches{pod.namespace_ + ".svc." + cluster_domain, "svc." + cluster_domain,
                                      cluster_domain};
    append_unique(searches, node.searches);
    out.searches = searches;
    out.options = {"ndots:5"};
  }
  append_unique(out.servers, pod.custom.servers);
  append_unique(out.searches, pod.custom.searches);
  merge_options(out.options, pod.custom.options);
  return out;
}

}  // namespace keelson::kubelet
