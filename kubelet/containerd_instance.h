// ContainerdInstance: keelson's own containerd, with its own root, state, socket and CNI configuration below
// the data directory; a containerd of the host is not touched. It is started detached and lives on when
// keelson dies; the next keelson adopts it by pid file and socket. It runs in the network namespace keelson
// runs in.
//
//   <data>/containerd/{root,config.toml,containerd.pid,containerd.log}
//   <data>/containerd/run/{state,containerd.sock} <data>/cni/{net.d,ipam}
//
// Where <data> is too long for a unix socket's path, `run` is /run/keelson-<digest of the path> instead.
// Thread rule: one caller at a time; work that blocks is done on `pool`.
#pragma once

#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/task.h"

namespace keelson::kubelet {

struct ContainerdOptions {
  std::string data_dir;  // absolute
  std::string pod_cidr = "10.22.0.0/16";
  std::string bridge = "keelson0";
  Executor pool{};  // threads that may block
};

// What this host lacks to run pods, one line each, naming the Debian package or the step that helps. Empty:
// nothing.
std::vector<std::string> missing_for_containers();

class ContainerdInstance {
 public:
  ContainerdInstance(ContainerdOptions options, Clock& clock, Logger logger);

  // Adopts the running instance or starts one, waits until its socket answers, and imports the built-in
  // images. kFailedPrecondition with all of missing_for_containers() when the host cannot run pods;
  // kUnavailable when containerd does not come up (the message ends with the last lines of its log).
  Task<Result<void>> start();
  // True while the process is there. Reaps it when it was our child and has ended.
  bool alive();
  // Ends containerd (SIGTERM, then SIGKILL) and removes the bridge. Containers must have been removed through
  // CRI before.
  Task<Result<void>> shut_down();

  // "unix:/…/containerd.sock"
  std::string origin() const { return "unix:" + run_dir_ + "/containerd.sock"; }
  const std::string& socket_path() const { return socket_; }

 private:
  Result<void> prepare_files();
  Result<bool> adopt();
  Result<void> spawn();
  Result<void> import_images();
  Result<void> import_image(const std::string& name, const std::string& tarball);
  std::string config_toml() const;
  std::string cni_conflist() const;
  std::string last_log_lines() const;

  const ContainerdOptions options_;
  Clock& clock_;
  Logger log_;
  std::string dir_;      // <data>/containerd
  std::string run_dir_;  // sockets and state, gone after a reboot
  std::string socket_;
  int pid_ = 0;
  bool child_ = false;
};

}  // namespace keelson::kubelet
