// A Deployment's status: counts and conditions, computed from its ReplicaSets. Pure functions.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/gen/apps_v1.h"
#include "api/object.h"
#include "base/clock.h"
#include "controllers/deployment_plan.h"

namespace keelson::controllers {

namespace apps = api::apps_v1;

// The numbers planning works with. Percentages are resolved against spec.replicas.
DeploymentNumbers deployment_numbers(apps::Deployment deployment);
bool has_progress_deadline(apps::Deployment deployment);
bool has_history_limit(apps::Deployment deployment);
bool is_rolling_update(apps::Deployment deployment);

apps::DeploymentCondition deployment_condition(apps::DeploymentStatus status, std::string_view type);
// Sets a condition: an equal status and reason leave the old one as it is, an equal status keeps its
// transition time.
void set_condition(apps::DeploymentStatusMut status, std::string_view type, std::string_view value,
                   std::string_view reason, std::string_view message, api::Time now);
void remove_condition(apps::DeploymentStatusMut status, std::string_view type);

// Puts observedGeneration, the counts and the Available condition of `sets` (old and new) into `status`.
void put_counts(apps::Deployment deployment, const std::vector<api::ObjectPtr>& sets,
                const api::Object* new_set, apps::DeploymentStatusMut status, api::Time now);
// Puts the Progressing and ReplicaFailure conditions; `status` holds the new counts already, `deployment` the
// old status.
void put_progress(apps::Deployment deployment, const std::vector<api::ObjectPtr>& sets,
                  const api::Object* new_set, apps::DeploymentStatusMut status, api::Time now);

bool is_complete(apps::Deployment deployment, apps::DeploymentStatus status);
bool has_timed_out(apps::Deployment deployment, apps::DeploymentStatus status, api::Time now);

}  // namespace keelson::controllers
