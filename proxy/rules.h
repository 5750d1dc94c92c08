// From services to one iptables-restore input. The chains have kube-proxy's names, so that people and tools who know them
// find their way:
//
//   nat     PREROUTING, OUTPUT → KUBE-SERVICES → KUBE-SVC-x (one service port) → KUBE-SEP-y (one endpoint: DNAT)
//                                              ↘ KUBE-NODEPORTS → KUBE-EXT-x → KUBE-SVC-x
//           POSTROUTING → KUBE-POSTROUTING (masquerades what KUBE-MARK-MASQ marked)
//   filter  INPUT, FORWARD, OUTPUT → KUBE-SERVICES: rejects what has no endpoint, and whatever is still addressed to the
//           service range (no service has that address) — it neither hangs nor leaves the host.
//
// The input is atomic per table and leaves all other chains alone (--noflush). Same services, same text.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "proxy/service_map.h"

namespace keelson::proxy {

struct RuleOptions {
  std::string cluster_cidr = "10.22.0.0/16";   // pods; traffic from elsewhere to a cluster IP is masqueraded
  std::string service_cidr = "10.96.0.0/16";
  int masquerade_bit = 14;
};

struct RuleSet {
  std::string restore_input;          // for iptables-restore --noflush
  std::set<std::string> nat_chains;   // per-service chains in use: those of the last set that are not here get removed
};

// `previous` are the per-service chains that exist now (RuleSet::nat_chains of the last set).
RuleSet make_rules(const std::vector<ServicePort>& services, const std::set<std::string>& previous,
                   const RuleOptions& options);

// The jumps from built-in chains, each as iptables arguments after -t TABLE: {table, chain, rule…}; checked with -C and
// inserted with -I where absent.
std::vector<std::vector<std::string>> base_jumps();

}  // namespace keelson::proxy
