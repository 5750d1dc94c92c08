// The files of a pod's network identity: the managed /etc/hosts and what its dnsPolicy makes of the node's
// resolv.conf.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "kubelet/cri/types.h"

namespace keelson::kubelet {

struct HostAlias {
  std::string ip;
  std::vector<std::string> names;
};

// The managed hosts file of a pod: localhost lines, the pod's own name by each of its addresses, then the
// aliases. `domain` is empty unless the pod has a subdomain.
std::string hosts_file(const std::vector<std::string>& pod_ips, const std::string& host_name,
                       const std::string& domain, const std::vector<HostAlias>& aliases);

// The node's hosts file with the aliases appended: for pods on the host network.
std::string node_hosts_file(std::string node_file, const std::vector<HostAlias>& aliases);

// nameserver, search and options lines of a resolv.conf.
cri::DnsConfig parse_resolv_conf(const std::string& text);

// What a pod with this policy gets. `cluster` is the cluster's DNS (empty servers: none yet, so ClusterFirst
// falls back to the node's). `custom` is spec.dnsConfig, appended (options of the same name are replaced),
// alone for policy None.
struct PodDns {
  std::string policy;  // ClusterFirst, ClusterFirstWithHostNet, Default, None
  bool host_network = false;
  std::string namespace_;
  cri::DnsConfig custom;
};
cri::DnsConfig pod_dns(const PodDns& pod, const cri::DnsConfig& node,
                       const std::vector<std::string>& cluster_servers, const std::string& cluster_domain);

}  // namespace keelson::kubelet
