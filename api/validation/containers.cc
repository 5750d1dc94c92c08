#include <algorithm>
#include <set>

#include "api/gen/core_v1.h"
#include "api/validation/kinds.h"

namespace keelson::api::validation {
namespace {

namespace core = core_v1;

std::string_view trim_space(std::string_view s) {
  const auto is_space = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

template <class C>
void container_ports(ErrorList& errors, C c, const Path& path) {
  std::set<std::string_view> names;
  std::size_t i = 0;
  for (core::ContainerPort p : c.ports()) {
    const auto at = path.child("ports").index(i++);
    if (!p.name().empty()) {
      const auto bad = port_name(p.name());
      add_invalid(errors, at.child("name"), p.name(), bad);
      if (bad.empty() && !names.insert(p.name()).second) errors.push_back(field::duplicate(at.child("name"), p.name()));
    }
    if (p.container_port() == 0) {
      errors.push_back(field::required(at.child("containerPort"), ""));
    } else {
      for (const auto& m : port_number(p.container_port())) errors.push_back(field::invalid(at.child("containerPort"), p.container_port(), m));
    }
    if (p.host_port() != 0) {
      for (const auto& m : port_number(p.host_port())) errors.push_back(field::invalid(at.child("hostPort"), p.host_port(), m));
    }
    if (p.protocol().empty()) {
      errors.push_back(field::required(at.child("protocol"), ""));
    } else {
      one_of(errors, at.child("protocol"), p.protocol(), {"SCTP", "TCP", "UDP"});
    }
  }
}

void key_ref(ErrorList& errors, const Path& path, std::string_view name, std::string_view key) {
  (void)name;
  if (key.empty()) {
    errors.push_back(field::required(path.child("key"), ""));
  } else {
    add_invalid(errors, path.child("key"), key, config_map_key(key));
  }
}

void env_value_from(ErrorList& errors, core::EnvVar e, const Path& path) {
  const auto from = e.value_from();
  if (!from) return;
  int sources = 0;
  if (from.has_field_ref()) {
    ++sources;
    fields_of_env(errors, from.field_ref(), path.child("fieldRef"), false);
  }
  if (from.has_resource_field_ref()) {
    ++sources;
    resource_field(errors, from.resource_field_ref(), path.child("resourceFieldRef"), false);
  }
  if (from.has_config_map_key_ref()) {
    ++sources;
    key_ref(errors, path.child("configMapKeyRef"), from.config_map_key_ref().name(), from.config_map_key_ref().key());
  }
  if (from.has_secret_key_ref()) {
    ++sources;
    key_ref(errors, path.child("secretKeyRef"), from.secret_key_ref().name(), from.secret_key_ref().key());
  }
  if (from.has_file_key_ref()) ++sources;
  if (sources == 0) {
    errors.push_back(field::invalid(path, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"));
  } else if (!e.value().empty()) {
    errors.push_back(field::invalid(path, "", "may not be specified when `value` is not empty"));
  } else if (sources > 1) {
    errors.push_back(field::invalid(path, "", "may not have more than one field specified at a time"));
  }
}

template <class C>
void env(ErrorList& errors, C c, const Path& path) {
  std::size_t i = 0;
  for (core::EnvVar e : c.env()) {
    const auto at = path.child("env").index(i++);
    if (e.name().empty()) {
      errors.push_back(field::required(at.child("name"), ""));
    } else {
      add_invalid(errors, at.child("name"), e.name(), env_var_name(e.name()));
    }
    env_value_from(errors, e, at.child("valueFrom"));
  }
  i = 0;
  for (core::EnvFromSource e : c.env_from()) {
    const auto at = path.child("envFrom").index(i++);
    if (!e.prefix().empty()) add_invalid(errors, at.child("prefix"), e.prefix(), env_var_name(e.prefix()));
    if (e.has_config_map_ref()) required_text(errors, at.child("configMapRef").child("name"), e.config_map_ref().name());
    if (e.has_secret_ref()) required_text(errors, at.child("secretRef").child("name"), e.secret_ref().name());
    const int sources = e.has_config_map_ref() + e.has_secret_ref();
    if (sources == 0) errors.push_back(field::invalid(at, "", "must specify one of: `configMapRef` or `secretRef`"));
    if (sources > 1) errors.push_back(field::invalid(at, "", "may not have more than one field specified at a time"));
  }
}

template <class C>
void volume_mounts(ErrorList& errors, C c, const std::set<std::string_view>& volumes, const Path& path) {
  std::set<std::string_view> paths;
  std::size_t i = 0;
  for (core::VolumeMount m : c.volume_mounts()) {
    const auto at = path.child("volumeMounts").index(i++);
    if (m.name().empty()) {
      errors.push_back(field::required(at.child("name"), ""));
    }
    if (!volumes.contains(m.name())) errors.push_back(field::not_found(at.child("name"), m.name()));
    if (m.mount_path().empty()) errors.push_back(field::required(at.child("mountPath"), ""));
    if (!paths.insert(m.mount_path()).second) errors.push_back(field::invalid(at.child("mountPath"), m.mount_path(), "must be unique"));
    const auto relative = [&](std::string_view sub, const char* name) {
      if (sub.starts_with('/')) errors.push_back(field::invalid(at.child(name), sub, "must be a relative path"));
      const std::string framed = "/" + std::string(sub) + "/";
      if (framed.find("/../") != std::string::npos) errors.push_back(field::invalid(at.child(name), sub, "must not contain '..'"));
    };
    if (!m.sub_path().empty()) relative(m.sub_path(), "subPath");
    if (!m.sub_path_expr().empty()) {
      if (!m.sub_path().empty()) errors.push_back(field::invalid(at.child("subPathExpr"), m.sub_path_expr(), "subPathExpr and subPath are mutually exclusive"));
      relative(m.sub_path_expr(), "subPathExpr");
    }
    if (m.has_mount_propagation()) {
      one_of(errors, at.child("mountPropagation"), m.mount_propagation(), {"Bidirectional", "HostToContainer", "None"});
    }
  }
}

// What init, ephemeral and regular containers have in common, in upstream's order.
template <class C>
void common(ErrorList& errors, C c, core::PodSpec spec, const std::set<std::string_view>& volumes, const Path& path,
            const PodContext& context) {
  if (c.name().empty()) {
    errors.push_back(field::required(path.child("name"), ""));
  } else {
    add_invalid(errors, path.child("name"), c.name(), dns1123_label(c.name()));
  }
  if (c.image().empty()) {
    errors.push_back(field::required(path.child("image"), ""));
  } else if (trim_space(c.image()).size() != c.image().size()) {
    errors.push_back(field::invalid(path.child("image"), c.image(), "must not have leading or trailing whitespace"));
  }
  if (c.termination_message_policy().empty()) {
    errors.push_back(field::required(path.child("terminationMessagePolicy"), ""));
  } else {
    one_of(errors, path.child("terminationMessagePolicy"), c.termination_message_policy(), {"File", "FallbackToLogsOnError"});
  }
  container_ports(errors, c, path);
  env(errors, c, path);
  volume_mounts(errors, c, volumes, path);
  if (c.image_pull_policy().empty()) {
    errors.push_back(field::required(path.child("imagePullPolicy"), ""));
  } else {
    one_of(errors, path.child("imagePullPolicy"), c.image_pull_policy(), {"Always", "IfNotPresent", "Never"});
  }
  resources(errors, c.resources(), path.child("resources"));
  security_context(errors, c.security_context(), path.child("securityContext"));
  (void)spec;
  (void)context;
}

void host_ports(ErrorList& errors, core::PodSpec spec, const Path& path) {
  std::set<std::string> seen;
  std::size_t i = 0;
  for (core::Container c : spec.containers()) {
    const auto at = path.child("containers").index(i++);
    std::size_t k = 0;
    for (core::ContainerPort p : c.ports()) {
      const auto where = at.child("ports").index(k++).child("hostPort");
      if (p.host_port() == 0) continue;
      const std::string id = std::string(p.protocol()) + "/" + std::string(p.host_ip()) + "/" + std::to_string(p.host_port());
      if (!seen.insert(id).second) errors.push_back(field::duplicate(where, id));
    }
  }
}

void liveness_success(ErrorList& errors, core::Probe p, const Path& path) {
  if (p && p.success_threshold() != 1) errors.push_back(field::invalid(path.child("successThreshold"), p.success_threshold(), "must be 1"));
}

void probes(ErrorList& errors, core::Container c, const Path& path) {
  probe(errors, c.liveness_probe(), path.child("livenessProbe"));
  liveness_success(errors, c.liveness_probe(), path.child("livenessProbe"));
  probe(errors, c.readiness_probe(), path.child("readinessProbe"));
  if (c.readiness_probe().has_termination_grace_period_seconds()) {
    errors.push_back(field::invalid(path.child("readinessProbe").child("terminationGracePeriodSeconds"),
                                    c.readiness_probe().termination_grace_period_seconds(), "must not be set for readinessProbes"));
  }
  probe(errors, c.startup_probe(), path.child("startupProbe"));
  liveness_success(errors, c.startup_probe(), path.child("startupProbe"));
}

void init_containers(ErrorList& errors, core::PodSpec spec, const std::set<std::string_view>& volumes, const Path& path,
                     const PodContext& context) {
  std::set<std::string_view> names;
  for (core::Container c : spec.containers()) names.insert(c.name());
  std::size_t i = 0;
  for (core::Container c : spec.init_containers()) {
    const auto at = path.child("initContainers").index(i++);
    common(errors, c, spec, volumes, at, context);
    if (!c.name().empty() && !names.insert(c.name()).second) errors.push_back(field::duplicate(at.child("name"), c.name()));
    if (c.restart_policy() == "Always") {
      lifecycle(errors, c.lifecycle(), at.child("lifecycle"), context.grace_period);
      probes(errors, c, at);
      continue;
    }
    const char* why = "may not be set for init containers without restartPolicy=Always";
    if (c.has_lifecycle()) errors.push_back(field::forbidden(at.child("lifecycle"), why));
    if (c.has_liveness_probe()) errors.push_back(field::forbidden(at.child("livenessProbe"), why));
    if (c.has_readiness_probe()) errors.push_back(field::forbidden(at.child("readinessProbe"), why));
    if (c.has_startup_probe()) errors.push_back(field::forbidden(at.child("startupProbe"), why));
  }
}

}  // namespace

void containers(ErrorList& errors, core::PodSpec spec, const Path& path, const PodContext& context) {
  std::set<std::string_view> volumes, names;
  for (core::Volume v : spec.volumes())
    if (volume_is_valid(v, context)) volumes.insert(v.name());
  if (spec.containers().empty()) errors.push_back(field::required(path.child("containers"), ""));
  std::size_t i = 0;
  for (core::Container c : spec.containers()) {
    const auto at = path.child("containers").index(i++);
    common(errors, c, spec, volumes, at, context);
    if (!c.name().empty() && !names.insert(c.name()).second) errors.push_back(field::duplicate(at.child("name"), c.name()));
    lifecycle(errors, c.lifecycle(), at.child("lifecycle"), context.grace_period);
    probes(errors, c, at);
  }
  host_ports(errors, spec, path);
  init_containers(errors, spec, volumes, path, context);
  i = 0;
  for (core::EphemeralContainer c : spec.ephemeral_containers()) {
    common(errors, c, spec, volumes, path.child("ephemeralContainers").index(i++), context);
  }
}

void resources(ErrorList& errors, core::ResourceRequirements r, const Path& path) {
  const auto each = [&](Map<QuantityElem> list, const char* name) {
    for (const auto& [key, q] : list) {
      const auto at = path.child(name);
      const bool native = key.find('/') == std::string_view::npos;
      if (native && key != "cpu" && key != "memory" && key != "ephemeral-storage" && !key.starts_with("hugepages-")) {
        add_invalid(errors, at, key, qualified_name(key));
        if (qualified_name(key).empty()) {
          errors.push_back(field::invalid(at, key, "must be a standard resource type or fully qualified"));
          errors.push_back(field::invalid(at, key, "must be a standard resource for containers"));
        }
      } else if (!native) {
        add_invalid(errors, at, key, qualified_name(key));
      }
      if (q.sign() < 0) errors.push_back(field::invalid(at.key(key), q.text(), "must be greater than or equal to 0"));
      if (!native && q.milli_value() % 1000 != 0) errors.push_back(field::invalid(at.key(key), field::BadValue::raw(q.text()), "must be an integer"));
    }
  };
  each(r.limits(), "limits");
  each(r.requests(), "requests");
  for (const auto& [key, q] : r.requests()) {
    const auto limit = r.limits().find(key);
    if (limit && q > *limit) {
      errors.push_back(field::invalid(path.child("requests"), q.text(),
                                      "must be less than or equal to " + std::string(key) + " limit of " + limit->text()));
    }
    if (!limit && key.find('/') != std::string_view::npos) {
      errors.push_back(field::required(path.child("limits"), "Limit must be set for non overcommitable resources"));
    }
  }
}

void security_context(ErrorList& errors, core::SecurityContext s, const Path& path) {
  if (!s) return;
  const auto id = [&](bool has, std::int64_t value, const char* name) {
    if (has && (value < 0 || value > 2147483647)) errors.push_back(field::invalid(path.child(name), value, "must be between 0 and 2147483647, inclusive"));
  };
  id(s.has_run_as_user(), s.run_as_user(), "runAsUser");
  id(s.has_run_as_group(), s.run_as_group(), "runAsGroup");
  if (s.has_proc_mount()) one_of(errors, path.child("procMount"), s.proc_mount(), {"Default", "Unmasked"});
  if (s.has_allow_privilege_escalation() && !s.allow_privilege_escalation()) {
    if (s.privileged()) {
      errors.push_back(field::invalid(path, json_value(s), "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"));
    }
    for (std::string_view c : s.capabilities().add()) {
      if (c == "CAP_SYS_ADMIN" || c == "SYS_ADMIN") {
        errors.push_back(field::invalid(path, json_value(s),
                                        "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"));
      }
    }
  }
  if (s.has_seccomp_profile()) {
    const auto p = path.child("seccompProfile");
    const auto type = s.seccomp_profile().type();
    if (type.empty()) {
      errors.push_back(field::required(p.child("type"), "type is required when seccompProfile is set"));
    } else {
      one_of(errors, p.child("type"), type, {"Localhost", "RuntimeDefault", "Unconfined"});
    }
    if (type == "Localhost" && s.seccomp_profile().localhost_profile().empty()) {
      errors.push_back(field::required(p.child("localhostProfile"), "must be set when seccomp type is Localhost"));
    }
  }
}

}  // namespace keelson::api::validation
