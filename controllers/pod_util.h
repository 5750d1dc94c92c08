// Small questions about pods, nodes and owner references that several controllers ask.
// Thread rule: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/gen/core_v1.h"
#include "api/gen/meta_v1.h"
#include "api/object.h"
#include "base/clock.h"

namespace keelson::controllers {

namespace core = api::core_v1;
namespace meta = api::meta_v1;

// Neither Succeeded nor Failed, and not being deleted.
bool is_active(core::Pod pod);
bool is_terminal(core::Pod pod);
bool is_terminating(core::Pod pod);
// The condition of that type; an absent view when there is none.
core::PodCondition pod_condition(core::Pod pod, std::string_view type);
core::NodeCondition node_condition(core::Node node, std::string_view type);
bool is_ready(core::Pod pod);
// Ready for at least `min_ready_seconds`.
bool is_available(core::Pod pod, std::int64_t min_ready_seconds, WallTime now);
// When a pod that is ready but not yet available will be; nothing otherwise.
std::optional<Duration> available_in(core::Pod pod, std::int64_t min_ready_seconds, WallTime now);

// The owner reference with controller: true; absent when there is none.
meta::OwnerReference controller_of(const api::Object& object);
// Sets (kind, name, uid) of `owner` as the controlling owner.
void set_controller(meta::ObjectMetaMut metadata, const api::Object& owner);

// Index functions: by uid of the controlling owner ("" of those without one, prefixed by the namespace), by
// node.
inline constexpr std::string_view kByController = "controller-uid";
void index_by_controller(const api::Object& object, std::vector<std::string>& values);
// The value under which objects of `ns` without a controller are found.
std::string orphans_of(std::string_view ns);
inline constexpr std::string_view kByNode = "node-name";
void index_by_node(const api::Object& pod, std::vector<std::string>& values);

// FNV-1a over the pod template's contents and the collision count, in the alphabet of generated names: the
// value of pod-template-hash. Stable over restarts and versions (hashes are part of stored names).
std::string pod_template_hash(core::PodTemplateSpec pod_template,
                              std::optional<std::int32_t> collision_count);

std::int64_t unix_seconds(WallTime t);
// Now, in whole seconds, as metav1.Time keeps it.
api::Time api_now(Clock& clock);

}  // namespace keelson::controllers
