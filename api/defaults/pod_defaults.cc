#include <string>

#include "api/defaults.h"
#include "api/gen/core_v1.h"

namespace keelson::api {
namespace {

namespace core = core_v1;

constexpr std::int32_t kFileMode = 0644;

// The tag of an image reference; "latest" where it has neither tag nor digest.
std::string_view image_tag(std::string_view image) {
  if (image.find('@') != std::string_view::npos) return "";
  const auto slash = image.rfind('/');
  const auto colon = image.rfind(':');
  if (colon == std::string_view::npos || (slash != std::string_view::npos && colon < slash)) return "latest";
  return image.substr(colon + 1);
}

void http_get(core::HTTPGetActionMut h) {
  if (h.path().empty()) h.set_path("/");
  if (h.scheme().empty()) h.set_scheme("HTTP");
}

void probe(core::ProbeMut p) {
  if (p.timeout_seconds() == 0) p.set_timeout_seconds(1);
  if (p.period_seconds() == 0) p.set_period_seconds(10);
  if (p.success_threshold() == 0) p.set_success_threshold(1);
  if (p.failure_threshold() == 0) p.set_failure_threshold(3);
  if (p.has_http_get()) http_get(p.mutable_http_get());
  if (p.has_grpc() && !p.grpc().has_service()) p.mutable_grpc().set_service("");
}

// Quantities finer than a thousandth are rounded up.
template <class MapMut>
void round_quantities(MapMut list) {
  for (const auto& [name, q] : list) {
    const auto rounded = Quantity::from_milli(q.milli_value(), q.format());
    if (!(rounded == q)) list.set(std::string(name), rounded);
  }
}

// Works for Container and EphemeralContainer, whose shared fields have the same accessors.
template <class ContainerMut>
void container(ContainerMut c) {
  if (c.image_pull_policy().empty()) {
    c.set_image_pull_policy(image_tag(c.image()) == "latest" ? "Always" : "IfNotPresent");
  }
  if (c.termination_message_path().empty()) c.set_termination_message_path("/dev/termination-log");
  if (c.termination_message_policy().empty()) c.set_termination_message_policy("File");
  if (c.has_ports()) {
    auto ports = c.mutable_ports();
    for (std::size_t i = 0; i < ports.size(); ++i) {
      if (ports[i].protocol().empty()) ports.at(i).set_protocol("TCP");
    }
  }
  if (c.has_env()) {
    auto env = c.mutable_env();
    for (std::size_t i = 0; i < env.size(); ++i) {
      if (env[i].value_from().has_field_ref() && env[i].value_from().field_ref().api_version().empty()) {
        env.at(i).mutable_value_from().mutable_field_ref().set_api_version("v1");
      }
      if (env[i].value_from().has_file_key_ref() && !env[i].value_from().file_key_ref().has_optional()) {
        env.at(i).mutable_value_from().mutable_file_key_ref().set_optional(false);
      }
    }
  }
  if (c.has_liveness_probe()) probe(c.mutable_liveness_probe());
  if (c.has_readiness_probe()) probe(c.mutable_readiness_probe());
  if (c.has_startup_probe()) probe(c.mutable_startup_probe());
  if (c.has_lifecycle()) {
    auto l = c.mutable_lifecycle();
    if (l.post_start().has_http_get()) http_get(l.mutable_post_start().mutable_http_get());
    if (l.pre_stop().has_http_get()) http_get(l.mutable_pre_stop().mutable_http_get());
  }
  if (c.resources().has_limits()) round_quantities(c.mutable_resources().mutable_limits());
  if (c.resources().has_requests()) round_quantities(c.mutable_resources().mutable_requests());
}

template <class List>
void downward_items(List items) {
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (items[i].has_field_ref() && items[i].field_ref().api_version().empty()) {
      items.at(i).mutable_field_ref().set_api_version("v1");
    }
  }
}

void projected(core::ProjectedVolumeSourceMut p) {
  if (!p.has_default_mode()) p.set_default_mode(kFileMode);
  if (!p.has_sources()) return;
  auto sources = p.mutable_sources();
  for (std::size_t i = 0; i < sources.size(); ++i) {
    auto s = sources.at(i);
    if (s.has_service_account_token() && !s.service_account_token().has_expiration_seconds()) {
      s.mutable_service_account_token().set_expiration_seconds(3600);
    }
    if (s.downward_api().has_items()) downward_items(s.mutable_downward_api().mutable_items());
  }
}

// Whether the volume names any source: every field but its name is one.
bool has_source(core::Volume v) {
  for (const Field& f : v.struct_type().fields) {
    if (f.name != "name" && !v.slot(f).absent()) return true;
  }
  return false;
}

void volume(core::VolumeMut v) {
  if (!has_source(v)) v.mutable_empty_dir();
  if (v.has_secret() && !v.secret().has_default_mode()) v.mutable_secret().set_default_mode(kFileMode);
  if (v.has_config_map() && !v.config_map().has_default_mode()) v.mutable_config_map().set_default_mode(kFileMode);
  if (v.has_downward_api()) {
    auto d = v.mutable_downward_api();
    if (!d.has_default_mode()) d.set_default_mode(kFileMode);
    if (d.has_items()) downward_items(d.mutable_items());
  }
  if (v.has_projected()) projected(v.mutable_projected());
  if (v.has_host_path() && !v.host_path().has_type()) v.mutable_host_path().set_type("");
  if (v.has_iscsi() && v.iscsi().iscsi_interface().empty()) v.mutable_iscsi().set_iscsi_interface("default");
  if (v.has_ephemeral() && !v.ephemeral().volume_claim_template().spec().has_volume_mode() &&
      v.ephemeral().has_volume_claim_template()) {
    v.mutable_ephemeral().mutable_volume_claim_template().mutable_spec().set_volume_mode("Filesystem");
  }
  if (v.has_image() && v.image().pull_policy().empty()) {
    v.mutable_image().set_pull_policy(image_tag(v.image().reference()) == "latest" ? "Always" : "IfNotPresent");
  }
}

// Limits stand in for requests that were not given.
void requests_from_limits(core::ContainerMut c) {
  if (c.resources().limits().empty()) return;
  auto resources = c.mutable_resources();
  auto requests = resources.mutable_requests();
  for (const auto& [name, q] : resources.limits()) {
    if (!requests.contains(name)) requests.set(std::string(name), q);
  }
}

void host_ports(core::ContainerMut c) {
  if (!c.has_ports()) return;
  auto ports = c.mutable_ports();
  for (std::size_t i = 0; i < ports.size(); ++i) {
    if (ports[i].host_port() == 0) ports.at(i).set_host_port(ports[i].container_port());
  }
}

template <class List>
void each(List list, auto f) {
  for (std::size_t i = 0; i < list.size(); ++i) f(list.at(i));
}

}  // namespace

void default_pod_spec(core::PodSpecMut spec) {
  if (spec.dns_policy().empty()) spec.set_dns_policy("ClusterFirst");
  if (spec.restart_policy().empty()) spec.set_restart_policy("Always");
  if (!spec.has_security_context()) spec.mutable_security_context();
  if (!spec.has_termination_grace_period_seconds()) spec.set_termination_grace_period_seconds(30);
  if (spec.termination_grace_period_seconds() < 0) spec.set_termination_grace_period_seconds(1);
  if (spec.scheduler_name().empty()) spec.set_scheduler_name("default-scheduler");
  // Both names of the account are kept equal, as upstream's conversion does.
  if (spec.service_account_name().empty() && !spec.service_account().empty()) {
    spec.set_service_account_name(std::string(spec.service_account()));
  } else if (!spec.service_account_name().empty()) {
    spec.set_service_account(std::string(spec.service_account_name()));
  }
  if (spec.has_volumes()) each(spec.mutable_volumes(), volume);
  if (spec.has_init_containers()) each(spec.mutable_init_containers(), container<core::ContainerMut>);
  if (spec.has_containers()) each(spec.mutable_containers(), container<core::ContainerMut>);
  if (spec.has_ephemeral_containers()) {
    each(spec.mutable_ephemeral_containers(), container<core::EphemeralContainerMut>);
  }
}

void default_pod_template(core::PodTemplateSpecMut spec) { default_pod_spec(spec.mutable_spec()); }

void default_pod(Object& object) {
  auto spec = core::PodMut::of(object).mutable_spec();
  if (spec.has_init_containers()) each(spec.mutable_init_containers(), requests_from_limits);
  if (spec.has_containers()) each(spec.mutable_containers(), requests_from_limits);
  if (!spec.has_enable_service_links()) spec.set_enable_service_links(true);
  if (spec.host_network()) {
    if (spec.has_init_containers()) each(spec.mutable_init_containers(), host_ports);
    if (spec.has_containers()) each(spec.mutable_containers(), host_ports);
  }
  default_pod_spec(spec);
}

}  // namespace keelson::api
