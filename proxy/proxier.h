// Proxier: keeps the kernel's rules equal to the cluster's services and endpoint slices.
//
// Handlers mark dirty; one loop builds the rules from the caches and applies them, at most every `min_sync` and at least every
// `full_sync`. A failed application is tried again. Thread rule: start/stop from one owner; the loop runs on its strand, the
// kernel calls on `pool`.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "client/informer.h"
#include "proxy/iptables.h"
#include "proxy/rules.h"

namespace keelson::proxy {

struct ProxierOptions {
  std::string node_name;
  RuleOptions rules;
  Duration min_sync = std::chrono::milliseconds(200);
  Duration full_sync = std::chrono::seconds(60);
};

// The ports of all services with their endpoints, in order of name. `services` and `slices` are frozen API objects.
std::vector<ServicePort> collect_services(const std::vector<api::ObjectPtr>& services,
                                          const std::vector<api::ObjectPtr>& slices, const std::string& node_name);

class Proxier {
 public:
  // Everything referenced outlives it. `pool` runs blocking work.
  Proxier(ProxierOptions options, client::InformerFactory& informers, Executor executor, Executor pool, Clock& clock,
          Logger logger);
  ~Proxier();  // REQUIRES: stop() has returned, or start() was never called.
  void start();
  // Leaves the rules in place: connections go on while keelson restarts.
  Task<> stop();
  // True once the rules have been applied for the first time.
  bool synced() const { return synced_.is_set(); }

 private:
  Task<> run();
  Task<bool> sync();
  const ProxierOptions o_;
  Executor strand_, pool_;
  Clock& clock_;
  Logger log_;
  Iptables iptables_;
  std::shared_ptr<client::Informer> services_, slices_;
  AsyncEvent dirty_, synced_;
  std::set<std::string> chains_;
  std::string applied_;
  TaskGroup tasks_;
};

}  // namespace keelson::proxy
