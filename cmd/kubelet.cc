// keelson kubelet: a node in a process of its own, with kube-kubelet's flags where they exist there.
#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "base/flags.h"
#include "cmd/command.h"
#include "cmd/component_client.h"
#include "cmd/kubelet_host.h"
#include "cmd/node_address.h"
#include "cmd/pki.h"
#include "cmd/run_until_signal.h"
#include "net/asio_clock.h"
#include "net/io_pool.h"

namespace keelson::cmd {
namespace {

struct Settings {
  ComponentClientFlags client;
  KubeletHostOptions host;
  std::string cert_file, key_file, client_ca_file;
  std::vector<std::string> labels;
  int port = 10250;
  bool verbose = false;
};

void add_flags(FlagSet& flags, Settings& s) {
  auto& k = s.host.kubelet;
  k.data_dir = "/var/lib/keelson";
  s.client.add_to(flags);
  flags.add("data-dir", &k.data_dir, "where containers, volumes and logs live");
  flags.add("hostname-override", &k.node_name, "name of the node (default: the host's name)");
  flags.add("node-ip", &k.node_ip, "address of the node (default: that of the default route)");
  flags.add("address", &s.host.listen_address, "address the kubelet's API listens on (default: the node's)");
  flags.add("port", &s.port, "port of the kubelet's API");
  flags.add("pod-cidr", &k.pod_cidr, "addresses of this node's pods");
  flags.add("max-pods", &k.max_pods, "pods this node takes");
  flags.add("cluster-dns", &k.cluster_dns, "name servers of pods with dnsPolicy ClusterFirst");
  flags.add("cluster-domain", &k.cluster_domain, "domain of services");
  flags.add("node-labels", &s.labels, "labels to put on the node: key=value");
  flags.add("tls-cert-file", &s.cert_file, "serving certificate (default: from <data-dir>/pki)");
  flags.add("tls-private-key-file", &s.key_file, "its key");
  flags.add("client-ca-file", &s.client_ca_file, "CA of those who may use the kubelet's API");
  flags.add("verbose", &s.verbose, "log more");
}

Result<void> complete(Settings& s, Clock& clock) {
  auto& k = s.host.kubelet;
  k.data_dir = std::filesystem::absolute(k.data_dir).lexically_normal().string();
  if (k.node_name.empty()) k.node_name = host_name();
  if (k.node_ip.empty()) k.node_ip = default_address();
  if (s.host.listen_address.empty()) s.host.listen_address = k.node_ip;
  k.port = static_cast<std::uint16_t>(s.port);
  for (const auto& label : s.labels) {
    const auto eq = label.find('=');
    if (eq == std::string::npos)
      return fail(Code::kInvalidArgument, "--node-labels wants key=value, not " + label);
    k.node_labels[label.substr(0, eq)] = label.substr(eq + 1);
  }
  if (s.cert_file.empty()) {
    const auto pki = TRY(ensure_pki({k.data_dir + "/pki", {k.node_ip}, {k.node_name}, k.node_name}, clock));
    s.host.tls = {pki.kubelet_server.certificate_pem, pki.kubelet_server.key_pem, pki.ca_pem, false};
  } else {
    s.host.tls.certificate_chain_pem = TRY(read_file(s.cert_file));
    s.host.tls.private_key_pem = TRY(read_file(s.key_file));
  }
  if (!s.client_ca_file.empty()) s.host.tls.client_ca_pem = TRY(read_file(s.client_ca_file));
  return {};
}

int run(Settings s) {
  const Logger logger = Logger::to_stderr(s.verbose ? LogLevel::kDebug : LogLevel::kInfo);
  net::AsioClock clock;
  if (auto r = complete(s, clock); !r) {
    std::fprintf(stderr, "keelson kubelet: %s\n", r.error().message.c_str());
    return 2;
  }
  net::IoPool pool(1, 4);
  auto transport = make_component_client(s.client, "keelson-kubelet", pool.next(), clock, logger);
  if (!transport) {
    std::fprintf(stderr, "keelson kubelet: %s\n", transport.error().message.c_str());
    return 2;
  }
  s.host.kubelet.executor = pool.next();
  s.host.kubelet.pool = pool.workers();
  pool.start();
  KubeletHost host(s.host, **transport, pool.executors(), clock, Rng(os_entropy()), logger);
  const int rc = run_until_signal(
      "kubelet", pool, [&host] { return host.start(); }, [&host] { return host.stop(); }, nullptr);
  pool.stop();
  return rc;
}

}  // namespace

int run_kubelet(std::vector<std::string> args) {
  Settings s;
  s.host.listen_address = "";
  FlagSet flags("keelson kubelet [flags]: runs the pods that are bound to this node");
  add_flags(flags, s);
  if (auto r = flags.parse(args); !r) {
    std::fprintf(stderr, "keelson kubelet: %s\n", r.error().message.c_str());
    return 2;
  }
  if (flags.help_wanted()) {
    std::fputs(flags.help().c_str(), stdout);
    return 0;
  }
  return run(std::move(s));
}

}  // namespace keelson::cmd
