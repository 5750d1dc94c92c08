#include "scheduler/algorithm.h"

#include <algorithm>
#include <map>

#include "scheduler/filters.h"
#include "scheduler/scores.h"

namespace keelson::scheduler {
namespace {

// "1 a, 2 b": reasons with their counts, sorted as text.
std::string join_counts(const std::map<std::string, int>& counts) {
  std::vector<std::string> parts;
  for (const auto& [reason, n] : counts) parts.push_back(std::to_string(n) + " " + reason);
  std::ranges::sort(parts);
  std::string out;
  for (const auto& p : parts) out += (out.empty() ? "" : ", ") + p;
  return out;
}

bool has_lower_priority_pods(const PodInfo& pod, const NodeInfo& node) {
  return std::ranges::any_of(node.pods, [&](const auto& entry) { return entry.second->priority < pod.priority; });
}

struct Diagnosis {
  std::map<std::string, int> reasons;
  std::map<std::string, int> preemption;
  bool victims_possible = false;
  std::set<std::string_view> plugins;

  void add(const PodInfo& pod, const NodeInfo& node, const Refusal& r) {
    for (const auto& reason : r.reasons) ++reasons[reason];
    plugins.insert(r.plugin);
    if (!r.resolvable) {
      ++preemption["Preemption is not helpful for scheduling."];
    } else if (has_lower_priority_pods(pod, node)) {
      victims_possible = true;
    } else {
      ++preemption["No preemption victims found for incoming pod."];
    }
  }
};

std::string message(const Diagnosis& d, std::size_t nodes) {
  const std::string head = "0/" + std::to_string(nodes) + " nodes are available";
  if (nodes == 0) return "no nodes available to schedule pods";
  std::string out = head + ": " + join_counts(d.reasons) + ".";
  // Preemption is a later piece: where evicting lower-priority pods could help, nothing is claimed about it.
  if (d.victims_possible) return out;
  std::map<std::string, int> preemption;
  for (const auto& [text, n] : d.preemption) preemption[text.substr(0, text.size() - 1)] = n;
  return out + " no new claims to deallocate, preemption: " + head + ": " + join_counts(preemption) + ".";
}

std::optional<Refusal> first_refusal(const PodInfo& pod, const NodeInfo& node) {
  for (const auto& f : default_filters()) {
    if (auto r = f.check(pod, node)) return r;
  }
  return std::nullopt;
}

}  // namespace

Decision decide(const PodInfo& pod, const Snapshot& snapshot, Rng& rng) {
  Diagnosis diagnosis;
  std::vector<const NodeInfo*> feasible;
  const auto nodes = snapshot.usable();
  for (const NodeInfo* node : nodes) {
    if (auto r = first_refusal(pod, *node)) {
      diagnosis.add(pod, *node, *r);
    } else {
      feasible.push_back(node);
    }
  }
  if (feasible.empty()) return {"", message(diagnosis, nodes.size()), std::move(diagnosis.plugins)};

  const auto totals = score(pod, feasible);
  const auto best = *std::ranges::max_element(totals);
  std::vector<const NodeInfo*> equal;
  for (std::size_t i = 0; i < feasible.size(); ++i) {
    if (totals[i] == best) equal.push_back(feasible[i]);
  }
  return {std::string(equal[rng.below(equal.size())]->object->name()), "", {}};
}

}  // namespace keelson::scheduler
