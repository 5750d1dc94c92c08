#include <algorithm>
#include <array>

#include "admission/plugin.h"

namespace keelson::admission {
namespace {

// Every plugin name of kube-apiserver 1.36; those we build are made in this order.
constexpr std::array kKnown = {
    "AlwaysAdmit", "NamespaceAutoProvision", "NamespaceLifecycle", "NamespaceExists", "LimitPodHardAntiAffinityTopology",
    "LimitRanger", "ServiceAccount", "NodeRestriction", "TaintNodesByCondition", "AlwaysPullImages", "ImagePolicyWebhook",
    "PodSecurity", "PodNodeSelector", "Priority", "DefaultTolerationSeconds", "PodTolerationRestriction", "EventRateLimit",
    "ExtendedResourceToleration", "PersistentVolumeLabel", "DefaultStorageClass", "StorageObjectInUseProtection",
    "OwnerReferencesPermissionEnforcement", "PersistentVolumeClaimResize", "RuntimeClass", "CertificateApproval",
    "CertificateSigning", "ClusterTrustBundleAttest", "CertificateSubjectRestriction", "DefaultIngressClass",
    "DenyServiceExternalIPs", "PodTopologyLabels", "NodeDeclaredFeatureValidator", "PodGroupWorkloadExists", "JobResizeValidator",
    "MutatingAdmissionPolicy", "MutatingAdmissionWebhook", "ValidatingAdmissionPolicy", "ValidatingAdmissionWebhook",
    "ResourceQuota", "AlwaysDeny"};

constexpr std::array kBuilt = {"NamespaceLifecycle", "ServiceAccount", "TaintNodesByCondition", "Priority", "DefaultTolerationSeconds",
                              "RuntimeClass"};

bool contains(const auto& list, std::string_view name) {
  return std::ranges::any_of(list, [name](std::string_view n) { return n == name; });
}

std::unique_ptr<Plugin> make(std::string_view name, Lister& lister, Rng& rng) {
  if (name == "NamespaceLifecycle") return namespace_lifecycle(lister);
  if (name == "ServiceAccount") return service_account(lister, rng.fork());
  if (name == "TaintNodesByCondition") return taint_nodes_by_condition();
  if (name == "Priority") return priority(lister);
  if (name == "RuntimeClass") return runtime_class(lister);
  return default_toleration_seconds();
}

}  // namespace

Task<Result<void>> Plugin::admit(Attributes&) { co_return Result<void>(); }
Task<Result<void>> Plugin::validate(const Attributes&) { co_return Result<void>(); }

Chain::Chain(std::vector<std::unique_ptr<Plugin>> plugins) : plugins_(std::move(plugins)) {}
Chain::~Chain() = default;

Task<Result<void>> Chain::admit(Attributes& attributes) const {
  for (const auto& p : plugins_) {
    auto done = co_await p->admit(attributes);
    if (!done) co_return done;
  }
  co_return Result<void>();
}

Task<Result<void>> Chain::validate(const Attributes& attributes) const {
  for (const auto& p : plugins_) {
    auto done = co_await p->validate(attributes);
    if (!done) co_return done;
  }
  co_return Result<void>();
}

std::vector<std::string_view> Chain::names() const {
  std::vector<std::string_view> out;
  for (const auto& p : plugins_) out.push_back(p->name());
  return out;
}

Result<std::unique_ptr<Chain>> make_chain(const std::vector<std::string>& enable, const std::vector<std::string>& disable,
                                          Lister& lister, Rng rng, std::vector<std::string>& warnings) {
  for (const auto* list : {&enable, &disable}) {
    const std::string flag = list == &enable ? "enable-admission-plugins" : "disable-admission-plugins";
    for (const auto& name : *list) {
      if (!contains(kKnown, name)) return fail(Code::kInvalidArgument, flag + " plugin \"" + name + "\" is unknown");
    }
  }
  for (const auto& name : enable) {
    if (contains(disable, name)) {
      return fail(Code::kInvalidArgument,
                  "[" + name + "] in enable-admission-plugins and disable-admission-plugins overlapped");
    }
    if (!contains(kBuilt, name)) warnings.push_back("admission plugin " + name + " is not built yet and does nothing");
  }
  std::vector<std::unique_ptr<Plugin>> plugins;
  for (const std::string_view name : kKnown) {
    if (contains(kBuilt, name) && !contains(disable, name)) plugins.push_back(make(name, lister, rng));
  }
  return std::make_unique<Chain>(std::move(plugins));
}

}  // namespace keelson::admission
