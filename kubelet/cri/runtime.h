// Runtime: the container runtime as the kubelet sees it (CRI v1). cri/grpc_runtime.h speaks to a real one,
// tests fake it. Errors carry the runtime's gRPC code and text (kNotFound for what does not exist). Thread
// rule: all methods may be called from any executor, several at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/task.h"
#include "kubelet/cri/types.h"

namespace keelson::kubelet::cri {

// The labels by which sandboxes and containers are recognised as ours (upstream's names, which crictl shows
// too).
inline constexpr const char* kLabelPodName = "io.kubernetes.pod.name";
inline constexpr const char* kLabelPodNamespace = "io.kubernetes.pod.namespace";
inline constexpr const char* kLabelPodUid = "io.kubernetes.pod.uid";
inline constexpr const char* kLabelContainerName = "io.kubernetes.container.name";

class Runtime {
 public:
  virtual ~Runtime() = default;

  virtual Task<Result<VersionResponse>> version() = 0;
  virtual Task<Result<StatusResponse>> status() = 0;

  // Creates and starts a sandbox, networking included; its id. Takes up to minutes on a loaded host.
  virtual Task<Result<std::string>> run_sandbox(PodSandboxConfig config) = 0;
  // Both are idempotent: what does not exist is a success.
  virtual Task<Result<void>> stop_sandbox(std::string id) = 0;
  virtual Task<Result<void>> remove_sandbox(std::string id) = 0;
  virtual Task<Result<PodSandboxStatus>> sandbox_status(std::string id) = 0;
  // Those of one pod (by its uid label), or all when `pod_uid` is empty.
  virtual Task<Result<std::vector<PodSandbox>>> list_sandboxes(std::string pod_uid) = 0;

  virtual Task<Result<std::string>> create_container(CreateContainerRequest request) = 0;
  virtual Task<Result<void>> start_container(std::string id) = 0;
  // SIGTERM, after `grace_s` SIGKILL; returns when the container has ended. Idempotent.
  virtual Task<Result<void>> stop_container(std::string id, std::int64_t grace_s) = 0;
  virtual Task<Result<void>> remove_container(std::string id) = 0;
  virtual Task<Result<std::vector<Container>>> list_containers(std::string pod_uid) = 0;
  virtual Task<Result<ContainerStatus>> container_status(std::string id) = 0;
  virtual Task<Result<void>> reopen_log(std::string container_id) = 0;

  virtual Task<Result<ExecSyncResponse>> exec_sync(std::string container_id, std::vector<std::string> command,
                                                   std::int64_t timeout_s) = 0;
  virtual Task<Result<std::string>> exec_url(ExecRequest request) = 0;
  virtual Task<Result<std::string>> attach_url(AttachRequest request) = 0;
  virtual Task<Result<std::string>> port_forward_url(PortForwardRequest request) = 0;

  // Null image: not present.
  virtual Task<Result<std::optional<Image>>> image_status(std::string image) = 0;
  // The pulled image's reference (its id). May take minutes.
  virtual Task<Result<std::string>> pull_image(std::string image) = 0;
  virtual Task<Result<std::vector<Image>>> list_images() = 0;
  virtual Task<Result<void>> remove_image(std::string image) = 0;
};

// "NotFound", "DeadlineExceeded" …: a code as gRPC spells it in messages.
std::string grpc_code(Code code);

// A runtime over gRPC at `origin` ("unix:/path"). Connects on first use and again after the runtime
// restarted. `clock` outlives it.
std::unique_ptr<Runtime> connect_runtime(std::string origin, Executor ex, Clock& clock, Logger logger);

}  // namespace keelson::kubelet::cri
