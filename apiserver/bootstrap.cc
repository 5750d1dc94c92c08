#include "apiserver/bootstrap.h"

#include <fmt/format.h>

#include "api/gen/core_v1.h"
#include "api/gen/discovery_v1.h"
#include "api/gen/networking_v1.h"
#include "api/json.h"
#include "api/managed_fields/managed_fields.h"
#include "apiserver/object_meta.h"
#include "apiserver/validation_hooks.h"

namespace keelson::apiserver {
namespace {

constexpr std::string_view kOwner = "kube-apiserver";

class Replace final : public UpdateSource {
 public:
  Replace(const api::Object& wanted, Clock& clock) : wanted_(wanted), clock_(clock) {}
  Result<std::unique_ptr<api::Object>> next(const api::Object* existing) override {
    auto object = wanted_.clone();
    if (existing) object->mutable_meta().set_resource_version(existing->resource_version());
    api::track_update(existing, *object, {kOwner, "", to_api_time(clock_.wall())});
    return object;
  }

 private:
  const api::Object& wanted_;
  Clock& clock_;
};

class Builder {
 public:
  Builder(Registry& registry, Clock& clock) : registry_(registry), clock_(clock) {}

  // Creates the object that `json` says, unless it is there. With `replace`, makes what is there the same.
  Task<Result<void>> ensure(std::string group, std::string version, std::string plural, std::string json, bool replace) {
    const Resource* resource = registry_.resources().find(group, version, plural);
    if (!resource || !resource->cache) co_return Result<void>{};
    auto object = CO_TRY(api::parse_json(json, *resource->kind));
    std::string ns(object->namespace_()), name(object->name());
    auto existing = CO_TRY(co_await registry_.storage().get(*resource, ns, name));
    if (existing && !replace) co_return Result<void>{};
    apply_defaults(*object);
    UpdateOptions options;
    options.admit = false;
    if (existing) {
      Replace source(*object, clock_);
      auto updated = co_await registry_.update(*resource, ns, name, source, options);
      if (!updated) co_return std::unexpected(updated.error());
      co_return Result<void>{};
    }
    api::track_update(nullptr, *object, {kOwner, "", to_api_time(clock_.wall())});
    auto made = co_await registry_.create(*resource, ns, std::move(object), options);
    if (!made && made.error().code != Code::kAlreadyExists) co_return std::unexpected(made.error());
    co_return Result<void>{};
  }

 private:
  Registry& registry_;
  Clock& clock_;
};

}  // namespace

Task<Result<void>> make_furniture(Registry& registry, ServiceAllocator& services, Furniture furniture, Clock& clock) {
  Builder builder(registry, clock);
  for (auto ns : {"default", "kube-system", "kube-public", "kube-node-lease"}) {
    auto ok = co_await builder.ensure("", "v1", "namespaces", fmt::format(R"({{"metadata":{{"name":"{}"}}}})", ns), false);
    if (!ok) co_return ok;
  }
  struct PriorityClass {
    std::string_view name, about;
    int value;
  };
  constexpr PriorityClass kClasses[] = {
      {"system-cluster-critical", "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.", 2000000000},
      {"system-node-critical", "Used for system critical pods that must not be moved from their current node.", 2000001000}};
  for (auto& c : kClasses) {
    auto ok = co_await builder.ensure("scheduling.k8s.io", "v1", "priorityclasses",
                                      fmt::format(R"({{"metadata":{{"name":"{}"}},"value":{},"description":"{}"}})", c.name, c.value, c.about), false);
    if (!ok) co_return ok;
  }
  auto cidr = co_await builder.ensure("networking.k8s.io", "v1", "servicecidrs",
                                      fmt::format(R"({{"metadata":{{"name":"kubernetes"}},"spec":{{"cidrs":["{}"]}}}})", services.cidr()), false);
  if (!cidr) co_return cidr;
  auto service = co_await builder.ensure(
      "", "v1", "services",
      fmt::format(R"({{"metadata":{{"name":"kubernetes","namespace":"default","labels":{{"component":"apiserver","provider":"kubernetes"}}}},)"
                  R"("spec":{{"clusterIP":"{0}","type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],)"
                  R"("ipFamilyPolicy":"SingleStack","ports":[{{"name":"https","protocol":"TCP","port":443,"targetPort":{1}}}]}}}})",
                  services.kubernetes_ip(), furniture.port),
      false);
  if (!service) co_return service;
  // Endpoints may not lead to loopback addresses: a server for tests on 127.0.0.1 has none.
  if (furniture.advertise_address.starts_with("127.")) co_return Result<void>{};
  auto endpoints = co_await builder.ensure(
      "", "v1", "endpoints",
      fmt::format(R"({{"metadata":{{"name":"kubernetes","namespace":"default","labels":{{"endpointslice.kubernetes.io/skip-mirror":"true"}}}},)"
                  R"("subsets":[{{"addresses":[{{"ip":"{}"}}],"ports":[{{"name":"https","port":{},"protocol":"TCP"}}]}}]}})",
                  furniture.advertise_address, furniture.port),
      true);
  if (!endpoints) co_return endpoints;
  co_return co_await builder.ensure(
      "discovery.k8s.io", "v1", "endpointslices",
      fmt::format(R"({{"metadata":{{"name":"kubernetes","namespace":"default","labels":{{"kubernetes.io/service-name":"kubernetes"}}}},)"
                  R"("addressType":"IPv4","endpoints":[{{"addresses":["{}"],"conditions":{{"ready":true}}}}],)"
                  R"("ports":[{{"name":"https","port":{},"protocol":"TCP"}}]}})",
                  furniture.advertise_address, furniture.port),
      true);
}

}  // namespace keelson::apiserver
