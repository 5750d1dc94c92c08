// Revisions and annotations of a Deployment's ReplicaSets. Pure functions.
#pragma once

#include <string>
#include <vector>

#include "api/gen/apps_v1.h"
#include "api/object.h"
#include "controllers/deployment_plan.h"
#include "controllers/pod_util.h"

namespace keelson::controllers {

namespace apps = api::apps_v1;

inline constexpr std::string_view kRevision = "deployment.kubernetes.io/revision";
inline constexpr std::string_view kRevisionHistory = "deployment.kubernetes.io/revision-history";
inline constexpr std::string_view kDesiredReplicas = "deployment.kubernetes.io/desired-replicas";
inline constexpr std::string_view kMaxReplicas = "deployment.kubernetes.io/max-replicas";
inline constexpr std::string_view kTemplateHash = "pod-template-hash";

// A number in an annotation; 0 where there is none.
std::int64_t annotation_number(const api::Object& object, std::string_view key);
bool has_annotation(const api::Object& object, std::string_view key);

// Equal but for the pod-template-hash label.
bool same_template(core::PodTemplateSpec a, core::PodTemplateSpec b);
// The oldest of `sets` whose template is the Deployment's; null when there is none.
api::ObjectPtr new_set_of(apps::Deployment deployment, const std::vector<api::ObjectPtr>& sets);
std::int64_t max_revision(const std::vector<api::ObjectPtr>& sets);

// Copies the Deployment's annotations (but those that are its own) to the ReplicaSet, and raises its revision
// to `revision`, its previous one going to the history annotation. True when something changed.
bool put_revision(apps::Deployment deployment, apps::ReplicaSetMut set, std::int64_t revision);
// Puts desired-replicas and max-replicas. True when something changed.
bool put_sizes(apps::ReplicaSetMut set, const DeploymentNumbers& numbers);

}  // namespace keelson::controllers
