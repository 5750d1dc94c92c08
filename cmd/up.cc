// keelson up: a whole cluster of one node in this process.
#include <cstdio>
#include <thread>

#include "base/flags.h"
#include "cmd/all_in_one.h"
#include "cmd/command.h"
#include "cmd/run_until_signal.h"
#include "net/asio_clock.h"

namespace keelson::cmd {
namespace {

struct Flags {
  AllInOneOptions options;
  std::string token_auth_file;
  bool verbose = false;
  bool help = false;
};

Result<Flags> parse(const std::vector<std::string>& args) {
  Flags f;
  auto& o = f.options;
  FlagSet flags("keelson up [flags]: a cluster of one node, all roles in this process, everything generated");
  flags.add("data-dir", &o.data_dir, "where the cluster lives; a second `up` continues it");
  flags.add("secure-port", &o.secure_port, "port of the API server");
  flags.add("bind-address", &o.bind_address, "address the API server listens on");
  flags.add("write-kubeconfig", &o.kubeconfig, "where the kubeconfig is written (default <data-dir>/kubeconfig)");
  flags.add("node-name", &o.node_name, "name of the node (default: the host's name)");
  flags.add("node-ip", &o.node_ip, "address of the node (default: that of the default route)");
  flags.add("service-cluster-ip-range", &o.apiserver.service_cluster_ip_range, "cluster IPs of services");
  flags.add("cluster-cidr", &o.cluster_cidr, "addresses of pods");
  o.store.add_to(flags);
  flags.add("token-auth-file", &f.token_auth_file, "CSV file with tokens: token,user,uid[,\"group1,group2\"]");
  flags.add("anonymous-auth", &o.apiserver.anonymous_auth, "serve requests without credentials as system:anonymous");
  flags.add("enable-admission-plugins", &o.apiserver.enable_admission_plugins, "admission plugins beside the default ones");
  flags.add("disable-admission-plugins", &o.apiserver.disable_admission_plugins, "default admission plugins to leave out");
  flags.add("verbose", &f.verbose, "log more");
  TRY(flags.parse(args));
  f.help = flags.help_wanted();
  if (f.help) std::fputs(flags.help().c_str(), stdout);
  if (!f.token_auth_file.empty()) o.apiserver.token_auth_file = TRY(read_file(f.token_auth_file));
  return f;
}

}  // namespace

int run_up(std::vector<std::string> args) {
  auto flags = parse(args);
  if (!flags) {
    std::fprintf(stderr, "keelson up: %s\n", flags.error().message.c_str());
    return 2;
  }
  if (flags->help) return 0;
  const unsigned cores = std::max(2u, std::thread::hardware_concurrency());
  net::IoPool pool(cores, cores);
  pool.start();
  net::AsioClock clock;
  AllInOne all(flags->options, pool, clock, Logger::to_stderr(flags->verbose ? LogLevel::kDebug : LogLevel::kInfo));
  const int rc = run_until_signal("up", pool, [&all] { return all.start(); }, [&all] { return all.stop(); }, &all.failed());
  if (!all.failure().empty()) std::fprintf(stderr, "keelson up: %s\n", all.failure().c_str());
  pool.stop();
  return rc;
}

}  // namespace keelson::cmd
