#include <algorithm>

#include "api/gen/authentication_v1.h"
#include "api/gen/autoscaling_v1.h"
#include "api/gen/coordination_v1.h"
#include "api/gen/core_v1.h"
#include "api/gen/events_v1.h"
#include "api/gen/scheduling_v1.h"
#include "api/json.h"
#include "api/validation/kinds.h"

namespace keelson::api::validation {
namespace {

namespace core = core_v1;

constexpr std::size_t kSecretMax = 1024 * 1024;
constexpr int kReasonMax = 128, kActionMax = 128, kComponentMax = 128, kNoteMax = 1024;

template <class M>
bool same_map(const M& a, const M& b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin());
}

// The keys and the total size of data maps.
template <class A, class B>
void data_keys(ErrorList& errors, const A& data, const B& binary, const char* binary_name) {
  std::size_t total = 0;
  for (const auto& [key, value] : data) {
    add_invalid(errors, Path("data").key(key), key, config_map_key(key));
    if (binary.contains(key)) {
      errors.push_back(field::invalid(Path("data").key(key), key, "duplicate of key present in binaryData"));
    }
    total += value.size();
  }
  for (const auto& [key, value] : binary) {
    add_invalid(errors, Path(binary_name).key(key), key, config_map_key(key));
    total += value.size();
  }
  if (total > kSecretMax) errors.push_back(field::too_long(Path("[]"), static_cast<int>(kSecretMax)));
}

void secret_key_required(ErrorList& errors, core::Secret secret, std::string_view key) {
  if (!secret.data_().contains(key)) errors.push_back(field::required(Path("data").key(key), ""));
}

void docker_config(ErrorList& errors, core::Secret secret, std::string_view key) {
  const auto text = secret.data_().find(key);
  if (!text) {
    errors.push_back(field::required(Path("data").key(key), ""));
    return;
  }
  if (const auto bad = json_syntax_error(*text); !bad.empty()) {
    errors.push_back(field::invalid(Path("data").key(key), "<secret contents redacted>", bad));
  }
}

std::string secret_type(core::Secret s) { return std::string(s.type()); }

void taints(ErrorList& errors, core::NodeSpec spec) {
  std::vector<std::pair<std::string_view, std::string_view>> seen;
  std::size_t i = 0;
  for (core::Taint t : spec.taints()) {
    const auto at = Path("spec").child("taints").index(i++);
    labels(errors, Map<StringElem>(), at);
    add_invalid(errors, at.child("key"), t.key(), qualified_name(t.key()));
    add_invalid(errors, at.child("value"), t.value(), label_value(t.value()));
    one_of(errors, at.child("effect"), t.effect(), {"NoSchedule", "PreferNoSchedule", "NoExecute"});
    const std::pair id{t.key(), t.effect()};
    if (std::ranges::find(seen, id) != seen.end()) {
      auto e = field::duplicate(at, json_value(t));
      e.detail = "taints must be unique by key and effect pair";
      errors.push_back(std::move(e));
    }
    seen.push_back(id);
  }
}

}  // namespace

void config_map(ErrorList& errors, const Object& o) {
  const auto cm = core::ConfigMap::of(o);
  data_keys(errors, cm.data_(), cm.binary_data(), "binaryData");
}

void config_map_update(ErrorList& errors, const Object& now_o, const Object& old_o) {
  const auto now = core::ConfigMap::of(now_o), old = core::ConfigMap::of(old_o);
  const char* why = "field is immutable when `immutable` is set";
  if (old.immutable()) {
    if (!now.immutable()) errors.push_back(field::forbidden(Path("immutable"), why));
    if (!same_map(now.data_(), old.data_())) errors.push_back(field::forbidden(Path("data"), why));
    if (!same_map(now.binary_data(), old.binary_data())) errors.push_back(field::forbidden(Path("binaryData"), why));
  }
  config_map(errors, now_o);
}

void secret(ErrorList& errors, const Object& o) {
  const auto s = core::Secret::of(o);
  std::size_t total = 0;
  for (const auto& [key, value] : s.data_()) {
    add_invalid(errors, Path("data").key(key), key, config_map_key(key));
    total += value.size();
  }
  if (total > kSecretMax) errors.push_back(field::too_long(Path("data"), static_cast<int>(kSecretMax)));
  const std::string type = secret_type(s);
  if (type == "kubernetes.io/service-account-token") {
    if (s.metadata().annotations().get("kubernetes.io/service-account.name").empty()) {
      errors.push_back(field::required(Path("metadata").child("annotations").key("kubernetes.io/service-account.name"), ""));
    }
  } else if (type == "kubernetes.io/dockercfg") {
    docker_config(errors, s, ".dockercfg");
  } else if (type == "kubernetes.io/dockerconfigjson") {
    docker_config(errors, s, ".dockerconfigjson");
  } else if (type == "kubernetes.io/basic-auth") {
    if (!s.data_().contains("username") && !s.data_().contains("password")) {
      secret_key_required(errors, s, "username");
      secret_key_required(errors, s, "password");
    }
  } else if (type == "kubernetes.io/ssh-auth") {
    if (s.data_().get("ssh-privatekey").empty()) errors.push_back(field::required(Path("data").key("ssh-privatekey"), ""));
  } else if (type == "kubernetes.io/tls") {
    secret_key_required(errors, s, "tls.crt");
    secret_key_required(errors, s, "tls.key");
  }
}

void secret_update(ErrorList& errors, const Object& now_o, const Object& old_o) {
  const auto now = core::Secret::of(now_o), old = core::Secret::of(old_o);
  if (now.type() != old.type()) errors.push_back(field::invalid(Path("type"), now.type(), "field is immutable"));
  if (old.immutable()) {
    const char* why = "field is immutable when `immutable` is set";
    if (!now.immutable()) errors.push_back(field::forbidden(Path("immutable"), why));
    if (!same_map(now.data_(), old.data_())) errors.push_back(field::forbidden(Path("data"), why));
  }
  secret(errors, now_o);
}

void namespace_(ErrorList& errors, const Object& o) {
  for (std::string_view f : core::Namespace::of(o).spec().finalizers()) {
    const auto path = Path("spec").child("finalizers");
    add_invalid(errors, path, f, qualified_name(f));
    if (qualified_name(f).empty() && f.find('/') == std::string_view::npos && f != "kubernetes" && f != "orphan" &&
        f != "foregroundDeletion") {
      errors.push_back(field::invalid(path, f, "name is neither a standard finalizer name nor is it fully qualified"));
    }
  }
}

void node(ErrorList& errors, const Object& o) {
  const auto n = core::Node::of(o);
  taints(errors, n.spec());
  std::size_t i = 0;
  for (std::string_view cidr : n.spec().pod_cidrs()) {
    const auto at = Path("spec").child("podCIDRs").index(i++);
    if (!is_cidr(cidr)) errors.push_back(field::invalid(at, cidr, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"));
  }
}

void node_update(ErrorList& errors, const Object& now_o, const Object& old_o) {
  node(errors, now_o);
  const auto now = core::Node::of(now_o).spec(), old = core::Node::of(old_o).spec();
  if (!old.pod_cidr().empty() && old.pod_cidr() != now.pod_cidr()) {
    errors.push_back(field::forbidden(Path("spec").child("podCIDRs"), "node updates may not change podCIDR except from \"\" to valid"));
  }
  if (!old.provider_id().empty() && old.provider_id() != now.provider_id()) {
    errors.push_back(field::forbidden(Path("spec").child("providerID"), "node updates may not change providerID except from \"\" to valid"));
  }
}

namespace {

// The rules of the new event API, which also hold for a core event with an eventTime.
void strict_event(ErrorList& errors, std::string_view controller, std::string_view instance, std::string_view action,
                  std::string_view reason, std::string_view type, const char* controller_field, const char* instance_field) {
  required_text(errors, Path(controller_field), controller);
  add_invalid(errors, Path(controller_field), controller, qualified_name(controller));
  required_text(errors, Path(instance_field), instance);
  if (instance.size() > static_cast<std::size_t>(kComponentMax)) {
    errors.push_back(field::invalid(Path(instance_field), "", "can have at most 128 characters"));
  }
  required_text(errors, Path("action"), action);
  if (action.size() > static_cast<std::size_t>(kActionMax)) errors.push_back(field::invalid(Path("action"), "", "can have at most 128 characters"));
  required_text(errors, Path("reason"), reason);
  if (reason.size() > static_cast<std::size_t>(kReasonMax)) errors.push_back(field::invalid(Path("reason"), "", "can have at most 128 characters"));
  if (type != "Normal" && type != "Warning") errors.push_back(field::invalid(Path("type"), "", "has invalid value: " + std::string(type)));
}

void event_namespace(ErrorList& errors, std::string_view involved, std::string_view own, const char* field_name) {
  // Events about cluster-scoped objects live in default.
  if (involved.empty() ? own == "default" : involved == own) return;
  errors.push_back(field::invalid(Path(field_name).child("namespace"), involved, "does not match event.namespace"));
}

}  // namespace

void core_event(ErrorList& errors, const Object& o) {
  const auto e = core::Event::of(o);
  event_namespace(errors, e.involved_object().namespace_(), o.namespace_(), "involvedObject");
  if (!e.has_event_time()) return;
  strict_event(errors, e.reporting_component(), e.reporting_instance(), e.action(), e.reason(), e.type(), "reportingComponent",
               "reportingInstance");
}

void events_event(ErrorList& errors, const Object& o) {
  const auto e = events_v1::Event::of(o);
  event_namespace(errors, e.regarding().namespace_(), o.namespace_(), "regarding");
  if (!e.has_event_time()) errors.push_back(field::required(Path("eventTime"), ""));
  strict_event(errors, e.reporting_controller(), e.reporting_instance(), e.action(), e.reason(), e.type(), "reportingController",
               "reportingInstance");
  if (e.note().size() > static_cast<std::size_t>(kNoteMax)) errors.push_back(field::invalid(Path("message"), "", "can have at most 1024 characters"));
}

void lease(ErrorList& errors, const Object& o) {
  const auto spec = coordination_v1::Lease::of(o).spec();
  const Path path("spec");
  if (spec.has_lease_duration_seconds() && spec.lease_duration_seconds() <= 0) {
    errors.push_back(field::invalid(path.child("leaseDurationSeconds"), spec.lease_duration_seconds(), "must be greater than 0"));
  }
  if (spec.has_lease_transitions()) non_negative(errors, path.child("leaseTransitions"), spec.lease_transitions());
}

void lease_update(ErrorList& errors, const Object& now, const Object&) { lease(errors, now); }

void priority_class(ErrorList& errors, const Object& o) {
  const auto c = scheduling_v1::PriorityClass::of(o);
  const bool system = o.name().starts_with("system-");
  if (system && o.name() != "system-node-critical" && o.name() != "system-cluster-critical") {
    errors.push_back(field::forbidden(Path("metadata").child("name"),
                                      "priority class names with 'system-' prefix are reserved for system use only. error: " +
                                          std::string(o.name()) + " is not a known system priority class"));
  } else if (!system && c.value() > 1000000000) {
    errors.push_back(field::forbidden(Path("value"), "maximum allowed value of a user defined priority is 1000000000"));
  }
  if (c.has_preemption_policy()) one_of(errors, Path("preemptionPolicy"), c.preemption_policy(), {"PreemptLowerPriority", "Never"});
}

void priority_class_update(ErrorList& errors, const Object& now_o, const Object& old_o) {
  const auto now = scheduling_v1::PriorityClass::of(now_o), old = scheduling_v1::PriorityClass::of(old_o);
  if (now.value() != old.value()) errors.push_back(field::forbidden(Path("value"), "may not be changed in an update."));
  if (now.preemption_policy() != old.preemption_policy()) {
    errors.push_back(field::invalid(Path("preemptionPolicy"), now.preemption_policy(), "field is immutable"));
  }
}

void token_request(ErrorList& errors, const Object& o) {
  const auto spec = authentication_v1::TokenRequest::of(o).spec();
  const auto path = Path("spec").child("expirationSeconds");
  if (spec.expiration_seconds() < 600) {
    errors.push_back(field::invalid(path, spec.expiration_seconds(), "may not specify a duration less than 10 minutes"));
  }
  if (spec.expiration_seconds() > (std::int64_t{1} << 32)) {
    errors.push_back(field::invalid(path, spec.expiration_seconds(), "may not specify a duration larger than 2^32 seconds"));
  }
}

void binding(ErrorList& errors, const Object& o) {
  const auto target = core::Binding::of(o).target();
  if (!target.kind().empty() && target.kind() != "Node") {
    one_of(errors, Path("target").child("kind"), target.kind(), {"Node", "<empty>"});
  }
  if (target.name().empty()) errors.push_back(field::required(Path("target").child("name"), ""));
}

void scale(ErrorList& errors, const Object& o) {
  non_negative(errors, Path("spec").child("replicas"), autoscaling_v1::Scale::of(o).spec().replicas());
}

}  // namespace keelson::api::validation
