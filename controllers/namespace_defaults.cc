#include "controllers/namespace_defaults.h"

#include "api/gen/core_v1.h"
#include "api/status.h"
#include "controllers/pod_util.h"
#include "controllers/replica_controller.h"

namespace keelson::controllers {

namespace {

constexpr std::string_view kRootCaName = "kube-root-ca.crt";
constexpr std::string_view kRootCaDescription =
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such "
    "as the "
    "internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of "
    "Kubernetes "
    "clusters.";

bool is_active_namespace(const api::Object& ns) {
  return !ns.meta().has_deletion_timestamp() && core::Namespace::of(ns).status().phase() != "Terminating";
}

// Enqueues namespaces that appear or change, and those whose object called `name` goes or (with `edits`)
// changes.
void watch_namespaced(client::Informer& namespaces, client::Informer& objects, std::string name, bool edits,
                      client::WorkQueue& queue) {
  auto by_name = [&queue](const api::ObjectPtr& ns) { queue.add(std::string(ns->name())); };
  namespaces.add_handler(
      {.on_add = by_name,
       .on_update = [by_name](const api::ObjectPtr&, const api::ObjectPtr& ns) { by_name(ns); }});
  auto by_object = [&queue, name](const api::ObjectPtr& object) {
    if (object->name() == name) queue.add(std::string(object->namespace_()));
  };
  client::EventHandler handler{.on_delete = by_object};
  if (edits) {
    handler.on_update = [by_object](const api::ObjectPtr&, const api::ObjectPtr& object) {
      by_object(object);
    };
  }
  objects.add_handler(std::move(handler));
}

// The namespace vanished or began to, or another one was quicker: nothing to do any more.
bool is_moot(const Error& error) {
  return api::is_already_exists(error) || api::is_not_found(error) || is_namespace_terminating(error);
}

}  // namespace

ServiceAccountController::ServiceAccountController(const Context& context)
    : Controller(context, "serviceaccount", 1),
      namespaces_(informer("v1", "Namespace")),
      accounts_(informer("v1", "ServiceAccount")) {
  watch_namespaced(namespaces_, accounts_, "default", false, queue_);
}

Task<Result<void>> ServiceAccountController::sync(std::string key) {
  auto ns = namespaces_.store().get_by_key(key);
  if (!ns || !is_active_namespace(*ns) || accounts_.store().get(key, "default")) co_return Result<void>{};
  auto object = api::Object::make(core::ServiceAccount::kind_info());
  object->mutable_meta().set_name("default");
  object->mutable_meta().set_namespace(key);
  auto done =
      co_await transport_.create(core::ServiceAccount::kind_info(), key, api::freeze(std::move(object)), {});
  if (!done && !is_moot(done.error())) co_return fail(done.error());
  co_return Result<void>{};
}

RootCaPublisher::RootCaPublisher(const Context& context, std::string root_ca_pem)
    : Controller(context, "root-ca-certificate-publisher", 1),
      root_ca_pem_(std::move(root_ca_pem)),
      namespaces_(informer("v1", "Namespace")),
      config_maps_(informer("v1", "ConfigMap")) {
  watch_namespaced(namespaces_, config_maps_, std::string(kRootCaName), true, queue_);
}

api::ObjectPtr RootCaPublisher::wanted(const std::string& ns) const {
  auto object = api::Object::make(core::ConfigMap::kind_info(), root_ca_pem_.size() + 1024);
  auto map = core::ConfigMapMut::of(*object);
  map.mutable_metadata().set_name(kRootCaName);
  map.mutable_metadata().set_namespace(ns);
  map.mutable_metadata().mutable_annotations().set("kubernetes.io/description", kRootCaDescription);
  map.mutable_data().set("ca.crt", root_ca_pem_);
  return api::freeze(std::move(object));
}

Task<Result<void>> RootCaPublisher::sync(std::string key) {
  auto ns = namespaces_.store().get_by_key(key);
  if (!ns || !is_active_namespace(*ns)) co_return Result<void>{};
  auto have = config_maps_.store().get(key, kRootCaName);
  if (!have) {
    auto done = co_await transport_.create(core::ConfigMap::kind_info(), key, wanted(key), {});
    if (!done && !is_moot(done.error())) co_return fail(done.error());
    co_return Result<void>{};
  }
  const auto map = core::ConfigMap::of(*have);
  if (map.data_().size() == 1 && map.data_().get("ca.crt") == root_ca_pem_ &&
      map.metadata().annotations().contains("kubernetes.io/description")) {
    co_return Result<void>{};
  }
  auto copy = have->clone();
  auto mut = core::ConfigMapMut::of(*copy);
  mut.clear_data();
  mut.mutable_data().set("ca.crt", root_ca_pem_);
  mut.mutable_metadata().mutable_annotations().set("kubernetes.io/description", kRootCaDescription);
  auto done = co_await transport_.update(core::ConfigMap::kind_info(), key, api::freeze(std::move(copy)), {});
  if (!done && !is_moot(done.error())) co_return fail(done.error());
  co_return Result<void>{};
}

}  // namespace keelson::controllers
