#include "scheduler/filters.h"

#include <algorithm>
#include <charconv>

namespace keelson::scheduler {
namespace {

namespace core = api::core_v1;

std::optional<std::int64_t> number(std::string_view text) {
  std::int64_t v = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), v);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return v;
}

// One requirement of a node selector term against a value (nullopt: the label is absent).
bool meets(core::NodeSelectorRequirement rq, std::optional<std::string_view> have) {
  const auto op = rq.operator_();
  if (op == "In") return have && rq.values().contains(*have);
  if (op == "NotIn") return !have || !rq.values().contains(*have);
  if (op == "Exists") return have.has_value();
  if (op == "DoesNotExist") return !have.has_value();
  if ((op == "Gt" || op == "Lt") && have && rq.values().size() == 1) {
    const auto a = number(*have);
    const auto b = number(rq.values()[0]);
    return a && b && (op == "Gt" ? *a > *b : *a < *b);
  }
  return false;
}

bool meets(core::NodeSelectorTerm term, core::Node node) {
  if (term.match_expressions().empty() && term.match_fields().empty()) return false;
  for (core::NodeSelectorRequirement rq : term.match_expressions()) {
    if (!meets(rq, node.metadata().labels().find(rq.key()))) return false;
  }
  for (core::NodeSelectorRequirement rq : term.match_fields()) {
    if (rq.key() != "metadata.name" || !meets(rq, node.metadata().name())) return false;
  }
  return true;
}

std::optional<Refusal> node_unschedulable(const PodInfo& pod, const NodeInfo& node) {
  if (!node.node().spec().unschedulable()) return std::nullopt;
  for (core::Toleration t : pod.pod().spec().tolerations()) {
    const bool key = t.key().empty() ? t.operator_() == "Exists" : t.key() == "node.kubernetes.io/unschedulable";
    if (key && (t.effect().empty() || t.effect() == "NoSchedule") && (t.operator_() == "Exists" || t.value().empty())) {
      return std::nullopt;
    }
  }
  return Refusal{"NodeUnschedulable", {"node(s) were unschedulable"}, false};
}

std::optional<Refusal> node_name(const PodInfo& pod, const NodeInfo& node) {
  const auto wanted = pod.pod().spec().node_name();
  if (wanted.empty() || wanted == node.object->name()) return std::nullopt;
  return Refusal{"NodeName", {"node(s) didn't match the requested node name"}, false};
}

std::optional<Refusal> taint_toleration(const PodInfo& pod, const NodeInfo& node) {
  const auto tolerations = pod.pod().spec().tolerations();
  for (core::Taint taint : node.node().spec().taints()) {
    if (taint.effect() != "NoSchedule" && taint.effect() != "NoExecute") continue;
    if (!tolerates(tolerations, taint)) return Refusal{"TaintToleration", {"node(s) had untolerated taint(s)"}, false};
  }
  return std::nullopt;
}

std::optional<Refusal> node_affinity(const PodInfo& pod, const NodeInfo& node) {
  if (matches_node_affinity(pod.pod().spec(), node)) return std::nullopt;
  return Refusal{"NodeAffinity", {"node(s) didn't match Pod's node affinity/selector"}, false};
}

std::optional<Refusal> node_ports(const PodInfo& pod, const NodeInfo& node) {
  for (const auto& p : pod.ports) {
    if (node.port_conflict(p)) {
      return Refusal{"NodePorts", {"node(s) didn't have free ports for the requested pod ports"}, true};
    }
  }
  return std::nullopt;
}

std::optional<Refusal> node_resources(const PodInfo& pod, const NodeInfo& node) {
  Refusal r{"NodeResourcesFit", {}, true};
  const Resources &want = pod.requests, &have = node.allocatable, &used = node.requested;
  if (static_cast<std::int64_t>(node.pods.size()) + 1 > have.pods) r.reasons.emplace_back("Too many pods");
  const auto need = [&r](const std::string& name, std::int64_t w, std::int64_t h, std::int64_t u) {
    if (w == 0 || w <= h - u) return;
    r.reasons.push_back("Insufficient " + name);
    if (w > h) r.resolvable = false;
  };
  need("cpu", want.milli_cpu, have.milli_cpu, used.milli_cpu);
  need("memory", want.memory, have.memory, used.memory);
  need("ephemeral-storage", want.ephemeral_storage, have.ephemeral_storage, used.ephemeral_storage);
  for (const auto& [name, w] : want.scalars) {
    const auto value = [&name](const Resources& of) {
      const auto it = of.scalars.find(name);
      return it == of.scalars.end() ? 0 : it->second;
    };
    need(name, w, value(have), value(used));
  }
  if (r.reasons.empty()) return std::nullopt;
  return r;
}

constexpr Filter kFilters[] = {
    {"NodeUnschedulable", node_unschedulable}, {"NodeName", node_name},   {"TaintToleration", taint_toleration},
    {"NodeAffinity", node_affinity},           {"NodePorts", node_ports}, {"NodeResourcesFit", node_resources},
};

}  // namespace

std::span<const Filter> default_filters() { return kFilters; }

bool matches_node_affinity(core::PodSpec spec, const NodeInfo& node) {
  const auto labels = node.node().metadata().labels();
  for (const auto& [key, value] : spec.node_selector()) {
    if (labels.find(key) != value) return false;
  }
  const auto required = spec.affinity().node_affinity().required_during_scheduling_ignored_during_execution();
  if (!required) return true;
  for (core::NodeSelectorTerm term : required.node_selector_terms()) {
    if (meets(term, node.node())) return true;
  }
  return false;
}

bool tolerates(api::List<api::StructElem<core::Toleration, core::TolerationMut>> tolerations, core::Taint taint) {
  for (core::Toleration t : tolerations) {
    if (!t.effect().empty() && t.effect() != taint.effect()) continue;
    if (!t.key().empty() && t.key() != taint.key()) continue;
    if (t.operator_() == "Exists") return true;
    if (!t.key().empty() && (t.operator_().empty() || t.operator_() == "Equal") && t.value() == taint.value()) return true;
  }
  return false;
}

}  // namespace keelson::scheduler
