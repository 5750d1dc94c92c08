// The messages of the Container Runtime Interface (CRI v1, package runtime.v1) that the kubelet uses, as
// plain structs. Each lists its fields with their numbers in visit() (kubelet/cri/wire.h); what is not listed
// is skipped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kubelet/cri/wire.h"

namespace keelson::kubelet::cri {

// Declares visit() for a message: CRI_FIELDS(Type, v(1, s.a); v(2, s.b);)
#define CRI_FIELDS(Type, ...)                    \
  friend void visit(Encoder& v, const Type& s) { \
    __VA_ARGS__                                  \
  }                                              \
  friend void visit(Decoder& v, Type& s) {       \
    __VA_ARGS__                                  \
  }

struct Int64Value {
  std::int64_t value = 0;
  CRI_FIELDS(Int64Value, v(1, s.value);)
};
struct Empty {
  friend void visit(Encoder&, const Empty&) {}
  friend void visit(Decoder&, Empty&) {}
};

// --- pod sandboxes ---

enum class NamespaceMode { kPod = 0, kContainer = 1, kNode = 2, kTarget = 3 };

struct NamespaceOption {
  NamespaceMode network = NamespaceMode::kPod, pid = NamespaceMode::kPod, ipc = NamespaceMode::kPod;
  std::string target_id;
  CRI_FIELDS(NamespaceOption, v(1, s.network); v(2, s.pid); v(3, s.ipc); v(4, s.target_id);)
};
struct SecurityProfile {
  enum class Type { kRuntimeDefault = 0, kUnconfined = 1, kLocalhost = 2 };
  Type profile_type = Type::kRuntimeDefault;
  std::string localhost_ref;
  CRI_FIELDS(SecurityProfile, v(1, s.profile_type); v(2, s.localhost_ref);)
};
struct LinuxContainerResources {
  std::int64_t cpu_period = 0, cpu_quota = 0, cpu_shares = 0, memory_limit_in_bytes = 0, oom_score_adj = 0;
  CRI_FIELDS(LinuxContainerResources, v(1, s.cpu_period); v(2, s.cpu_quota); v(3, s.cpu_shares);
             v(4, s.memory_limit_in_bytes); v(5, s.oom_score_adj);)
};
struct LinuxSandboxSecurityContext {
  std::optional<NamespaceOption> namespace_options;
  std::optional<Int64Value> run_as_user, run_as_group;
  bool readonly_rootfs = false, privileged = false;
  std::vector<std::int64_t> supplemental_groups;
  std::optional<SecurityProfile> seccomp;
  CRI_FIELDS(LinuxSandboxSecurityContext, v(1, s.namespace_options); v(3, s.run_as_user);
             v(4, s.readonly_rootfs); v(5, s.supplemental_groups); v(6, s.privileged); v(8, s.run_as_group);
             v(9, s.seccomp);)
};
struct LinuxPodSandboxConfig {
  std::string cgroup_parent;
  LinuxSandboxSecurityContext security_context;
  StringMap sysctls;
  std::optional<LinuxContainerResources> resources;
  CRI_FIELDS(LinuxPodSandboxConfig, v(1, s.cgroup_parent); v(2, s.security_context); v(3, s.sysctls);
             v(5, s.resources);)
};
struct PodSandboxMetadata {
  std::string name, uid, namespace_;
  std::uint32_t attempt = 0;
  CRI_FIELDS(PodSandboxMetadata, v(1, s.name); v(2, s.uid); v(3, s.namespace_); v(4, s.attempt);)
};
struct DnsConfig {
  std::vector<std::string> servers, searches, options;
  CRI_FIELDS(DnsConfig, v(1, s.servers); v(2, s.searches); v(3, s.options);)
};
struct PortMapping {
  enum class Protocol { kTcp = 0, kUdp = 1, kSctp = 2 };
  Protocol protocol = Protocol::kTcp;
  std::int32_t container_port = 0, host_port = 0;
  std::string host_ip;
  CRI_FIELDS(PortMapping, v(1, s.protocol); v(2, s.container_port); v(3, s.host_port); v(4, s.host_ip);)
};
struct PodSandboxConfig {
  PodSandboxMetadata metadata;
  std::string hostname, log_directory;
  std::optional<DnsConfig> dns_config;
  std::vector<PortMapping> port_mappings;
  StringMap labels, annotations;
  LinuxPodSandboxConfig linux_config;
  CRI_FIELDS(PodSandboxConfig, v(1, s.metadata); v(2, s.hostname); v(3, s.log_directory); v(4, s.dns_config);
             v(5, s.port_mappings); v(6, s.labels); v(7, s.annotations); v(8, s.linux_config);)
};
struct RunPodSandboxRequest {
  PodSandboxConfig config;
  CRI_FIELDS(RunPodSandboxRequest, v(1, s.config);)
};
// RunPodSandboxResponse, CreateContainerResponse, PullImageResponse, ExecResponse …: one string.
struct OneString {
  std::string value;
  CRI_FIELDS(OneString, v(1, s.value);)
};
struct SandboxStatusRequest {
  std::string id;
  bool verbose = false;
  CRI_FIELDS(SandboxStatusRequest, v(1, s.id); v(2, s.verbose);)
};

enum class SandboxState { kReady = 0, kNotReady = 1 };

struct PodIp {
  std::string ip;
  CRI_FIELDS(PodIp, v(1, s.ip);)
};
struct SandboxNetworkStatus {
  std::string ip;
  std::vector<PodIp> additional_ips;
  CRI_FIELDS(SandboxNetworkStatus, v(1, s.ip); v(2, s.additional_ips);)
};
struct PodSandboxStatus {
  std::string id;
  PodSandboxMetadata metadata;
  SandboxState state = SandboxState::kReady;
  std::int64_t created_at = 0;  // Unix nanoseconds
  SandboxNetworkStatus network;
  StringMap labels, annotations;
  CRI_FIELDS(PodSandboxStatus, v(1, s.id); v(2, s.metadata); v(3, s.state); v(4, s.created_at);
             v(5, s.network); v(7, s.labels); v(8, s.annotations);)
};
struct PodSandboxStatusResponse {
  PodSandboxStatus status;
  CRI_FIELDS(PodSandboxStatusResponse, v(1, s.status);)
};
struct PodSandbox {
  std::string id;
  PodSandboxMetadata metadata;
  SandboxState state = SandboxState::kReady;
  std::int64_t created_at = 0;
  StringMap labels, annotations;
  CRI_FIELDS(PodSandbox, v(1, s.id); v(2, s.metadata); v(3, s.state); v(4, s.created_at); v(5, s.labels);
             v(6, s.annotations);)
};
// PodSandboxFilter in ListPodSandboxRequest, ContainerFilter in ListContainersRequest: by labels only.
struct SandboxFilter {
  StringMap label_selector;
  CRI_FIELDS(SandboxFilter, v(3, s.label_selector);)
};
struct ListPodSandboxRequest {
  SandboxFilter filter;
  CRI_FIELDS(ListPodSandboxRequest, v(1, s.filter);)
};
struct ContainerFilter {
  StringMap label_selector;
  CRI_FIELDS(ContainerFilter, v(4, s.label_selector);)
};
struct ListContainersRequest {
  ContainerFilter filter;
  CRI_FIELDS(ListContainersRequest, v(1, s.filter);)
};
struct ListPodSandboxResponse {
  std::vector<PodSandbox> items;
  CRI_FIELDS(ListPodSandboxResponse, v(1, s.items);)
};

// --- containers ---

struct ImageSpec {
  std::string image;
  CRI_FIELDS(ImageSpec, v(1, s.image);)
};
struct KeyValue {
  std::string key, value;
  CRI_FIELDS(KeyValue, v(1, s.key); v(2, s.value);)
};
enum class MountPropagation { kPrivate = 0, kHostToContainer = 1, kBidirectional = 2 };
struct Mount {
  std::string container_path, host_path;
  bool readonly = false, selinux_relabel = false;
  MountPropagation propagation = MountPropagation::kPrivate;
  CRI_FIELDS(Mount, v(1, s.container_path); v(2, s.host_path); v(3, s.readonly); v(4, s.selinux_relabel);
             v(5, s.propagation);)
};
struct Capability {
  std::vector<std::string> add, drop;
  CRI_FIELDS(Capability, v(1, s.add); v(2, s.drop);)
};
struct LinuxContainerSecurityContext {
  std::optional<Capability> capabilities;
  bool privileged = false, readonly_rootfs = false, no_new_privs = false;
  std::optional<NamespaceOption> namespace_options;
  std::optional<Int64Value> run_as_user, run_as_group;
  std::string run_as_username;
  std::vector<std::int64_t> supplemental_groups;
  std::vector<std::string> masked_paths, readonly_paths;
  std::optional<SecurityProfile> seccomp;
  CRI_FIELDS(LinuxContainerSecurityContext, v(1, s.capabilities); v(2, s.privileged);
             v(3, s.namespace_options); v(5, s.run_as_user); v(6, s.run_as_username); v(7, s.readonly_rootfs);
             v(8, s.supplemental_groups); v(11, s.no_new_privs); v(12, s.run_as_group); v(13, s.masked_paths);
             v(14, s.readonly_paths); v(15, s.seccomp);)
};
struct LinuxContainerConfig {
  LinuxContainerResources resources;
  LinuxContainerSecurityContext security_context;
  CRI_FIELDS(LinuxContainerConfig, v(1, s.resources); v(2, s.security_context);)
};
struct ContainerMetadata {
  std::string name;
  std::uint32_t attempt = 0;
  CRI_FIELDS(ContainerMetadata, v(1, s.name); v(2, s.attempt);)
};
struct ContainerConfig {
  ContainerMetadata metadata;
  ImageSpec image;
  std::vector<std::string> command, args;
  std::string working_dir;
  std::vector<KeyValue> envs;
  std::vector<Mount> mounts;
  StringMap labels, annotations;
  std::string log_path;
  bool stdin_open = false, stdin_once = false, tty = false;
  LinuxContainerConfig linux_config;
  CRI_FIELDS(ContainerConfig, v(1, s.metadata); v(2, s.image); v(3, s.command); v(4, s.args);
             v(5, s.working_dir); v(6, s.envs); v(7, s.mounts); v(9, s.labels); v(10, s.annotations);
             v(11, s.log_path); v(12, s.stdin_open); v(13, s.stdin_once); v(14, s.tty);
             v(15, s.linux_config);)
};
struct CreateContainerRequest {
  std::string pod_sandbox_id;
  ContainerConfig config;
  PodSandboxConfig sandbox_config;
  CRI_FIELDS(CreateContainerRequest, v(1, s.pod_sandbox_id); v(2, s.config); v(3, s.sandbox_config);)
};
struct StopContainerRequest {
  std::string container_id;
  std::int64_t timeout = 0;  // seconds
  CRI_FIELDS(StopContainerRequest, v(1, s.container_id); v(2, s.timeout);)
};

enum class ContainerState { kCreated = 0, kRunning = 1, kExited = 2, kUnknown = 3 };

struct Container {
  std::string id, pod_sandbox_id;
  ContainerMetadata metadata;
  ImageSpec image;
  std::string image_ref;
  ContainerState state = ContainerState::kCreated;
  std::int64_t created_at = 0;
  StringMap labels, annotations;
  CRI_FIELDS(Container, v(1, s.id); v(2, s.pod_sandbox_id); v(3, s.metadata); v(4, s.image);
             v(5, s.image_ref); v(6, s.state); v(7, s.created_at); v(8, s.labels); v(9, s.annotations);)
};
struct ListContainersResponse {
  std::vector<Container> containers;
  CRI_FIELDS(ListContainersResponse, v(1, s.containers);)
};
struct ContainerStatus {
  std::string id;
  ContainerMetadata metadata;
  ContainerState state = ContainerState::kCreated;
  std::int64_t created_at = 0, started_at = 0, finished_at = 0;  // Unix nanoseconds
  std::int32_t exit_code = 0;
  ImageSpec image;
  std::string image_ref, reason, message;
  StringMap labels, annotations;
  std::vector<Mount> mounts;
  std::string log_path;
  CRI_FIELDS(ContainerStatus, v(1, s.id); v(2, s.metadata); v(3, s.state); v(4, s.created_at);
             v(5, s.started_at); v(6, s.finished_at); v(7, s.exit_code); v(8, s.image); v(9, s.image_ref);
             v(10, s.reason); v(11, s.message); v(12, s.labels); v(13, s.annotations); v(14, s.mounts);
             v(15, s.log_path);)
};
struct ContainerStatusResponse {
  ContainerStatus status;
  CRI_FIELDS(ContainerStatusResponse, v(1, s.status);)
};

// --- exec and streaming ---

struct ExecSyncRequest {
  std::string container_id;
  std::vector<std::string> cmd;
  std::int64_t timeout = 0;  // seconds
  CRI_FIELDS(ExecSyncRequest, v(1, s.container_id); v(2, s.cmd); v(3, s.timeout);)
};
struct ExecSyncResponse {
  std::string out, err;
  std::int32_t exit_code = 0;
  CRI_FIELDS(ExecSyncResponse, v(1, s.out); v(2, s.err); v(3, s.exit_code);)
};
struct ExecRequest {
  std::string container_id;
  std::vector<std::string> cmd;
  bool tty = false, in = false, out = false, err = false;
  CRI_FIELDS(ExecRequest, v(1, s.container_id); v(2, s.cmd); v(3, s.tty); v(4, s.in); v(5, s.out);
             v(6, s.err);)
};
struct AttachRequest {
  std::string container_id;
  bool in = false, tty = false, out = false, err = false;
  CRI_FIELDS(AttachRequest, v(1, s.container_id); v(2, s.in); v(3, s.tty); v(4, s.out); v(5, s.err);)
};
struct PortForwardRequest {
  std::string pod_sandbox_id;
  std::vector<std::int32_t> port;
  CRI_FIELDS(PortForwardRequest, v(1, s.pod_sandbox_id); v(2, s.port);)
};

// --- images ---

struct Image {
  std::string id;
  std::vector<std::string> repo_tags, repo_digests;
  std::uint64_t size = 0;
  std::optional<Int64Value> uid;
  std::string username;
  bool pinned = false;
  CRI_FIELDS(Image, v(1, s.id); v(2, s.repo_tags); v(3, s.repo_digests); v(4, s.size); v(5, s.uid);
             v(6, s.username); v(8, s.pinned);)
};
struct ImageRequest {  // ImageStatusRequest, PullImageRequest, RemoveImageRequest
  ImageSpec image;
  CRI_FIELDS(ImageRequest, v(1, s.image);)
};
struct ImageStatusResponse {
  std::optional<Image> image;
  CRI_FIELDS(ImageStatusResponse, v(1, s.image);)
};
struct ListImagesResponse {
  std::vector<Image> images;
  CRI_FIELDS(ListImagesResponse, v(1, s.images);)
};

// --- runtime ---

struct VersionResponse {
  std::string version, runtime_name, runtime_version, runtime_api_version;
  CRI_FIELDS(VersionResponse, v(1, s.version); v(2, s.runtime_name); v(3, s.runtime_version);
             v(4, s.runtime_api_version);)
};
struct RuntimeCondition {
  std::string type;
  bool status = false;
  std::string reason, message;
  CRI_FIELDS(RuntimeCondition, v(1, s.type); v(2, s.status); v(3, s.reason); v(4, s.message);)
};
struct RuntimeStatus {
  std::vector<RuntimeCondition> conditions;
  CRI_FIELDS(RuntimeStatus, v(1, s.conditions);)
};
struct StatusResponse {
  RuntimeStatus status;
  CRI_FIELDS(StatusResponse, v(1, s.status);)
};

#undef CRI_FIELDS

}  // namespace keelson::kubelet::cri
