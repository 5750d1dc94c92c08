#include "controllers/deployment_plan.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

#include "base/check.h"

namespace keelson::controllers {

std::optional<IntOrPercent> parse_int_or_percent(std::string_view text) {
  IntOrPercent out;
  if (text.ends_with('%')) {
    out.percent = true;
    text.remove_suffix(1);
  }
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), out.value);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

std::int64_t scaled_value(IntOrPercent v, std::int64_t total, bool round_up) {
  if (!v.percent) return v.value;
  const std::int64_t hundredths = v.value * total;
  return round_up ? (hundredths + 99) / 100 : hundredths / 100;
}

RollingBounds resolve_bounds(IntOrPercent surge, IntOrPercent unavailable, std::int64_t desired) {
  RollingBounds b{scaled_value(surge, desired, true), scaled_value(unavailable, desired, false)};
  if (b.max_surge == 0 && b.max_unavailable == 0) b.max_unavailable = 1;
  return b;
}

std::int64_t effective_max_unavailable(const DeploymentNumbers& d) {
  return std::min(d.bounds.max_unavailable, d.desired);
}

std::int64_t new_replica_set_size(const DeploymentNumbers& d, std::int64_t all_replicas,
                                  std::int64_t new_replicas) {
  const std::int64_t most = d.desired + d.bounds.max_surge;
  if (all_replicas >= most) return new_replicas;
  return new_replicas + std::min(most - all_replicas, d.desired - new_replicas);
}

namespace {

std::int64_t sum_replicas(const std::vector<ReplicaSetState>& sets) {
  return std::accumulate(sets.begin(), sets.end(), std::int64_t{0},
                         [](std::int64_t n, const ReplicaSetState& s) { return n + s.replicas; });
}

// Indexes of the old active sets, oldest first.
std::vector<std::size_t> old_active(const std::vector<ReplicaSetState>& sets, std::size_t new_index) {
  std::vector<std::size_t> out;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    if (i != new_index && sets[i].replicas > 0) out.push_back(i);
  }
  std::sort(out.begin(), out.end(), [&](std::size_t a, std::size_t b) {
    if (sets[a].created_unix != sets[b].created_unix) return sets[a].created_unix < sets[b].created_unix;
    return sets[a].name < sets[b].name;
  });
  return out;
}

std::vector<ScaleTo> plan_scale_down(const DeploymentNumbers& d, std::vector<ReplicaSetState> sets,
                                     std::size_t new_index) {
  const std::int64_t min_available = d.desired - effective_max_unavailable(d);
  const std::int64_t new_unavailable = sets[new_index].replicas - sets[new_index].available;
  const std::int64_t budget = sum_replicas(sets) - min_available - new_unavailable;
  const auto old = old_active(sets, new_index);
  if (budget <= 0 || old.empty()) return {};
  const auto before = sets;
  // Unhealthy old replicas first: they cost no availability.
  std::int64_t taken = 0;
  for (std::size_t i : old) {
    auto& s = sets[i];
    if (taken >= budget) break;
    if (s.replicas <= s.available) continue;
    const std::int64_t n = std::min(budget - taken, s.replicas - s.available);
    s.replicas -= n;
    taken += n;
  }
  // Then healthy ones, as far as availability allows.
  std::int64_t available = 0;
  for (const auto& s : sets) available += s.available;
  std::int64_t spare = available - min_available;
  for (std::size_t i : old) {
    if (spare <= 0) break;
    const std::int64_t n = std::min(spare, sets[i].replicas);
    sets[i].replicas -= n;
    spare -= n;
  }
  std::vector<ScaleTo> out;
  for (std::size_t i : old) {
    if (sets[i].replicas != before[i].replicas) out.push_back({i, sets[i].replicas});
  }
  return out;
}

std::int64_t share_of_change(const DeploymentNumbers& d, const ReplicaSetState& s, std::int64_t to_add,
                             std::int64_t added) {
  if (s.replicas == 0 || to_add == 0 || to_add == added) return 0;
  std::int64_t fraction = 0;
  if (d.desired == 0) {
    fraction = -s.replicas;
  } else {
    const std::int64_t before = s.max_replicas_annotation > 0 ? s.max_replicas_annotation : d.status_replicas;
    if (before == 0) return 0;
    const double size = static_cast<double>(s.replicas) *
                        static_cast<double>(d.desired + d.bounds.max_surge) / static_cast<double>(before);
    fraction = std::llround(size) - s.replicas;
  }
  const std::int64_t allowed = to_add - added;
  return to_add > 0 ? std::min(fraction, allowed) : std::max(fraction, allowed);
}

}  // namespace

std::vector<ScaleTo> plan_rolling_step(const DeploymentNumbers& d, const std::vector<ReplicaSetState>& sets,
                                       std::size_t new_index) {
  CHECK(new_index < sets.size());
  const ReplicaSetState& fresh = sets[new_index];
  std::int64_t size = fresh.replicas;
  if (fresh.replicas > d.desired) {
    size = d.desired;
  } else if (fresh.replicas < d.desired) {
    size = new_replica_set_size(d, sum_replicas(sets), fresh.replicas);
  }
  if (size != fresh.replicas) return {{new_index, size}};
  return plan_scale_down(d, sets, new_index);
}

std::vector<ScaleTo> plan_proportional_scale(const DeploymentNumbers& d,
                                             const std::vector<ReplicaSetState>& sets) {
  std::vector<std::size_t> active;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    if (sets[i].replicas > 0) active.push_back(i);
  }
  const std::int64_t allowed = d.desired > 0 ? d.desired + d.bounds.max_surge : 0;
  const std::int64_t to_add = allowed - sum_replicas(sets);
  std::sort(active.begin(), active.end(), [&](std::size_t a, std::size_t b) {
    if (sets[a].replicas != sets[b].replicas) return sets[a].replicas > sets[b].replicas;
    if (sets[a].created_unix == sets[b].created_unix) return sets[a].name < sets[b].name;
    return to_add > 0 ? sets[a].created_unix > sets[b].created_unix
                      : sets[a].created_unix < sets[b].created_unix;
  });
  std::vector<ScaleTo> out;
  std::int64_t added = 0;
  for (std::size_t i : active) {
    const std::int64_t n = share_of_change(d, sets[i], to_add, added);
    out.push_back({i, sets[i].replicas + n});
    added += n;
  }
  if (!out.empty() && to_add != 0)
    out[0].replicas = std::max<std::int64_t>(0, out[0].replicas + to_add - added);
  return out;
}

}  // namespace keelson::controllers
