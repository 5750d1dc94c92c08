// ServiceAccount: every pod runs as a service account of its namespace and gets its token mounted.
#include <mutex>

#include "admission/plugin.h"
#include "api/gen/core_v1.h"
#include "api/object.h"
#include "api/status.h"

namespace keelson::admission {
namespace {

namespace core = api::core_v1;

constexpr std::string_view kMountPath = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::string_view kMirrorAnnotation = "kubernetes.io/config.mirror";
constexpr std::int64_t kTokenSeconds = 3607;  // one hour and a bit, as upstream: tells these tokens from asked-for ones
constexpr std::int32_t kFileMode = 0644;

bool has_token_mount(core::Container c) {
  for (core::VolumeMount m : c.volume_mounts()) {
    if (m.mount_path() == kMountPath) return true;
  }
  return false;
}

void add_volume(core::PodSpecMut spec, std::string_view name) {
  auto volume = spec.add_volumes();
  volume.set_name(name);
  auto projected = volume.mutable_projected();
  projected.set_default_mode(kFileMode);
  auto token = projected.add_sources().mutable_service_account_token();
  token.set_expiration_seconds(kTokenSeconds);
  token.set_path("token");
  auto ca = projected.add_sources().mutable_config_map();
  ca.set_name("kube-root-ca.crt");
  auto item = ca.add_items();
  item.set_key("ca.crt");
  item.set_path("ca.crt");
  auto file = projected.add_sources().mutable_downward_api().add_items();
  file.set_path("namespace");
  file.mutable_field_ref().set_api_version("v1");
  file.mutable_field_ref().set_field_path("metadata.namespace");
}

class ServiceAccount final : public Plugin {
 public:
  ServiceAccount(Lister& lister, Rng rng) : lister_(lister), rng_(rng) {}
  std::string_view name() const override { return "ServiceAccount"; }

  Task<Result<void>> admit(Attributes& a) override {
    if (a.operation != Operation::kCreate || a.kind != &core::Pod::kind_info() || !a.subresource.empty()) {
      co_return Result<void>();
    }
    auto pod = core::PodMut::of(*a.object);
    if (pod.metadata().annotations().contains(kMirrorAnnotation)) co_return Result<void>();
    auto spec = pod.mutable_spec();
    if (spec.service_account_name().empty()) spec.set_service_account_name("default");
    spec.set_service_account(std::string(spec.service_account_name()));

    const std::string name(spec.service_account_name());
    const auto& accounts = core::ServiceAccount::kind_info();
    api::ObjectPtr account = lister_.cached(accounts, a.namespace_, name);
    if (!account) account = CO_TRY(co_await lister_.live(accounts, std::string(a.namespace_), name));
    if (!account) {
      co_return fail(api::forbidden(api::resource_of(*a.kind), a.name,
                                    "error looking up service account " + std::string(a.namespace_) + "/" + name +
                                        ": serviceaccount \"" + name + "\" not found"));
    }
    const auto sa = core::ServiceAccount::of(*account);
    if (wants_token(spec, sa)) mount_token(spec);
    if (spec.image_pull_secrets().empty() && !sa.image_pull_secrets().empty()) {
      spec.set_image_pull_secrets(sa.image_pull_secrets());
    }
    co_return Result<void>();
  }

 private:
  static bool wants_token(core::PodSpec spec, core::ServiceAccount sa) {
    if (spec.has_automount_service_account_token()) return spec.automount_service_account_token();
    return !sa.has_automount_service_account_token() || sa.automount_service_account_token();
  }

  void mount_token(core::PodSpecMut spec) {
    std::string volume;
    {
      std::lock_guard lock(mu_);
      volume = "kube-api-access-" + rng_.name_suffix(5);
    }
    bool used = false;
    const auto mount = [&](auto containers) {
      for (std::size_t i = 0; i < containers.size(); ++i) {
        if (has_token_mount(containers[i])) continue;
        auto m = containers.at(i).add_volume_mounts();
        m.set_name(volume);
        m.set_read_only(true);
        m.set_mount_path(kMountPath);
        used = true;
      }
    };
    if (!spec.init_containers().empty()) mount(spec.mutable_init_containers());
    if (!spec.containers().empty()) mount(spec.mutable_containers());
    if (used) add_volume(spec, volume);
  }

  Lister& lister_;
  std::mutex mu_;
  Rng rng_;
};

}  // namespace

std::unique_ptr<Plugin> service_account(Lister& lister, Rng rng) { return std::make_unique<ServiceAccount>(lister, rng); }

}  // namespace keelson::admission
