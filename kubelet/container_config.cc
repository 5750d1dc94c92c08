#include "kubelet/container_config.h"

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>

#include "kubelet/cri/runtime.h"
#include "kubelet/digest.h"
#include "kubelet/expansion.h"
#include "kubelet/files.h"
#include "kubelet/resources.h"

namespace keelson::kubelet {
namespace {

using namespace api::core_v1;
namespace fs = std::filesystem;

cri::NamespaceOption namespaces_of(PodSpec spec, bool sandbox) {
  cri::NamespaceOption o;
  o.network = spec.host_network() ? cri::NamespaceMode::kNode : cri::NamespaceMode::kPod;
  o.ipc = spec.host_ipc() ? cri::NamespaceMode::kNode : cri::NamespaceMode::kPod;
  o.pid = spec.host_pid()                  ? cri::NamespaceMode::kNode
          : spec.share_process_namespace() ? cri::NamespaceMode::kPod
                                           : cri::NamespaceMode::kContainer;
  (void)sandbox;
  return o;
}

cri::SecurityProfile seccomp_of(PodSecurityContext pod, SecurityContext container) {
  const SeccompProfile p =
      container.has_seccomp_profile() ? container.seccomp_profile() : pod.seccomp_profile();
  cri::SecurityProfile out;
  out.profile_type = cri::SecurityProfile::Type::kUnconfined;
  if (p.type() == "RuntimeDefault") out.profile_type = cri::SecurityProfile::Type::kRuntimeDefault;
  if (p.type() == "Localhost") {
    out.profile_type = cri::SecurityProfile::Type::kLocalhost;
    out.localhost_ref = p.localhost_profile();
  }
  return out;
}

std::vector<std::int64_t> supplemental_groups(PodSecurityContext sc) {
  std::vector<std::int64_t> out;
  for (auto g : sc.supplemental_groups()) out.push_back(g);
  if (sc.has_fs_group()) out.push_back(sc.fs_group());
  return out;
}

cri::StringMap pod_labels(Pod pod) {
  return {{cri::kLabelPodName, std::string(pod.metadata().name())},
          {cri::kLabelPodNamespace, std::string(pod.metadata().namespace_())},
          {cri::kLabelPodUid, std::string(pod.metadata().uid())}};
}

std::expected<void, Reason> check_non_root(const ContainerInput& in,
                                           const cri::LinuxContainerSecurityContext& sc) {
  const auto pod = in.pod.spec().security_context();
  const auto own = in.container.security_context();
  if (!(own.has_run_as_non_root() ? own.run_as_non_root() : pod.run_as_non_root())) return {};
  const auto where =
      fmt::format("(pod: \"{}_{}({})\", container: {})", in.pod.metadata().name(),
                  in.pod.metadata().namespace_(), in.pod.metadata().uid(), in.container.name());
  const auto error = [&](std::string text) {
    return std::unexpected(Reason{"CreateContainerConfigError", std::move(text)});
  };
  if (sc.run_as_user) {
    if (sc.run_as_user->value == 0) return error("container's runAsUser breaks non-root policy " + where);
    return {};
  }
  if (in.image.uid && in.image.uid->value != 0) return {};
  if (!in.image.uid && !in.image.username.empty() && in.image.username != "root") {
    return error(
        fmt::format("container has runAsNonRoot and image has non-numeric user ({}), cannot verify user is "
                    "non-root {}",
                    in.image.username, where));
  }
  return error("container has runAsNonRoot and image will run as root " + where);
}

cri::LinuxContainerSecurityContext security_of(const ContainerInput& in) {
  const auto pod = in.pod.spec().security_context();
  const auto own = in.container.security_context();
  cri::LinuxContainerSecurityContext out;
  out.privileged = own.privileged();
  out.readonly_rootfs = own.read_only_root_filesystem();
  out.no_new_privs = own.has_allow_privilege_escalation() && !own.allow_privilege_escalation();
  out.namespace_options = namespaces_of(in.pod.spec(), false);
  if (own.has_run_as_user() || pod.has_run_as_user()) {
    out.run_as_user = cri::Int64Value{own.has_run_as_user() ? own.run_as_user() : pod.run_as_user()};
  }
  if (own.has_run_as_group() || pod.has_run_as_group()) {
    out.run_as_group = cri::Int64Value{own.has_run_as_group() ? own.run_as_group() : pod.run_as_group()};
  }
  // CRI takes a group only beside a user.
  if (out.run_as_group && !out.run_as_user)
    out.run_as_user = cri::Int64Value{in.image.uid ? in.image.uid->value : 0};
  out.supplemental_groups = supplemental_groups(pod);
  if (own.has_capabilities()) {
    cri::Capability caps;
    for (auto c : own.capabilities().add()) caps.add.emplace_back(c);
    for (auto c : own.capabilities().drop()) caps.drop.emplace_back(c);
    out.capabilities = std::move(caps);
  }
  if (!out.privileged) out.seccomp = seccomp_of(pod, own);
  return out;
}

cri::MountPropagation propagation_of(std::string_view name) {
  if (name == "HostToContainer") return cri::MountPropagation::kHostToContainer;
  if (name == "Bidirectional") return cri::MountPropagation::kBidirectional;
  return cri::MountPropagation::kPrivate;
}

// The host path of a subPath: inside the volume even when the volume holds symlinks; made when it is not
// there.
Result<std::string> resolve_sub_path(const std::string& volume, const std::string& sub) {
  for (const auto& part : fs::path(sub)) {
    if (part == ".." || part == "/")
      return fail(Code::kInvalidArgument, "subPath \"" + sub + "\" is not allowed");
  }
  std::error_code ec;
  const fs::path full = fs::path(volume) / sub;
  if (!fs::exists(full, ec)) TRY(make_directories(full, 0750));
  const fs::path real = fs::canonical(full, ec), root = fs::canonical(volume, ec);
  if (ec || !(real.string() + "/").starts_with(root.string() + "/")) {
    return fail(Code::kInvalidArgument, fmt::format("subPath \"{}\" is outside of volume", sub));
  }
  return real.string();
}

std::expected<std::vector<cri::Mount>, Reason> mounts_of(const ContainerInput& in, const Variables& env) {
  std::vector<cri::Mount> out;
  bool own_hosts = false;
  for (VolumeMount m : in.container.volume_mounts()) {
    auto it = in.volumes.find(std::string(m.name()));
    if (it == in.volumes.end()) {
      return std::unexpected(Reason{"CreateContainerConfigError",
                                    fmt::format("cannot find volume \"{}\" to mount into container \"{}\"",
                                                m.name(), in.container.name())});
    }
    std::string host = it->second;
    std::string sub(m.sub_path());
    if (!m.sub_path_expr().empty()) sub = expand_variables(m.sub_path_expr(), env);
    if (!sub.empty()) {
      auto path = resolve_sub_path(host, sub);
      if (!path) {
        return std::unexpected(
            Reason{"CreateContainerConfigError",
                   fmt::format("failed to prepare subPath for volumeMount \"{}\" of container \"{}\": {}",
                               m.name(), in.container.name(), path.error().message)});
      }
      host = std::move(*path);
    }
    std::string target(m.mount_path());
    if (!target.starts_with('/')) target = "/" + target;
    own_hosts |= target == "/etc/hosts";
    out.push_back({target, host, m.read_only(), false, propagation_of(m.mount_propagation())});
  }
  if (!own_hosts && !in.hosts_file.empty()) {
    out.push_back({"/etc/hosts",
                   in.hosts_file,
                   in.container.security_context().read_only_root_filesystem(),
                   false,
                   {}});
  }
  if (!in.termination_file.empty()) {
    const std::string_view path = in.container.termination_message_path();
    out.push_back(
        {std::string(path.empty() ? "/dev/termination-log" : path), in.termination_file, false, false, {}});
  }
  return out;
}

}  // namespace

std::string pod_host_name(Pod pod) {
  std::string name(pod.spec().hostname().empty() ? pod.metadata().name() : pod.spec().hostname());
  name = name.substr(0, 63);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name;
}

std::string pod_log_directory(const std::string& logs_dir, Pod pod) {
  return fmt::format("{}/{}_{}_{}", logs_dir, pod.metadata().namespace_(), pod.metadata().name(),
                     pod.metadata().uid());
}

std::string container_hash(Container container) {
  return short_digest(fmt::format("{}\n{}", container.name(), container.image()));
}

cri::PodSandboxConfig sandbox_config(const SandboxInput& in) {
  const PodSpec spec = in.pod.spec();
  cri::PodSandboxConfig c;
  c.metadata = {std::string(in.pod.metadata().name()), std::string(in.pod.metadata().uid()),
                std::string(in.pod.metadata().namespace_()), in.attempt};
  if (!spec.host_network()) c.hostname = pod_host_name(in.pod);
  c.log_directory = in.log_directory;
  c.dns_config = in.dns;
  for (Container container : spec.containers()) {
    for (ContainerPort p : container.ports()) {
      if (p.host_port() <= 0 || spec.host_network()) continue;
      const auto protocol = p.protocol() == "UDP"    ? cri::PortMapping::Protocol::kUdp
                            : p.protocol() == "SCTP" ? cri::PortMapping::Protocol::kSctp
                                                     : cri::PortMapping::Protocol::kTcp;
      c.port_mappings.push_back({protocol, p.container_port(), p.host_port(), std::string(p.host_ip())});
    }
  }
  for (auto [k, v] : in.pod.metadata().labels()) c.labels[std::string(k)] = std::string(v);
  for (const auto& [k, v] : pod_labels(in.pod)) c.labels[k] = v;
  c.annotations[kAnnotationGrace] = std::to_string(spec.termination_grace_period_seconds());
  auto& lx = c.linux_config;
  lx.cgroup_parent = in.cgroup_parent;
  lx.resources = pod_resources(spec);
  auto& sc = lx.security_context;
  sc.namespace_options = namespaces_of(spec, true);
  const auto pod_sc = spec.security_context();
  if (pod_sc.has_run_as_user()) sc.run_as_user = cri::Int64Value{pod_sc.run_as_user()};
  if (pod_sc.has_run_as_group() && sc.run_as_user) sc.run_as_group = cri::Int64Value{pod_sc.run_as_group()};
  sc.supplemental_groups = supplemental_groups(pod_sc);
  sc.seccomp = seccomp_of(pod_sc, SecurityContext());
  for (Sysctl s : pod_sc.sysctls()) lx.sysctls[std::string(s.name())] = std::string(s.value());
  for (Container container : spec.containers()) sc.privileged |= container.security_context().privileged();
  for (Container container : spec.init_containers())
    sc.privileged |= container.security_context().privileged();
  return c;
}

std::expected<cri::ContainerConfig, Reason> container_config(const ContainerInput& in) {
  const Container spec = in.container;
  Variables env;
  for (const auto& kv : in.environment) env[kv.key] = kv.value;

  cri::ContainerConfig c;
  c.metadata = {std::string(spec.name()), static_cast<std::uint32_t>(in.restart_count)};
  c.image.image = in.image.id;
  for (auto word : spec.command()) c.command.push_back(expand_variables(word, env));
  for (auto word : spec.args()) c.args.push_back(expand_variables(word, env));
  c.working_dir = spec.working_dir();
  c.envs = in.environment;
  c.labels = pod_labels(in.pod);
  c.labels[cri::kLabelContainerName] = std::string(spec.name());
  c.annotations = {{kAnnotationHash, container_hash(spec)},
                   {kAnnotationRestarts, std::to_string(in.restart_count)},
                   {kAnnotationGrace, std::to_string(in.pod.spec().termination_grace_period_seconds())},
                   {kAnnotationMessagePolicy, std::string(spec.termination_message_policy())},
                   {kAnnotationMessageFile, in.termination_file}};
  c.log_path = fmt::format("{}/{}.log", spec.name(), in.restart_count);
  c.stdin_open = spec.stdin_();
  c.stdin_once = spec.stdin_once();
  c.tty = spec.tty();
  c.linux_config.resources = container_resources(spec, qos_class(in.pod.spec()), in.node_memory);
  c.linux_config.security_context = security_of(in);
  if (auto ok = check_non_root(in, c.linux_config.security_context); !ok) return std::unexpected(ok.error());
  auto mounts = mounts_of(in, env);
  if (!mounts) return std::unexpected(mounts.error());
  c.mounts = std::move(*mounts);
  return c;
}

}  // namespace keelson::kubelet
