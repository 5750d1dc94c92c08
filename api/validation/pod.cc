#include <algorithm>
#include <set>

#include "api/gen/core_v1.h"
#include "api/validation/kinds.h"

namespace keelson::api::validation {
namespace {

namespace core = core_v1;

void dns(ErrorList& errors, core::PodSpec spec, const Path& path) {
  if (spec.dns_policy().empty()) {
    errors.push_back(field::required(path.child("dnsPolicy"), ""));
  } else {
    one_of(errors, path.child("dnsPolicy"), spec.dns_policy(), {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"});
  }
}

void dns_config(ErrorList& errors, core::PodSpec spec, const Path& path) {
  const auto config = spec.dns_config();
  const auto at = path.child("dnsConfig");
  if (spec.dns_policy() == "None") {
    if (!config) {
      errors.push_back(field::required(at, "must provide `dnsConfig` when `dnsPolicy` is None"));
      return;
    }
    if (config.nameservers().empty()) {
      errors.push_back(field::required(at.child("nameservers"), "must provide at least one DNS nameserver when `dnsPolicy` is None"));
      return;
    }
  }
  if (!config) return;
  if (config.nameservers().size() > 3) {
    errors.push_back(field::invalid(at.child("nameservers"), json_value(config.nameservers()), "must not have more than 3 nameservers"));
  }
  std::size_t i = 0;
  for (std::string_view ns : config.nameservers()) add_invalid(errors, at.child("nameservers").index(i++), ns, ip_address(ns));
  if (config.searches().size() > 32) {
    errors.push_back(field::invalid(at.child("searches"), json_value(config.searches()), "must not have more than 32 search paths"));
  }
  i = 0;
  for (std::string_view s : config.searches()) {
    const auto where = at.child("searches").index(i++);
    auto name = s;
    if (name != "." && name.ends_with('.')) name.remove_suffix(1);
    if (name != ".") add_invalid(errors, where, s, dns1123_subdomain(name));
  }
  i = 0;
  for (core::PodDNSConfigOption option : config.options()) {
    if (option.name().empty()) errors.push_back(field::required(at.child("options").index(i), "must not be empty"));
    ++i;
  }
}

void node_selector_requirement(ErrorList& errors, core::NodeSelectorRequirement r, const Path& path) {
  const auto op = r.operator_();
  if (op == "In" || op == "NotIn") {
    if (r.values().empty()) errors.push_back(field::required(path.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"));
  } else if (op == "Exists" || op == "DoesNotExist") {
    if (!r.values().empty()) {
      errors.push_back(field::forbidden(path.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
    }
  } else if (op == "Gt" || op == "Lt") {
    if (r.values().size() != 1) {
      errors.push_back(field::required(path.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'"));
    }
  } else {
    errors.push_back(field::invalid(path.child("operator"), op, "not a valid selector operator"));
  }
  add_invalid(errors, path.child("key"), r.key(), qualified_name(r.key()));
}

void node_selector_term(ErrorList& errors, core::NodeSelectorTerm t, const Path& path) {
  std::size_t i = 0;
  for (core::NodeSelectorRequirement r : t.match_expressions()) {
    node_selector_requirement(errors, r, path.child("matchExpressions").index(i++));
  }
  i = 0;
  for (core::NodeSelectorRequirement r : t.match_fields()) {
    const auto at = path.child("matchFields").index(i++);
    if (r.operator_() != "In" && r.operator_() != "NotIn") {
      errors.push_back(field::invalid(at.child("operator"), r.operator_(), "not a valid selector operator"));
    } else if (r.values().size() != 1) {
      errors.push_back(field::required(at.child("values"), "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"));
    }
    if (r.key() != "metadata.name") errors.push_back(field::invalid(at.child("key"), r.key(), "not a valid field selector key"));
  }
}

void pod_affinity_term(ErrorList& errors, core::PodAffinityTerm t, const Path& path) {
  if (t.has_label_selector()) label_selector(errors, t.label_selector(), path.child("labelSelector"));
  if (t.has_namespace_selector()) label_selector(errors, t.namespace_selector(), path.child("namespaceSelector"));
  for (std::string_view ns : t.namespaces()) add_invalid(errors, path.child("namespaces"), ns, dns1123_label(ns));
  if (t.topology_key().empty()) {
    errors.push_back(field::required(path.child("topologyKey"), "can not be empty"));
  } else {
    add_invalid(errors, path.child("topologyKey"), t.topology_key(), qualified_name(t.topology_key()));
  }
}

template <class A>
void pod_affinity(ErrorList& errors, A a, const Path& path) {
  if (!a) return;
  std::size_t i = 0;
  for (core::PodAffinityTerm t : a.required_during_scheduling_ignored_during_execution()) {
    pod_affinity_term(errors, t, path.child("requiredDuringSchedulingIgnoredDuringExecution").index(i++));
  }
  i = 0;
  for (core::WeightedPodAffinityTerm w : a.preferred_during_scheduling_ignored_during_execution()) {
    const auto at = path.child("preferredDuringSchedulingIgnoredDuringExecution").index(i++);
    if (w.weight() <= 0 || w.weight() > 100) errors.push_back(field::invalid(at.child("weight"), w.weight(), "must be in the range 1-100"));
    pod_affinity_term(errors, w.pod_affinity_term(), at.child("podAffinityTerm"));
  }
}

void host_aliases(ErrorList& errors, core::PodSpec spec, const Path& path) {
  std::size_t i = 0;
  for (core::HostAlias a : spec.host_aliases()) {
    const auto at = path.child("hostAliases").index(i++);
    add_invalid(errors, at.child("ip"), a.ip(), ip_address(a.ip()));
    std::size_t k = 0;
    for (std::string_view h : a.hostnames()) add_invalid(errors, at.child("hostnames").index(k++), h, dns1123_subdomain(h));
  }
}

void gates(ErrorList& errors, core::PodSpec spec, const Path& path) {
  std::size_t i = 0;
  for (core::PodReadinessGate g : spec.readiness_gates()) {
    const auto at = path.child("readinessGates").index(i++).child("conditionType");
    add_invalid(errors, at, g.condition_type(), qualified_name(g.condition_type()));
  }
  std::set<std::string_view> seen;
  i = 0;
  for (core::PodSchedulingGate g : spec.scheduling_gates()) {
    const auto at = path.child("schedulingGates").index(i++);
    add_invalid(errors, at, g.name(), qualified_name(g.name()));
    if (!seen.insert(g.name()).second) errors.push_back(field::duplicate(at, g.name()));
  }
}

void host_network_ports(ErrorList& errors, core::PodSpec spec, const Path& path) {
  if (!spec.host_network()) return;
  std::size_t i = 0;
  for (core::Container c : spec.containers()) {
    const auto at = path.child("containers").index(i++);
    std::size_t k = 0;
    for (core::ContainerPort p : c.ports()) {
      const auto where = at.child("ports").index(k++).child("hostPort");
      if (p.host_port() != p.container_port() && p.host_port() != 0) {
        errors.push_back(field::invalid(where, p.host_port(), "must match `containerPort` when `hostNetwork` is true"));
      }
    }
  }
}

}  // namespace

void affinity(ErrorList& errors, core::Affinity a, const Path& path) {
  if (!a) return;
  if (const auto n = a.node_affinity()) {
    const auto at = path.child("nodeAffinity");
    if (n.has_required_during_scheduling_ignored_during_execution()) {
      const auto required = n.required_during_scheduling_ignored_during_execution();
      const auto terms = at.child("requiredDuringSchedulingIgnoredDuringExecution").child("nodeSelectorTerms");
      if (required.node_selector_terms().empty()) errors.push_back(field::required(terms, "must have at least one node selector term"));
      std::size_t i = 0;
      for (core::NodeSelectorTerm t : required.node_selector_terms()) node_selector_term(errors, t, terms.index(i++));
    }
    std::size_t i = 0;
    for (core::PreferredSchedulingTerm t : n.preferred_during_scheduling_ignored_during_execution()) {
      const auto where = at.child("preferredDuringSchedulingIgnoredDuringExecution").index(i++);
      if (t.weight() <= 0 || t.weight() > 100) errors.push_back(field::invalid(where.child("weight"), t.weight(), "must be in the range 1-100"));
      node_selector_term(errors, t.preference(), where.child("preference"));
    }
  }
  pod_affinity(errors, a.pod_affinity(), path.child("podAffinity"));
  pod_affinity(errors, a.pod_anti_affinity(), path.child("podAntiAffinity"));
}

void tolerations(ErrorList& errors, List<StructElem<core::Toleration, core::TolerationMut>> list, const Path& path) {
  std::size_t i = 0;
  for (core::Toleration t : list) {
    const auto at = path.index(i++);
    if (!t.key().empty()) add_invalid(errors, at.child("key"), t.key(), qualified_name(t.key()));
    if (t.key().empty() && t.operator_() != "Exists") {
      errors.push_back(field::invalid(at.child("operator"), t.operator_(),
                                      "operator must be Exists when `key` is empty, which means \"match all values and all keys\""));
    }
    if (t.has_toleration_seconds() && t.effect() != "NoExecute") {
      errors.push_back(field::invalid(at.child("effect"), t.effect(), "effect must be 'NoExecute' when `tolerationSeconds` is set"));
    }
    const auto op = t.operator_();
    if (op.empty() || op == "Equal") {
      if (const auto bad = label_value(t.value()); !bad.empty()) errors.push_back(field::invalid(at.child("operator"), t.value(), bad.front()));
    } else if (op == "Exists") {
      if (!t.value().empty()) {
        errors.push_back(field::invalid(at.child("operator"), json_value(t), "value must be empty when `operator` is 'Exists'"));
      }
    } else {
      one_of(errors, at.child("operator"), op, {"Equal", "Exists"});
    }
    if (!t.effect().empty()) one_of(errors, at.child("effect"), t.effect(), {"NoSchedule", "PreferNoSchedule", "NoExecute"});
  }
}

void topology_spread(ErrorList& errors, core::PodSpec spec, const Path& path) {
  std::set<std::pair<std::string_view, std::string_view>> seen;
  std::size_t i = 0;
  for (core::TopologySpreadConstraint c : spec.topology_spread_constraints()) {
    const auto at = path.child("topologySpreadConstraints").index(i++);
    if (c.max_skew() <= 0) errors.push_back(field::invalid(at.child("maxSkew"), c.max_skew(), "must be greater than zero"));
    if (c.topology_key().empty()) {
      errors.push_back(field::required(at.child("topologyKey"), "can not be empty"));
    } else {
      add_invalid(errors, at.child("topologyKey"), c.topology_key(), qualified_name(c.topology_key()));
    }
    one_of(errors, at.child("whenUnsatisfiable"), c.when_unsatisfiable(), {"DoNotSchedule", "ScheduleAnyway"});
    if (!seen.insert({c.topology_key(), c.when_unsatisfiable()}).second) {
      errors.push_back(field::duplicate(at.child("{topologyKey, whenUnsatisfiable}"),
                                        "{" + std::string(c.topology_key()) + ", " + std::string(c.when_unsatisfiable()) + "}"));
    }
    if (c.has_min_domains() && c.min_domains() <= 0) errors.push_back(field::invalid(at.child("minDomains"), c.min_domains(), "must be greater than zero"));
    if (c.has_label_selector()) label_selector(errors, c.label_selector(), at.child("labelSelector"));
  }
}

void pod_security_context(ErrorList& errors, core::PodSpec spec, const Path& path) {
  const auto s = spec.security_context();
  host_network_ports(errors, spec, Path(path.text().substr(0, path.text().rfind('.'))));
  if (spec.has_share_process_namespace() && spec.share_process_namespace() && spec.host_pid()) {
    errors.push_back(field::invalid(path.child("shareProcessNamespace"), true, "ShareProcessNamespace and HostPID cannot both be enabled"));
  }
  const auto id = [&](bool has, std::int64_t value, const char* name) {
    if (has && (value < 0 || value > 2147483647)) errors.push_back(field::invalid(path.child(name), value, "must be between 0 and 2147483647, inclusive"));
  };
  id(s.has_fs_group(), s.fs_group(), "fsGroup");
  id(s.has_run_as_user(), s.run_as_user(), "runAsUser");
  id(s.has_run_as_group(), s.run_as_group(), "runAsGroup");
  std::size_t i = 0;
  for (std::int64_t g : s.supplemental_groups()) {
    if (g < 0 || g > 2147483647) errors.push_back(field::invalid(path.child("supplementalGroups").index(i), g, "must be between 0 and 2147483647, inclusive"));
    ++i;
  }
  if (s.has_fs_group_change_policy()) one_of(errors, path.child("fsGroupChangePolicy"), s.fs_group_change_policy(), {"Always", "OnRootMismatch"});
  if (s.has_supplemental_groups_policy()) one_of(errors, path.child("supplementalGroupsPolicy"), s.supplemental_groups_policy(), {"Merge", "Strict"});
  const auto base = Path(path.text().substr(0, path.text().rfind('.')));
  if (spec.has_host_users() && !spec.host_users()) {
    const char* why = "when `hostUsers` is false";
    if (spec.host_network()) errors.push_back(field::forbidden(base.child("hostNetwork"), why));
    if (spec.host_pid()) errors.push_back(field::forbidden(base.child("HostPID"), why));
    if (spec.host_ipc()) errors.push_back(field::forbidden(base.child("HostIPC"), why));
  }
}

void pod_spec(ErrorList& errors, core::PodSpec spec, const Path& path, bool is_template) {
  const PodContext context{is_template, spec.service_account_name(), spec.termination_grace_period_seconds_or(30),
                           spec.restart_policy(), spec.host_network()};
  volumes(errors, spec, path, context);
  containers(errors, spec, path, context);
  if (spec.restart_policy().empty()) {
    errors.push_back(field::required(path.child("restartPolicy"), ""));
  } else {
    one_of(errors, path.child("restartPolicy"), spec.restart_policy(), {"Always", "OnFailure", "Never"});
  }
  dns(errors, spec, path);
  labels(errors, spec.node_selector(), path.child("nodeSelector"));
  pod_security_context(errors, spec, path.child("securityContext"));
  affinity(errors, spec.affinity(), path.child("affinity"));
  dns_config(errors, spec, path);
  gates(errors, spec, path);
  topology_spread(errors, spec, path);
  if (!spec.service_account_name().empty()) {
    add_invalid(errors, path.child("serviceAccountName"), spec.service_account_name(), dns1123_subdomain(spec.service_account_name()));
  }
  if (!spec.node_name().empty()) {
    if (spec.scheduling_gates().empty()) {
      add_invalid(errors, path.child("nodeName"), spec.node_name(), dns1123_subdomain(spec.node_name()));
    } else {
      errors.push_back(field::forbidden(path.child("nodeName"), "cannot be set until all schedulingGates have been cleared"));
    }
  }
  if (spec.has_active_deadline_seconds() && (spec.active_deadline_seconds() < 1 || spec.active_deadline_seconds() > 2147483647)) {
    errors.push_back(field::invalid(path.child("activeDeadlineSeconds"), spec.active_deadline_seconds(), "must be between 1 and 2147483647, inclusive"));
  }
  if (!spec.hostname().empty()) add_invalid(errors, path.child("hostname"), spec.hostname(), dns1123_label(spec.hostname()));
  if (!spec.subdomain().empty()) add_invalid(errors, path.child("subdomain"), spec.subdomain(), dns1123_label(spec.subdomain()));
  tolerations(errors, spec.tolerations(), path.child("tolerations"));
  host_aliases(errors, spec, path);
  if (!spec.priority_class_name().empty()) {
    add_invalid(errors, path.child("priorityClassName"), spec.priority_class_name(), dns1123_subdomain(spec.priority_class_name()));
  }
  if (!spec.runtime_class_name().empty()) {
    add_invalid(errors, path.child("runtimeClassName"), spec.runtime_class_name(), dns1123_subdomain(spec.runtime_class_name()));
  }
  if (spec.has_preemption_policy()) {
    one_of(errors, path.child("preemptionPolicy"), spec.preemption_policy(), {"Never", "PreemptLowerPriority"});
  }
  if (spec.has_os()) {
    if (spec.os().name().empty()) {
      errors.push_back(field::required(path.child("os").child("name"), "cannot be empty"));
    } else {
      one_of(errors, path.child("os"), spec.os().name(), {"linux", "windows"});
    }
  }
}

void pod_template_spec(ErrorList& errors, core::PodTemplateSpec t, const Path& path) {
  labels(errors, t.metadata().labels(), path.child("labels"));
  annotations(errors, t.metadata().annotations(), path.child("annotations"));
  pod_spec(errors, t.spec(), path.child("spec"), true);
  if (!t.spec().ephemeral_containers().empty()) {
    errors.push_back(field::forbidden(path.child("spec").child("ephemeralContainers"), "ephemeral containers not allowed in pod template"));
  }
}

void pod(ErrorList& errors, const Object& o) {
  const auto spec = core::Pod::of(o).spec();
  pod_spec(errors, spec, Path("spec"), false);
  if (!spec.ephemeral_containers().empty()) {
    errors.push_back(field::forbidden(Path("spec").child("ephemeralContainers"), "cannot be set on create"));
  }
}

}  // namespace keelson::api::validation
