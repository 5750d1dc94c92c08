// keelson controller-manager: the controllers in a process of their own, with kube-controller-manager's
// flags.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>

#include "base/async.h"
#include "cmd/command.h"
#include "cmd/component_client.h"
#include "cmd/pki.h"
#include "controllers/manager.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"

namespace keelson::cmd {

namespace {

struct Settings {
  ComponentClientFlags client;
  controllers::ControllerManagerOptions manager;
  std::string root_ca_file;
  int terminated_pods_max = 12500;
  bool verbose = false;
};

void add_flags(FlagSet& flags, Settings& s) {
  s.client.add_to(flags);
  flags.add("leader-elect", &s.manager.leader_elect,
            "wait for the Lease kube-system/kube-controller-manager");
  flags.add("leader-elect-lease-duration", &s.manager.lease_duration,
            "after which another instance may take over");
  flags.add("leader-elect-renew-deadline", &s.manager.renew_deadline, "after which a leader gives up");
  flags.add("leader-elect-retry-period", &s.manager.retry_period, "between attempts");
  flags.add("root-ca-file", &s.root_ca_file, "published to every namespace as kube-root-ca.crt");
  flags.add("node-monitor-period", &s.manager.node_lifecycle.monitor_period, "between looks at nodes");
  flags.add("node-monitor-grace-period", &s.manager.node_lifecycle.grace_period,
            "silence after which a node is not ready");
  flags.add("node-startup-grace-period", &s.manager.node_lifecycle.startup_grace_period,
            "the same, for new nodes");
  flags.add("terminated-pod-gc-threshold", &s.terminated_pods_max, "finished pods that are kept; 0: all");
  flags.add("concurrent-deployment-syncs", &s.manager.concurrent_deployment_syncs,
            "Deployments worked on at once");
  flags.add("concurrent-replicaset-syncs", &s.manager.concurrent_replicaset_syncs,
            "ReplicaSets worked on at once");
  flags.add("concurrent-rc-syncs", &s.manager.concurrent_rc_syncs,
            "ReplicationControllers worked on at once");
  flags.add("concurrent-gc-syncs", &s.manager.concurrent_gc_syncs,
            "objects the garbage collector works on at once");
  flags.add("verbose", &s.verbose, "log at debug level");
}

std::string instance_identity(Rng& rng) {
  std::array<char, 256> host{};
  gethostname(host.data(), host.size() - 1);
  return std::string(host.data()) + "_" + rng.uuid();
}

Task<> stop_manager(controllers::ControllerManager* manager) {
  co_await manager->stop();
}

int run(Settings settings) {
  Logger logger = Logger::to_stderr(settings.verbose ? LogLevel::kDebug : LogLevel::kInfo);
  net::AsioClock clock;
  Rng rng(os_entropy());
  // Blocked before threads start, so that all of them inherit it and wait_for_signal() is the one to see
  // them.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  net::IoPool pool(1, 1);
  auto transport =
      make_component_client(settings.client, "keelson-controller-manager", pool.next(), clock, logger);
  if (!transport) {
    std::fprintf(stderr, "keelson controller-manager: %s\n", transport.error().message.c_str());
    return 2;
  }
  settings.manager.identity = instance_identity(rng);
  settings.manager.pod_gc.terminated_pods_max =
      static_cast<std::size_t>(std::max(0, settings.terminated_pods_max));
  pool.start();
  controllers::ControllerManager manager(settings.manager, **transport, pool.next(), clock, rng.fork(),
                                         logger);
  manager.start();
  wait_for_signal([&] { return manager.lost().is_set(); });
  const bool lost = manager.lost().is_set();
  block_on(pool.next(), stop_manager(&manager));
  pool.stop();
  return lost ? 1 : 0;
}

}  // namespace

int run_controller_manager(std::vector<std::string> args) {
  Settings settings;
  FlagSet flags("keelson controller-manager [flags]");
  add_flags(flags, settings);
  if (auto parsed = flags.parse(args); !parsed) {
    std::fprintf(stderr, "keelson controller-manager: %s\n", parsed.error().message.c_str());
    return 2;
  }
  if (flags.help_wanted()) {
    std::printf("%s", flags.help().c_str());
    return 0;
  }
  if (!settings.root_ca_file.empty()) {
    auto pem = read_file(settings.root_ca_file);
    if (!pem) {
      std::fprintf(stderr, "keelson controller-manager: %s\n", pem.error().message.c_str());
      return 2;
    }
    settings.manager.root_ca_pem = std::move(*pem);
  }
  return run(std::move(settings));
}

}  // namespace keelson::cmd
