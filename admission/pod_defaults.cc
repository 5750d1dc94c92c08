// Priority, DefaultTolerationSeconds, TaintNodesByCondition: small plugins that fill in fields.
#include "admission/plugin.h"
#include "api/gen/core_v1.h"
#include "api/gen/scheduling_v1.h"
#include "api/object.h"
#include "api/status.h"

namespace keelson::admission {
namespace {

namespace core = api::core_v1;
namespace scheduling = api::scheduling_v1;

constexpr std::string_view kNotReady = "node.kubernetes.io/not-ready";
constexpr std::string_view kUnreachable = "node.kubernetes.io/unreachable";
constexpr std::int64_t kTolerationSeconds = 300;

bool is_pod_write(const Attributes& a) {
  return a.kind == &core::Pod::kind_info() && a.subresource.empty() && a.object != nullptr;
}

class Priority final : public Plugin {
 public:
  explicit Priority(Lister& lister) : lister_(lister) {}
  std::string_view name() const override { return "Priority"; }

  Task<Result<void>> admit(Attributes& a) override {
    if (!is_pod_write(a)) co_return Result<void>();
    auto spec = core::PodMut::of(*a.object).mutable_spec();
    if (a.operation == Operation::kUpdate) keep_priority(spec, core::Pod::of(*a.old).spec());
    if (a.operation != Operation::kCreate) co_return Result<void>();
    Class found;
    if (const std::string wanted(spec.priority_class_name()); wanted.empty()) {
      found = default_class();
    } else {
      auto named = co_await named_class(wanted);
      if (!named) co_return std::unexpected(named.error());
      if (!*named) {
        co_return fail(api::forbidden(api::resource_of(*a.kind), a.name, "no PriorityClass with name " + wanted + " was found"));
      }
      found = **named;
    }
    if (spec.has_priority() && spec.priority() != found.value) {
      co_return fail(api::forbidden(
          api::resource_of(*a.kind), a.name,
          "the integer value of priority (" + std::to_string(spec.priority()) +
              ") must not be provided in pod spec; priority admission controller computed " + std::to_string(found.value) +
              " from the given PriorityClass name"));
    }
    if (spec.has_preemption_policy() && spec.preemption_policy() != found.preemption_policy) {
      co_return fail(api::forbidden(
          api::resource_of(*a.kind), a.name,
          "the string value of PreemptionPolicy (" + std::string(spec.preemption_policy()) +
              ") must not be provided in pod spec; priority admission controller computed " + found.preemption_policy +
              " from the given PriorityClass name"));
    }
    if (!found.name.empty()) spec.set_priority_class_name(found.name);
    spec.set_priority(found.value);
    spec.set_preemption_policy(found.preemption_policy);
    co_return Result<void>();
  }

 private:
  struct Class {
    std::string name;
    std::int32_t value = 0;
    std::string preemption_policy = "PreemptLowerPriority";
  };

  // What was given on create stays when an update leaves it out.
  static void keep_priority(core::PodSpecMut spec, core::PodSpec old) {
    if (!spec.has_priority() && old.has_priority()) spec.set_priority(old.priority());
    if (!spec.has_preemption_policy() && old.has_preemption_policy()) spec.set_preemption_policy(old.preemption_policy());
  }

  static Class read(const api::Object& object) {
    const auto c = scheduling::PriorityClass::of(object);
    return {std::string(object.name()), c.value(),
            c.preemption_policy().empty() ? "PreemptLowerPriority" : std::string(c.preemption_policy())};
  }

  Class default_class() {
    Class best;
    for (const auto& o : lister_.cached_list(scheduling::PriorityClass::kind_info(), "")) {
      if (scheduling::PriorityClass::of(*o).global_default() && (best.name.empty() || read(*o).value < best.value)) best = read(*o);
    }
    return best;
  }

  Task<Result<std::optional<Class>>> named_class(std::string name) {
    if (name == "system-node-critical") co_return Class{name, 2000001000};
    if (name == "system-cluster-critical") co_return Class{name, 2000000000};
    const auto& kind = scheduling::PriorityClass::kind_info();
    api::ObjectPtr object = lister_.cached(kind, "", name);
    if (!object) object = CO_TRY(co_await lister_.live(kind, "", name));
    if (!object) co_return std::nullopt;
    co_return read(*object);
  }

  Lister& lister_;
};

class DefaultTolerationSeconds final : public Plugin {
 public:
  std::string_view name() const override { return "DefaultTolerationSeconds"; }

  Task<Result<void>> admit(Attributes& a) override {
    if (!is_pod_write(a) || (a.operation != Operation::kCreate && a.operation != Operation::kUpdate)) co_return Result<void>();
    auto spec = core::PodMut::of(*a.object).mutable_spec();
    for (const auto key : {kNotReady, kUnreachable}) {
      if (tolerated(spec, key)) continue;
      auto t = spec.add_tolerations();
      t.set_key(key);
      t.set_operator("Exists");
      t.set_effect("NoExecute");
      t.set_toleration_seconds(kTolerationSeconds);
    }
    co_return Result<void>();
  }

 private:
  static bool tolerated(core::PodSpec spec, std::string_view key) {
    for (core::Toleration t : spec.tolerations()) {
      if ((t.key() == key || t.key().empty()) && (t.effect() == "NoExecute" || t.effect().empty())) return true;
    }
    return false;
  }
};

// Pods may name only runtime classes that exist; their overhead is taken over once the kind is served.
class RuntimeClass final : public Plugin {
 public:
  explicit RuntimeClass(Lister& lister) : lister_(lister) {}
  std::string_view name() const override { return "RuntimeClass"; }

  Task<Result<void>> admit(Attributes& a) override {
    if (!is_pod_write(a) || a.operation != Operation::kCreate) co_return Result<void>();
    const std::string wanted(core::Pod::of(*a.object).spec().runtime_class_name());
    if (wanted.empty()) co_return Result<void>();
    const api::KindInfo* kind = api::find_kind("node.k8s.io", "v1", "RuntimeClass");
    api::ObjectPtr found;
    if (kind != nullptr) found = CO_TRY(co_await lister_.live(*kind, "", wanted));
    if (found) co_return Result<void>();
    co_return fail(api::forbidden(api::resource_of(*a.kind), a.name,
                                  "pod rejected: RuntimeClass \"" + wanted + "\" not found"));
  }

 private:
  Lister& lister_;
};

class TaintNodesByCondition final : public Plugin {
 public:
  std::string_view name() const override { return "TaintNodesByCondition"; }

  Task<Result<void>> admit(Attributes& a) override {
    if (a.operation != Operation::kCreate || a.kind != &core::Node::kind_info() || !a.subresource.empty()) {
      co_return Result<void>();
    }
    auto spec = core::NodeMut::of(*a.object).mutable_spec();
    for (core::Taint t : spec.taints()) {
      if (t.key() == kNotReady && t.effect() == "NoSchedule") co_return Result<void>();
    }
    auto taint = spec.add_taints();
    taint.set_key(kNotReady);
    taint.set_effect("NoSchedule");
    co_return Result<void>();
  }
};

}  // namespace

std::unique_ptr<Plugin> priority(Lister& lister) { return std::make_unique<Priority>(lister); }
std::unique_ptr<Plugin> default_toleration_seconds() { return std::make_unique<DefaultTolerationSeconds>(); }
std::unique_ptr<Plugin> taint_nodes_by_condition() { return std::make_unique<TaintNodesByCondition>(); }

std::unique_ptr<Plugin> runtime_class(Lister& lister) { return std::make_unique<RuntimeClass>(lister); }

}  // namespace keelson::admission
