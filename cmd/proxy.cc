// keelson proxy: the service proxy in a process of its own, with kube-proxy's flags.
#include <cstdio>

#include "base/async.h"
#include "client/informer.h"
#include "cmd/command.h"
#include "cmd/component_client.h"
#include "cmd/node_address.h"
#include "cmd/run_until_signal.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"
#include "proxy/proxier.h"

namespace keelson::cmd {
namespace {

struct Parts {
  Parts(client::Transport& t, proxy::ProxierOptions options, net::IoPool& pool, Clock& clock, Logger log)
      : informers(t, pool.next(), clock, Rng(os_entropy()), log),
        proxier(std::move(options), informers, pool.next(), pool.workers(), clock, log),
        iptables(log) {}
  Task<Result<void>> start() {
    CO_TRY(iptables.check());
    proxier.start();
    informers.start();
    co_return Result<void>();
  }
  Task<> stop() {
    co_await proxier.stop();
    co_await informers.stop();
  }
  client::InformerFactory informers;
  proxy::Proxier proxier;
  proxy::Iptables iptables;
};

}  // namespace

int run_proxy(std::vector<std::string> args) {
  ComponentClientFlags client;
  proxy::ProxierOptions options;
  options.node_name = host_name();
  bool cleanup = false, verbose = false;
  FlagSet flags("keelson proxy [flags]");
  client.add_to(flags);
  flags.add("hostname-override", &options.node_name, "name of this node");
  flags.add("cluster-cidr", &options.rules.cluster_cidr, "addresses of pods");
  flags.add("service-cluster-ip-range", &options.rules.service_cidr, "addresses of services: what belongs to none is rejected");
  flags.add("cleanup", &cleanup, "take all rules out and exit");
  flags.add("verbose", &verbose, "log at debug level");
  if (auto parsed = flags.parse(args); !parsed) {
    std::fprintf(stderr, "keelson proxy: %s\n", parsed.error().message.c_str());
    return 2;
  }
  if (flags.help_wanted()) {
    std::printf("%s", flags.help().c_str());
    return 0;
  }
  const Logger log = Logger::to_stderr(verbose ? LogLevel::kDebug : LogLevel::kInfo);
  if (cleanup) {
    proxy::Iptables(log).remove_all();
    return 0;
  }
  net::IoPool pool(1, 1);
  net::AsioClock clock;
  auto transport = make_component_client(client, "keelson-proxy", pool.next(), clock, log);
  if (!transport) {
    std::fprintf(stderr, "keelson proxy: %s\n", transport.error().message.c_str());
    return 2;
  }
  pool.start();
  Parts parts(**transport, options, pool, clock, log);
  const int rc = run_until_signal("proxy", pool, [&parts] { return parts.start(); }, [&parts] { return parts.stop(); }, nullptr);
  pool.stop();
  return rc;
}

}  // namespace keelson::cmd
