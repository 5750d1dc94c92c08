#include "proxy/rules.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>

namespace keelson::proxy {
namespace {

// "KUBE-SVC-" and sixteen base32 characters of the name's SHA-256: chain names hold at most 28 characters.
std::string chain_name(std::string_view prefix, std::string_view text) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  unsigned char digest[SHA256_DIGEST_LENGTH];
  ::SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  std::string out(prefix);
  for (int i = 0; i < 16; ++i) {
    const int bit = i * 5;
    const unsigned pair = static_cast<unsigned>(digest[bit / 8]) << 8 | digest[bit / 8 + 1];
    out.push_back(kAlphabet[pair >> (11 - bit % 8) & 31]);
  }
  return out;
}

// The endpoints that traffic goes to: the ready ones, else those that still serve while terminating.
std::vector<Endpoint> usable(const std::vector<Endpoint>& all, bool local_only) {
  std::vector<Endpoint> out;
  for (const bool want_ready : {true, false}) {
    for (const auto& e : all) {
      if ((want_ready ? e.ready : e.serving) && (!local_only || e.local)) out.push_back(e);
    }
    if (!out.empty()) break;
  }
  std::ranges::sort(out);
  return out;
}

class Writer {
 public:
  Writer(const std::set<std::string>& previous, const RuleOptions& options) : previous_(previous), o_(options) {}

  void add(const ServicePort& s) {
    if (s.cluster_ip.empty()) return;
    const auto internal = usable(s.endpoints, s.internal_local);
    const auto external = usable(s.endpoints, s.external_local);
    const std::string key = s.name + s.protocol;
    const std::string svc = chain_name("KUBE-SVC-", key);
    if (internal.empty()) {
      reject(s, s.cluster_ip, s.internal_local && !s.endpoints.empty() ? "DROP" : "REJECT");
    } else {
      const std::string cluster = s.internal_local ? chain_name("KUBE-SVL-", key) : svc;
      services_ += fmt::format("-A KUBE-SERVICES -d {}/32 -p {} -m {} --dport {} -m comment --comment \"{} cluster IP\" -j {}\n",
                               s.cluster_ip, s.protocol, s.protocol, s.port, s.name, cluster);
      balance(cluster, s, internal, true);
    }
    if (s.node_port == 0 && s.external_ips.empty()) return;
    if (external.empty()) {
      for (const auto& ip : s.external_ips) reject(s, ip, "REJECT");
      reject_node_port(s);
      return;
    }
    if (!s.external_local && !s.internal_local) {
      external_chain(s, key, svc);
    } else {
      const std::string local = chain_name(s.external_local ? "KUBE-SVL-" : "KUBE-SVC-", key + "external");
      balance(local, s, external, false);
      external_chain(s, key, local);
    }
  }

  RuleSet finish() {
    std::string text = "*nat\n";
    for (const char* c : {"KUBE-SERVICES", "KUBE-NODEPORTS", "KUBE-POSTROUTING", "KUBE-MARK-MASQ"}) declare(text, c);
    std::vector<std::string> gone;
    for (const auto& c : chains_) declare(text, c);
    for (const auto& c : previous_) {
      if (chains_.contains(c)) continue;
      declare(text, c);
      gone.push_back(c);
    }
    const unsigned mark = 1u << o_.masquerade_bit;
    text += fmt::format("-A KUBE-MARK-MASQ -j MARK --or-mark {:#x}\n", mark);
    text += fmt::format("-A KUBE-POSTROUTING -m mark ! --mark {:#x}/{:#x} -j RETURN\n", mark, mark);
    text += fmt::format("-A KUBE-POSTROUTING -j MARK --xor-mark {:#x}\n", mark);
    text += "-A KUBE-POSTROUTING -j MASQUERADE\n";
    text += services_ + node_ports_ + rules_;
    text += "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS\n";
    for (const auto& c : gone) text += "-X " + c + "\n";
    text += "COMMIT\n*filter\n";
    declare(text, "KUBE-SERVICES");
    text += rejects_;
    text += fmt::format("-A KUBE-SERVICES -d {} -p tcp -m comment --comment \"no such service\" -j REJECT --reject-with tcp-reset\n",
                        o_.service_cidr);
    text += fmt::format("-A KUBE-SERVICES -d {} -m comment --comment \"no such service\" -j REJECT\n", o_.service_cidr);
    text += "COMMIT\n";
    return {std::move(text), std::move(chains_)};
  }

 private:
  static void declare(std::string& text, std::string_view chain) { text += fmt::format(":{} - [0:0]\n", chain); }

  void reject(const ServicePort& s, std::string_view ip, std::string_view target) {
    rejects_ += fmt::format(
        "-A KUBE-SERVICES -d {}/32 -p {} -m {} --dport {} -m comment --comment \"{} has no endpoints\" -j {}\n", ip,
        s.protocol, s.protocol, s.port, s.name, target);
  }

  void reject_node_port(const ServicePort& s) {
    if (s.node_port == 0) return;
    rejects_ += fmt::format(
        "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -p {} -m {} --dport {} -m comment --comment \"{} has no endpoints\" -j REJECT\n",
        s.protocol, s.protocol, s.node_port, s.name);
  }

  // Entry for traffic from outside: masquerade (so that replies come back this way), then the service.
  void external_chain(const ServicePort& s, const std::string& key, const std::string& target) {
    const std::string ext = chain_name("KUBE-EXT-", key);
    chains_.insert(ext);
    if (!s.external_local) rules_ += fmt::format("-A {} -j KUBE-MARK-MASQ\n", ext);
    rules_ += fmt::format("-A {} -j {}\n", ext, target);
    for (const auto& ip : s.external_ips) {
      services_ += fmt::format("-A KUBE-SERVICES -d {}/32 -p {} -m {} --dport {} -m comment --comment \"{} external IP\" -j {}\n", ip,
                               s.protocol, s.protocol, s.port, s.name, ext);
    }
    if (s.node_port != 0) {
      node_ports_ += fmt::format("-A KUBE-NODEPORTS -p {} -m {} --dport {} -m comment --comment \"{}\" -j {}\n", s.protocol,
                                 s.protocol, s.node_port, s.name, ext);
    }
  }

  void balance(const std::string& chain, const ServicePort& s, const std::vector<Endpoint>& endpoints, bool masquerade) {
    if (!chains_.insert(chain).second) return;
    if (masquerade) {
      rules_ += fmt::format("-A {} ! -s {} -d {}/32 -p {} -m {} --dport {} -j KUBE-MARK-MASQ\n", chain, o_.cluster_cidr,
                            s.cluster_ip, s.protocol, s.protocol, s.port);
    }
    std::vector<std::string> seps;
    for (const auto& e : endpoints) seps.push_back(endpoint_chain(s, e));
    if (s.affinity_seconds != 0) {
      for (const auto& sep : seps) {
        rules_ += fmt::format("-A {} -m recent --name {} --rcheck --seconds {} --reap -j {}\n", chain, sep,
                              s.affinity_seconds, sep);
      }
    }
    for (std::size_t i = 0; i < seps.size(); ++i) {
      const std::size_t left = seps.size() - i;
      rules_ += left == 1 ? fmt::format("-A {} -j {}\n", chain, seps[i])
                          : fmt::format("-A {} -m statistic --mode random --probability {:.10f} -j {}\n", chain,
                                        1.0 / static_cast<double>(left), seps[i]);
    }
  }

  std::string endpoint_chain(const ServicePort& s, const Endpoint& e) {
    const std::string sep = chain_name("KUBE-SEP-", fmt::format("{}{}{}:{}", s.name, s.protocol, e.ip, e.port));
    if (!chains_.insert(sep).second) return sep;
    rules_ += fmt::format("-A {} -s {}/32 -j KUBE-MARK-MASQ\n", sep, e.ip);
    if (s.affinity_seconds != 0) rules_ += fmt::format("-A {} -m recent --name {} --set\n", sep, sep);
    rules_ += fmt::format("-A {} -p {} -m {} -j DNAT --to-destination {}:{}\n", sep, s.protocol, s.protocol, e.ip, e.port);
    return sep;
  }

  const std::set<std::string>& previous_;
  const RuleOptions& o_;
  std::set<std::string> chains_;
  std::string services_, node_ports_, rules_, rejects_;
};

}  // namespace

RuleSet make_rules(const std::vector<ServicePort>& services, const std::set<std::string>& previous,
                   const RuleOptions& options) {
  Writer w(previous, options);
  for (const auto& s : services) w.add(s);
  return w.finish();
}

std::vector<std::vector<std::string>> base_jumps() {
  return {{"nat", "PREROUTING", "-j", "KUBE-SERVICES"},       {"nat", "OUTPUT", "-j", "KUBE-SERVICES"},
          {"nat", "POSTROUTING", "-j", "KUBE-POSTROUTING"},   {"filter", "INPUT", "-j", "KUBE-SERVICES"},
          {"filter", "FORWARD", "-j", "KUBE-SERVICES"},       {"filter", "OUTPUT", "-j", "KUBE-SERVICES"}};
}

}  // namespace keelson::proxy
