// NamespaceLifecycle: nothing is created in a namespace that is absent or terminating; the system's namespaces stay.
#include "admission/plugin.h"
#include "api/gen/core_v1.h"
#include "api/object.h"
#include "api/status.h"

namespace keelson::admission {
namespace {

namespace core = api::core_v1;

Error terminating(const Attributes& a) {
  const std::string ns(a.namespace_);
  Error e = api::forbidden(api::resource_of(*a.kind), a.name,
                           "unable to create new content in namespace " + ns + " because it is being terminated");
  auto detail = std::make_shared<api::StatusDetail>(*api::status_detail(e));
  detail->causes.push_back({"NamespaceTerminating", "namespace " + ns + " is being terminated", "metadata.namespace"});
  e.detail = std::move(detail);
  return e;
}

class NamespaceLifecycle final : public Plugin {
 public:
  explicit NamespaceLifecycle(Lister& lister) : lister_(lister) {}
  std::string_view name() const override { return "NamespaceLifecycle"; }

  Task<Result<void>> admit(Attributes& a) override {
    const auto& namespaces = core::Namespace::kind_info();
    if (a.operation == Operation::kDelete && a.kind == &namespaces && a.subresource.empty() &&
        (a.name == "default" || a.name == "kube-system" || a.name == "kube-public")) {
      co_return fail(api::forbidden(api::resource_of(*a.kind), a.name, "this namespace may not be deleted"));
    }
    if (a.operation != Operation::kCreate || a.namespace_.empty() || a.kind == &namespaces || is_review(a)) {
      co_return Result<void>();
    }
    api::ObjectPtr ns = lister_.cached(namespaces, "", a.namespace_);
    if (!ns) ns = CO_TRY(co_await lister_.live(namespaces, "", std::string(a.namespace_)));
    if (!ns) co_return fail(api::not_found({"", "namespaces"}, a.namespace_));
    if (core::Namespace::of(*ns).status().phase() != "Terminating") co_return Result<void>();
    // The cache may still hold the namespace that was there before this one.
    ns = CO_TRY(co_await lister_.live(namespaces, "", std::string(a.namespace_)));
    if (ns && core::Namespace::of(*ns).status().phase() != "Terminating") co_return Result<void>();
    co_return fail(terminating(a));
  }

 private:
  // Reviews change nothing, so they are answered everywhere.
  static bool is_review(const Attributes& a) {
    return a.kind->group == "authorization.k8s.io" || a.kind->group == "authentication.k8s.io";
  }
  Lister& lister_;
};

}  // namespace

std::unique_ptr<Plugin> namespace_lifecycle(Lister& lister) { return std::make_unique<NamespaceLifecycle>(lister); }

}  // namespace keelson::admission
