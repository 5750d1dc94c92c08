// Warnings: what is accepted, but probably not meant.

#include "api/gen/core_v1.h"
#include "api/validation.h"

namespace keelson::api {
namespace {

namespace core = core_v1;

void pod_warnings(std::vector<std::string>& out, core::PodSpec spec, const std::string& path) {
  std::size_t i = 0;
  for (core::LocalObjectReference r : spec.image_pull_secrets()) {
    if (r.name().empty()) out.push_back(path + ".imagePullSecrets[" + std::to_string(i) + "].name: invalid empty name \"\"");
    ++i;
  }
  for (core::Volume v : spec.volumes()) {
    bool any = false;
    for (core::VolumeProjection p : v.projected().sources()) {
      any |= p.has_secret() || p.has_config_map() || p.has_downward_api() || p.has_service_account_token() || p.has_cluster_trust_bundle();
    }
    if (v.has_projected() && !any) out.push_back("volume \"" + std::string(v.name()) + "\" (Projected) has no sources provided");
  }
  i = 0;
  for (core::Container c : spec.containers()) {
    const std::string at = path + ".containers[" + std::to_string(i++) + "]";
    const auto env = c.env();
    for (std::size_t k = 1; k < env.size(); ++k) {
      for (std::size_t j = 0; j < k; ++j) {
        if (env[j].name() == env[k].name()) {
          out.push_back(at + ".env[" + std::to_string(k) + "]: hides previous definition of \"" + std::string(env[k].name()) +
                        "\", which may be dropped when using apply");
          break;
        }
      }
    }
  }
}

}  // namespace

std::vector<std::string> write_warnings(const Object& now, const Object*) {
  std::vector<std::string> out;
  if (now.kind() == &core::Pod::kind_info()) pod_warnings(out, core::Pod::of(now).spec(), "spec");
  if (now.kind() == &core::Secret::kind_info()) {
    const auto s = core::Secret::of(now);
    const auto crt = s.data_().find("tls.crt");
    if (s.type() == "kubernetes.io/tls" && crt && crt->find("-----BEGIN") == std::string_view::npos) {
      out.emplace_back("tls: failed to find any PEM data in certificate input");
    }
  }
  return out;
}

}  // namespace keelson::api
