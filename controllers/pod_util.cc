#include "controllers/pod_util.h"

#include "api/json.h"
#include "base/check.h"

namespace keelson::controllers {

bool is_terminal(core::Pod pod) {
  const auto phase = pod.status().phase();
  return phase == "Succeeded" || phase == "Failed";
}

bool is_terminating(core::Pod pod) {
  return pod.metadata().has_deletion_timestamp();
}

bool is_active(core::Pod pod) {
  return !is_terminal(pod) && !is_terminating(pod);
}

core::PodCondition pod_condition(core::Pod pod, std::string_view type) {
  for (core::PodCondition c : pod.status().conditions()) {
    if (c.type() == type) return c;
  }
  return {};
}

core::NodeCondition node_condition(core::Node node, std::string_view type) {
  for (core::NodeCondition c : node.status().conditions()) {
    if (c.type() == type) return c;
  }
  return {};
}

bool is_ready(core::Pod pod) {
  return pod_condition(pod, "Ready").status() == "True";
}

std::optional<Duration> available_in(core::Pod pod, std::int64_t min_ready_seconds, WallTime now) {
  const auto ready = pod_condition(pod, "Ready");
  if (ready.status() != "True" || min_ready_seconds == 0 || ready.last_transition_time().is_zero()) {
    return std::nullopt;
  }
  const auto at = ready.last_transition_time().wall() + std::chrono::seconds(min_ready_seconds);
  if (at <= now) return std::nullopt;
  return at - now;
}

bool is_available(core::Pod pod, std::int64_t min_ready_seconds, WallTime now) {
  if (!is_ready(pod)) return false;
  if (min_ready_seconds == 0) return true;
  const auto since = pod_condition(pod, "Ready").last_transition_time();
  return !since.is_zero() && since.wall() + std::chrono::seconds(min_ready_seconds) <= now;
}

meta::OwnerReference controller_of(const api::Object& object) {
  for (meta::OwnerReference ref : object.meta().owner_references()) {
    if (ref.controller()) return ref;
  }
  return {};
}

void set_controller(meta::ObjectMetaMut metadata, const api::Object& owner) {
  CHECK(owner.kind() != nullptr);
  auto ref = metadata.add_owner_references();
  ref.set_api_version(owner.kind()->api_version);
  ref.set_kind(owner.kind()->kind);
  ref.set_name(owner.name());
  ref.set_uid(owner.uid());
  ref.set_controller(true);
  ref.set_block_owner_deletion(true);
}

std::string orphans_of(std::string_view ns) {
  return "orphans/" + std::string(ns);
}

void index_by_controller(const api::Object& object, std::vector<std::string>& values) {
  const auto ref = controller_of(object);
  values.push_back(ref ? std::string(ref.uid()) : orphans_of(object.namespace_()));
}

void index_by_node(const api::Object& pod, std::vector<std::string>& values) {
  const auto node = core::Pod::of(pod).spec().node_name();
  if (!node.empty()) values.emplace_back(node);
}

std::string pod_template_hash(core::PodTemplateSpec pod_template,
                              std::optional<std::int32_t> collision_count) {
  std::string text = api::encode_json(pod_template);
  if (collision_count) text += "#" + std::to_string(*collision_count);
  std::uint32_t hash = 2166136261u;
  for (unsigned char c : text) {
    hash ^= c;
    hash *= 16777619u;
  }
  // Decimal digits and letters mapped to an alphabet without vowels and look-alikes, so that no word comes
  // out.
  static constexpr std::string_view kAlphabet = "bcdfghjklmnpqrstvwxz2456789";
  std::string out;
  for (char digit : std::to_string(hash))
    out += kAlphabet[static_cast<unsigned char>(digit) % kAlphabet.size()];
  return out;
}

std::int64_t unix_seconds(WallTime t) {
  return std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
}

api::Time api_now(Clock& clock) {
  return api::Time{unix_seconds(clock.wall()), 0};
}

}  // namespace keelson::controllers
