// The arithmetic of Deployments: how many replicas each ReplicaSet gets next. Pure functions over plain
// numbers; controllers/deployment.cc feeds them from the cache and carries the answers out.
//
// Bounds kept by plan_rolling_step (tests/controllers/deployment_plan_test.cc walks them):
//   sum of spec replicas never rises above desired + maxSurge by a step up;
//   what is available, as seen, never falls below desired - maxUnavailable by a step down.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace keelson::controllers {

// "25%" or "3"; of an int-or-string field.
struct IntOrPercent {
  std::int64_t value = 0;
  bool percent = false;
};
std::optional<IntOrPercent> parse_int_or_percent(std::string_view text);
// The number meant, of `total`; a percentage is rounded up or down.
std::int64_t scaled_value(IntOrPercent v, std::int64_t total, bool round_up);

struct RollingBounds {
  std::int64_t max_surge = 0;
  std::int64_t max_unavailable = 0;
};
// Both resolved (surge rounded up, unavailable rounded down); when both come to zero, unavailable is one, so
// that a rollout can move at all.
RollingBounds resolve_bounds(IntOrPercent surge, IntOrPercent unavailable, std::int64_t desired);

// What planning needs to know of one ReplicaSet.
struct ReplicaSetState {
  std::string name;
  std::int64_t created_unix = 0;
  std::int64_t replicas = 0;   // spec
  std::int64_t available = 0;  // status
  std::int64_t max_replicas_annotation = 0;
};

// One decision: ReplicaSet `index` of the input gets `replicas`.
struct ScaleTo {
  std::size_t index = 0;
  std::int64_t replicas = 0;
};

struct DeploymentNumbers {
  std::int64_t desired = 0;
  RollingBounds bounds;  // max_unavailable is capped at `desired` by the functions that use it
  std::int64_t status_replicas = 0;
};

// maxUnavailable as used for availability: at most `desired`.
std::int64_t effective_max_unavailable(const DeploymentNumbers& d);

// The size of the new ReplicaSet in a rolling update, all ReplicaSets (the new one included, also when it is
// about to be created with 0) holding `all_replicas` in their specs.
std::int64_t new_replica_set_size(const DeploymentNumbers& d, std::int64_t all_replicas,
                                  std::int64_t new_replicas);

// The next step of a rolling update: up (the new one), or down (old ones), or nothing (empty).
// `sets[new_index]` is the new ReplicaSet; the others are old.
std::vector<ScaleTo> plan_rolling_step(const DeploymentNumbers& d, const std::vector<ReplicaSetState>& sets,
                                       std::size_t new_index);

// How a change of spec.replicas in mid-rollout is spread over the active ReplicaSets, by their share; what
// rounding leaves goes to the first (largest, then newest on the way up, oldest on the way down). Every
// active set is in the answer, changed or not, since its annotations have to be brought up to date.
std::vector<ScaleTo> plan_proportional_scale(const DeploymentNumbers& d,
                                             const std::vector<ReplicaSetState>& sets);

}  // namespace keelson::controllers
