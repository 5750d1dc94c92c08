// Nodes, namespaces, secrets and service accounts.
#include "api/gen/core_v1.h"
#include "apiserver/object_meta.h"
#include "apiserver/strategy.h"

namespace keelson::apiserver {
namespace {

using namespace api::core_v1;

void prepare_namespace(api::Object& object) {
  NamespaceMut ns = NamespaceMut::of(object);
  ns.mutable_status().set_phase("Active");
  if (!ns.view().spec().finalizers().contains("kubernetes")) ns.mutable_spec().add_finalizers("kubernetes");
}

void prepare_namespace_update(api::Object& updated, const api::Object& old) { copy_top(updated, old, "spec"); }

bool namespace_may_go(const api::Object& object) { return Namespace::of(object).spec().finalizers().empty(); }

void mark_namespace(api::Object& object) { NamespaceMut::of(object).mutable_status().set_phase("Terminating"); }

void prepare_secret_update(api::Object& updated, const api::Object& old) {
  SecretMut secret = SecretMut::of(updated);
  if (secret.view().type().empty()) secret.set_type(Secret::of(old).type());
}

void clean_references(api::Object& object) {
  ServiceAccountMut account = ServiceAccountMut::of(object);
  if (account.view().secrets().empty()) return;
  auto secrets = account.mutable_secrets();
  for (std::size_t i = 0; i < secrets.size(); ++i) {
    auto reference = secrets.at(i);
    std::string name(reference.view().name());
    reference.clear_kind();
    reference.clear_namespace();
    reference.clear_uid();
    reference.clear_api_version();
    reference.clear_resource_version();
    reference.clear_field_path();
    reference.set_name(name);
  }
}

}  // namespace

constinit const Strategy kNamespaceStrategy{.has_status = true,
                                            .prepare_create = &prepare_namespace,
                                            .prepare_update = &prepare_namespace_update,
                                            .may_go = &namespace_may_go,
                                            .mark_deleting = &mark_namespace};
constinit const Strategy kNodeStrategy{.has_status = true, .keeps_status_on_create = true};
constinit const Strategy kSecretStrategy{.prepare_update = &prepare_secret_update};
constinit const Strategy kServiceAccountStrategy{
    .returns_deleted = true,
    .prepare_create = &clean_references,
    .prepare_update = [](api::Object& updated, const api::Object&) { clean_references(updated); }};

}  // namespace keelson::apiserver
