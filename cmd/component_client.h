// What a component in a process of its own (controller-manager, scheduler) reaches the API server with.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/flags.h"
#include "base/log.h"
#include "client/http_transport.h"

namespace keelson::cmd {

struct ComponentClientFlags {
  std::string kubeconfig;
  std::string server;  // --server, --master: instead of the kubeconfig's
  std::string token;
  std::string certificate_authority;
  bool insecure_skip_tls_verify = false;

  void add_to(FlagSet& flags);
};

// kInvalidArgument with what is missing. `user_agent` names the component.
Result<std::unique_ptr<client::HttpTransport>> make_component_client(const ComponentClientFlags& flags,
                                                                     std::string user_agent, Executor ex,
                                                                     Clock& clock, Logger logger);

// Blocks until SIGINT or SIGTERM, or until `stop_early` is set. REQUIRES: called from main's thread before
// others run signal handlers of their own.
void wait_for_signal(const std::function<bool()>& stop_early);

}  // namespace keelson::cmd
