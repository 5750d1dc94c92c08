// KubeletHost: everything that makes this process a node: our containerd, the kubelet over it, and the
// kubelet's HTTPS API. `keelson kubelet` has one, `keelson up` another. Containers live on after stop();
// remove_node() ends them. Thread rule: one owner, one call at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "client/transport.h"
#include "kubelet/containerd_instance.h"
#include "kubelet/kubelet.h"
#include "kubelet/server/kubelet_api.h"
#include "net/server.h"

namespace keelson::cmd {

struct KubeletHostOptions {
  kubelet::KubeletOptions kubelet;  // port: where the API listens
  std::string listen_address = "127.0.0.1";
  net::TlsServerConfig tls;  // client_ca_pem: who may use the kubelet's API (see kubelet_host.cc)
};

class KubeletHost {
 public:
  // `transport` carries the node's identity; it, `clock` and the executors outlive the host.
  KubeletHost(KubeletHostOptions options, client::Transport& transport, std::vector<Executor> executors,
              Clock& clock, Rng rng, Logger logger);
  ~KubeletHost();  // REQUIRES: stop() has returned, or start() was never called.

  // Starts or adopts containerd, then the kubelet and its API. kFailedPrecondition says what this host lacks.
  Task<Result<void>> start();
  Task<> stop();

 private:
  Task<> watch_containerd();

  KubeletHostOptions options_;
  client::Transport& transport_;
  std::vector<Executor> executors_;
  Clock& clock_;
  Rng rng_;
  Logger log_;
  kubelet::ContainerdInstance containerd_;
  std::unique_ptr<kubelet::cri::Runtime> runtime_;
  std::unique_ptr<kubelet::Kubelet> kubelet_;
  std::unique_ptr<kubelet::KubeletApi> api_;
  std::unique_ptr<net::Server> server_;
  TaskGroup tasks_;
};

// What `keelson cleanup` does once no keelson runs: ends all pods (`grace_s`), our containerd and the bridge,
// removes volumes and cgroups. A data directory without containerd is left alone. What fails is logged.
Task<> remove_node(std::string data_dir, std::int64_t grace_s, Executor ex, Executor pool, Clock& clock,
                   Logger logger);

}  // namespace keelson::cmd
