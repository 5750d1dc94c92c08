// RuntimeAccess: what the kubelet's HTTPS API (kubelet/server/) needs to know about pods and to ask of the
// container runtime. Implemented by the kubelet's core over its pod cache and CRI; faked in tests.
//
// Thread rule: all methods may be called from any executor, several at once.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/task.h"

namespace keelson::kubelet {

// A container of a pod as named in URLs. `uid` is empty when the caller did not say; when given it must
// match.
struct ContainerRef {
  std::string namespace_;
  std::string pod;
  std::string uid;
  std::string container;  // empty: the pod's only (or first) container
};

struct ContainerView {
  std::string id;    // CRI container id, without "containerd://"
  std::string name;  // the container's name in the pod spec
  std::string
      log_path;  // the file the runtime writes now; after rotation a new file appears at the same path
  bool running = false;
  bool tty = false;
  bool stdin_open = false;  // the container spec has stdin: true
};

struct PodView {
  std::string sandbox_id;  // CRI pod sandbox id
  std::string ip;          // empty while the pod has none; the node's own for hostNetwork pods
};

// The streams that an exec or attach asks for. `err` is never set together with `tty`.
struct StreamChoice {
  bool in = false;
  bool out = false;
  bool err = false;
  bool tty = false;
};

class RuntimeAccess {
 public:
  virtual ~RuntimeAccess() = default;

  // The pods bound to this node as a JSON v1.PodList (GET /pods).
  virtual Task<Result<std::string>> pods_json() = 0;

  // The container's newest instance, or, when `previous`, the one before it. Also init and ephemeral
  // containers. kNotFound: `pod "x" not found` (404), `container "c" not found in pod "x"`; kInvalidArgument
  // (400 with this text, as kubectl shows it): `container "c" in pod "x" is waiting to start: REASON`,
  // `previous terminated container "c" in pod "x" not found`.
  virtual Task<Result<ContainerView>> find_container(ContainerRef ref, bool previous) = 0;

  // Whether the container still runs; false as well when the runtime no longer knows it. Called twice a
  // second or so while a log is followed: answer from the runtime's event cache where there is one.
  virtual Task<Result<bool>> is_running(std::string container_id) = 0;

  // kNotFound when no such pod runs here.
  virtual Task<Result<PodView>> find_pod(std::string namespace_, std::string pod, std::string uid) = 0;

  // CRI Exec, Attach and PortForward: the URL of the runtime's streaming server, good for one connection.
  virtual Task<Result<std::string>> exec_url(std::string container_id, std::vector<std::string> command,
                                             StreamChoice streams) = 0;
  virtual Task<Result<std::string>> attach_url(std::string container_id, StreamChoice streams) = 0;
  virtual Task<Result<std::string>> port_forward_url(std::string sandbox_id,
                                                     std::vector<std::int32_t> ports) = 0;
};

}  // namespace keelson::kubelet
