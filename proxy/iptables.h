// Iptables: the kernel's rules, through iptables and iptables-restore. Blocking: call from a pool thread.
#pragma once

#include <set>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "proxy/rules.h"

namespace keelson::proxy {

class Iptables {
 public:
  explicit Iptables(Logger logger) : log_(std::move(logger)) {}
  // kFailedPrecondition, naming what is missing, when the programs are not there or may not be used.
  Result<void> check() const;
  // The per-service chains that exist now, e.g. of a proxy before us.
  Result<std::set<std::string>> existing_chains() const;
  // Applies a rule set and makes sure of the jumps from the built-in chains.
  Result<void> apply(const RuleSet& rules) const;
  // Takes everything of ours out again. Best effort.
  void remove_all() const;

 private:
  Result<void> ensure_jumps() const;
  Logger log_;
};

}  // namespace keelson::proxy
