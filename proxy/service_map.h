// What the proxy knows of the cluster's services: plain values, made from API objects by proxy/proxier and turned into
// kernel rules by proxy/rules. Pure data, no thread rule of its own.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace keelson::proxy {

struct Endpoint {
  std::string ip;
  std::uint16_t port = 0;
  bool ready = true;        // serving and not terminating
  bool serving = false;     // terminating but still serving: used only where none is ready
  bool local = false;       // on this node
  friend auto operator<=>(const Endpoint&, const Endpoint&) = default;
};

struct ServicePort {
  std::string name;                       // "ns/service:port", for comments
  std::string protocol = "tcp";           // tcp, udp, sctp
  std::string cluster_ip;                 // empty: headless, no rules
  std::vector<std::string> external_ips;  // externalIPs and load balancer addresses
  std::uint16_t port = 0;
  std::uint16_t node_port = 0;
  std::uint32_t affinity_seconds = 0;     // sessionAffinity ClientIP; 0: none
  bool external_local = false;            // externalTrafficPolicy: Local
  bool internal_local = false;            // internalTrafficPolicy: Local
  std::vector<Endpoint> endpoints;
};

}  // namespace keelson::proxy
