// Subresources that are more than an update of a part: scale, binding, eviction, token.
#include <fmt/format.h>

#include "api/gen/authentication_v1.h"
#include "api/gen/autoscaling_v1.h"
#include "api/gen/core_v1.h"
#include "api/gen/policy_v1.h"
#include "api/kinds.h"
#include "api/managed_fields/managed_fields.h"
#include "apiserver/errors.h"
#include "apiserver/object_meta.h"
#include "apiserver/patch_source.h"
#include "apiserver/pipeline.h"
#include "apiserver/validation_hooks.h"

namespace keelson::apiserver {
namespace {

namespace field = api::field;
using namespace api;

// ---- scale ----

std::string selector_text(const Object& parent) {
  const Value& selector = value_at(parent, {"spec", "selector"});
  std::string out;
  auto add = [&](std::string_view text) {
    if (!out.empty()) out += ",";
    out += text;
  };
  if (selector.tag == Tag::kMap) {  // ReplicationController
    for (const auto& e : MapRef(selector.as_map())) add(fmt::format("{}={}", e.key(), e.value.as_text()));
    return out;
  }
  if (selector.tag != Tag::kStruct) return out;
  meta_v1::LabelSelector s(selector.as_struct());
  for (auto [key, value] : s.match_labels()) add(fmt::format("{}={}", key, value));
  for (auto e : s.match_expressions()) {
    std::string values;
    for (auto v : e.values()) values += (values.empty() ? "" : ",") + std::string(v);
    if (e.operator_() == "In") add(fmt::format("{} in ({})", e.key(), values));
    else if (e.operator_() == "NotIn") add(fmt::format("{} notin ({})", e.key(), values));
    else if (e.operator_() == "Exists") add(e.key());
    else add(fmt::format("!{}", e.key()));
  }
  return out;
}

std::unique_ptr<Object> scale_of(const Object& parent) {
  auto object = Object::make(autoscaling_v1::Scale::kind_info());
  auto scale = autoscaling_v1::ScaleMut::of(*object);
  auto meta = scale.mutable_metadata();
  meta.set_name(parent.name());
  meta.set_namespace(parent.namespace_());
  meta.set_uid(parent.uid());
  meta.set_resource_version(parent.resource_version());
  if (parent.meta().has_creation_timestamp()) meta.set_creation_timestamp(parent.meta().creation_timestamp());
  scale.mutable_spec().set_replicas(static_cast<std::int32_t>(value_at(parent, {"spec", "replicas"}).as_int()));
  auto status = scale.mutable_status();
  status.set_replicas(static_cast<std::int32_t>(value_at(parent, {"status", "replicas"}).as_int()));
  status.set_selector(selector_text(parent));
  return object;
}

// The parent with the replicas that a Scale asks for.
class ScaleSource final : public UpdateSource {
 public:
  ScaleSource(const Request& request, std::unique_ptr<Object> body, std::string manager, Clock& clock,
              std::vector<std::string>& warnings)
      : body_(std::move(body)), type_(request.patch_type), text_(request.patch),
        validation_(request.write.field_validation), manager_(std::move(manager)), clock_(clock), warnings_(warnings) {}

  Result<std::unique_ptr<Object>> next(const Object* parent) override {
    std::unique_ptr<Object> patched;
    const Object* wanted = body_.get();
    if (!wanted) {
      patched = TRY(patch_object(*scale_of(*parent), type_, text_, validation_, warned_ ? nullptr : &warnings_));
      warned_ = true;
      wanted = patched.get();
    }
    const std::int64_t replicas = value_at(*wanted, {"spec", "replicas"}).as_int();
    if (replicas < 0)
      return fail(invalid(kind_of(autoscaling_v1::Scale::kind_info()), wanted->name(),
                          {field::invalid(field::Path("spec").child("replicas"), replicas, "must be greater than or equal to 0")}));
    auto out = parent->clone();
    const Field* spec = out->type().find("spec");
    StructMut target = out->root().struct_at(*spec);
    target.slot_mut(spec->type->find("replicas")->index) = Value::of_int(replicas);
    out->mutable_meta().set_resource_version(wanted->resource_version());
    track_scale(*parent, *out, {manager_, "scale", to_api_time(clock_.wall())});
    return out;
  }
  std::string uid() const override { return body_ ? std::string(body_->uid()) : std::string(); }

 private:
  std::unique_ptr<Object> body_;
  PatchType type_;
  std::string text_;
  FieldValidation validation_;
  std::string manager_;
  Clock& clock_;
  std::vector<std::string>& warnings_;
  bool warned_ = false;
};

// ---- binding ----

Error binding_conflict(std::string_view name, std::string_view why) {
  return conflict(GroupName{"", "pods/binding"}, name, why);
}

class BindingSource final : public UpdateSource {
 public:
  BindingSource(core_v1::Binding binding, Clock& clock) : binding_(binding), clock_(clock) {}
  Result<std::unique_ptr<Object>> next(const Object* existing) override {
    core_v1::Pod pod = core_v1::Pod::of(*existing);
    std::string_view name = existing->name();
    if (pod.metadata().has_deletion_timestamp())
      return fail(binding_conflict(name, fmt::format("pod {} is being deleted, cannot be assigned to a host", name)));
    if (!pod.spec().node_name().empty())
      return fail(binding_conflict(name, fmt::format("pod {} is already assigned to node \"{}\"", name, pod.spec().node_name())));
    if (!pod.spec().scheduling_gates().empty())
      return fail(binding_conflict(name, fmt::format("pod {} has non-empty .spec.schedulingGates", name)));
    auto out = existing->clone();
    core_v1::PodMut p = core_v1::PodMut::of(*out);
    p.mutable_spec().set_node_name(binding_.target().name());
    auto meta = p.mutable_metadata();
    for (auto [key, value] : binding_.metadata().annotations()) meta.mutable_annotations().set(key, value);
    for (auto [key, value] : binding_.metadata().labels()) meta.mutable_labels().set(key, value);
    set_scheduled(p.mutable_status());
    meta.set_resource_version(binding_.metadata().resource_version());
    return out;
  }
  std::string uid() const override { return std::string(binding_.metadata().uid()); }

 private:
  // The condition PodScheduled becomes True.
  void set_scheduled(core_v1::PodStatusMut status) {
    const Time now = to_api_time(clock_.wall());
    auto conditions = status.mutable_conditions();
    for (std::size_t i = 0; i < conditions.size(); ++i) {
      if (conditions[i].type() != "PodScheduled") continue;
      auto c = conditions.at(i);
      if (c.view().status() != "True") c.set_last_transition_time(now);
      c.set_status("True");
      c.set_reason("");
      c.set_message("");
      return;
    }
    auto c = conditions.add();
    c.set_type("PodScheduled");
    c.set_status("True");
    c.set_last_transition_time(now);
  }
  core_v1::Binding binding_;
  Clock& clock_;
};

// ---- eviction ----

// The condition DisruptionTarget: why the pod goes.
class DisruptionSource final : public UpdateSource {
 public:
  explicit DisruptionSource(Clock& clock) : clock_(clock) {}
  Result<std::unique_ptr<Object>> next(const Object* existing) override {
    auto out = existing->clone();
    auto conditions = core_v1::PodMut::of(*out).mutable_status().mutable_conditions();
    for (std::size_t i = 0; i < conditions.size(); ++i)
      if (conditions[i].type() == "DisruptionTarget" && conditions[i].status() == "True") return out;
    auto c = conditions.add();
    c.set_type("DisruptionTarget");
    c.set_status("True");
    c.set_reason("EvictionByEvictionAPI");
    c.set_message("Eviction API: evicting");
    c.set_last_transition_time(to_api_time(clock_.wall()));
    return out;
  }

 private:
  Clock& clock_;
};

Task<Result<void>> mark_disruption(Registry& registry, const Resource& pods, const Request& request, bool dry_run,
                                   const DeleteOptions& del, Clock& clock) {
  auto pod = co_await registry.get(pods, request.namespace_, request.name, "");
  if (!pod) co_return std::unexpected(pod.error());
  auto meta = (*pod)->object()->meta();
  const bool other_pod = del.precondition_uid && *del.precondition_uid != meta.uid();
  if (dry_run || other_pod || del.precondition_resource_version || meta.has_deletion_timestamp() ||
      core_v1::Pod::of(*(*pod)->object()).spec().node_name().empty())
    co_return Result<void>{};
  DisruptionSource source(clock);
  UpdateOptions options;
  options.scope = UpdateScope::kBinding;
  options.admit = false;
  auto done = co_await registry.update(pods, request.namespace_, request.name, source, options);
  if (!done) co_return std::unexpected(done.error());
  co_return Result<void>{};
}

}  // namespace

Task<Result<Response>> Pipeline::scale(const Resource& resource, Request request) {
  Response out;
  if (request.verb == Verb::kGet) {
    auto parent = CO_TRY(co_await registry().get(resource, request.namespace_, request.name, ""));
    out.object = make_version(freeze(scale_of(*parent->object())), parent->revision());
    co_return out;
  }
  if (request.verb != Verb::kUpdate && request.verb != Verb::kPatch) co_return fail(errors::method_not_allowed("", ""));
  std::unique_ptr<Object> body;
  if (request.verb == Verb::kUpdate) {
    if (auto ok = fit_object(resource, request, *request.object, false); !ok) co_return std::unexpected(ok.error());
    body = std::move(request.object);
  }
  ScaleSource source(request, std::move(body), manager_of(request.write.field_manager, request.user_agent),
                     *parts_.clock, out.warnings);
  UpdateOptions options;
  options.dry_run = request.write.dry_run;
  options.subresource = "scale";
  options.user = request.user;
  options.warnings = &out.warnings;
  auto updated = CO_TRY(co_await registry().update(resource, request.namespace_, request.name, source, options));
  out.object = make_version(freeze(scale_of(*updated.object->object())), updated.object->revision());
  co_return out;
}

Task<Result<Response>> Pipeline::bind(Request request) {
  const Resource& pods = *registry().resources().find("", "v1", "pods");
  if (!request.object || request.verb != Verb::kCreate) co_return fail(errors::method_not_allowed("", ""));
  core_v1::Binding binding = core_v1::Binding::of(*request.object);
  if (!request.name.empty() && binding.metadata().name() != request.name)
    co_return fail(errors::bad_request("name in URL does not match name in Binding object"));
  field::ErrorList causes;
  const field::Path target("target");
  static constexpr std::string_view kTargets[] = {"Node", "<empty>"};
  if (!binding.target().kind().empty() && binding.target().kind() != "Node")
    causes.push_back(field::not_supported(target.child("kind"), binding.target().kind(), kTargets));
  if (binding.target().name().empty()) causes.push_back(field::required(target.child("name"), ""));
  if (!causes.empty()) co_return fail(errors::plain_internal(field::aggregate_text(causes)));
  BindingSource source(binding, *parts_.clock);
  UpdateOptions options;
  options.dry_run = request.write.dry_run;
  options.subresource = "binding";
  options.user = request.user;
  options.scope = UpdateScope::kBinding;
  options.admit = false;
  auto done = co_await registry().update(pods, request.namespace_, std::string(binding.metadata().name()), source, options);
  if (!done) co_return std::unexpected(done.error());
  Response out;
  out.code = 201;
  out.object = success(201);
  co_return out;
}

Task<Result<Response>> Pipeline::evict(Request request) {
  const Resource& pods = *registry().resources().find("", "v1", "pods");
  if (!request.object || request.verb != Verb::kCreate) co_return fail(errors::method_not_allowed("", ""));
  policy_v1::Eviction eviction = policy_v1::Eviction::of(*request.object);
  if (eviction.metadata().name() != request.name)
    co_return fail(errors::bad_request("name in URL does not match name in Eviction object"));
  DeleteOptions del;
  UpdateOptions options;
  options.dry_run = request.write.dry_run;
  options.user = request.user;
  if (eviction.has_delete_options()) {
    auto asked = eviction.delete_options();
    if (asked.has_grace_period_seconds()) del.grace_period_s = asked.grace_period_seconds();
    if (asked.preconditions().has_uid()) del.precondition_uid = std::string(asked.preconditions().uid());
    if (asked.preconditions().has_resource_version())
      del.precondition_resource_version = std::string(asked.preconditions().resource_version());
    if (asked.has_propagation_policy()) del.propagation_policy = std::string(asked.propagation_policy());
    if (asked.dry_run().size() != 0) options.dry_run = true;
  }
  if (auto marked = co_await mark_disruption(registry(), pods, request, options.dry_run, del, *parts_.clock); !marked)
    co_return std::unexpected(marked.error());
  auto gone = co_await registry().remove(pods, request.namespace_, request.name, del, options);
  if (!gone) co_return std::unexpected(gone.error());
  Response out;
  out.code = 201;
  out.object = success(201);
  co_return out;
}

Task<Result<Response>> Pipeline::make_token(Request request) {
  if (!parts_.issuer) co_return fail(errors::no_such_resource());
  if (!request.object || request.verb != Verb::kCreate) co_return fail(errors::method_not_allowed("", ""));
  auto object = std::move(request.object);
  auto token = authentication_v1::TokenRequestMut::of(*object);
  const Resource& namespaces = *registry().resources().find("", "v1", "namespaces");
  const Resource& accounts = *registry().resources().find("", "v1", "serviceaccounts");
  auto ns = co_await registry().get(namespaces, "", request.namespace_, "");
  if (!ns) co_return std::unexpected(ns.error());
  auto spec = token.mutable_spec();
  if (!spec.view().has_expiration_seconds()) spec.set_expiration_seconds(3600);
  if (spec.view().audiences().empty())
    for (auto& audience : parts_.api_audiences) spec.add_audiences(audience);
  field::ErrorList causes;
  const field::Path expiry = field::Path("spec").child("expirationSeconds");
  const std::int64_t seconds = spec.view().expiration_seconds();
  if (seconds < 600) causes.push_back(field::invalid(expiry, seconds, "may not specify a duration less than 10 minutes"));
  if (seconds > std::int64_t{1} << 32)
    causes.push_back(field::invalid(expiry, seconds, "may not specify a duration larger than 2^32 seconds"));
  if (!causes.empty()) co_return fail(errors::invalid(*object->kind(), "", causes));
  auto account = co_await registry().get(accounts, request.namespace_, request.name, "");
  if (!account) co_return std::unexpected(account.error());
  const Object& owner = *(*account)->object();

  auth::TokenClaims claims;
  claims.namespace_ = request.namespace_;
  claims.service_account = request.name;
  claims.service_account_uid = std::string(owner.uid());
  if (spec.view().has_bound_object_ref()) {
    auto bound = spec.view().bound_object_ref();
    const bool pod = bound.kind() == "Pod" && bound.api_version() == "v1";
    const bool secret = bound.kind() == "Secret" && bound.api_version() == "v1";
    if (!pod && !secret) {
      auto slash = bound.api_version().find('/');
      std::string group_version(slash == std::string_view::npos ? "/" + std::string(bound.api_version())
                                                                : std::string(bound.api_version()));
      co_return fail(errors::bad_request(
          fmt::format("cannot bind token to object of type {}, Kind={}", group_version, bound.kind())));
    }
    const Resource& kind = *registry().resources().find("", "v1", pod ? "pods" : "secrets");
    std::string name(bound.name());
    auto found = co_await registry().get(kind, request.namespace_, name, "");
    if (!found) co_return std::unexpected(found.error());
    const Object& target = *(*found)->object();
    if (!bound.uid().empty() && bound.uid() != target.uid())
      co_return fail(errors::kind_conflict(*kind.kind, name,
                                           fmt::format("the UID in the bound object reference ({}) does not match the UID in record. "
                                                       "The object might have been deleted and then recreated",
                                                       bound.uid())));
    if (pod) {
      if (text_at(target, {"spec", "serviceAccountName"}) != request.name)
        co_return fail(errors::bad_request(fmt::format("cannot bind token for serviceaccount \"{}\" to pod running with different serviceaccount name.",
                                                       request.name)));
      claims.pod_name = name;
      claims.pod_uid = std::string(target.uid());
      if (auto node = text_at(target, {"spec", "nodeName"}); !node.empty()) {
        const Resource& nodes = *registry().resources().find("", "v1", "nodes");
        claims.node_name = std::string(node);
        if (auto n = nodes.cache->get(node)) claims.node_uid = std::string(n->object()->uid());
      }
    } else {
      claims.secret_name = name;
      claims.secret_uid = std::string(target.uid());
    }
  }
  for (auto audience : spec.view().audiences()) claims.audiences.emplace_back(audience);
  const std::int64_t now = to_api_time(parts_.clock->wall()).seconds;
  claims.issued_at = now;
  claims.expires_at = now + seconds;
  // Pods' tokens of an hour and seven seconds live a year and only warn (upstream's --service-account-extend-token-expiration).
  constexpr std::int64_t kPodToken = 3607;
  if (seconds == kPodToken && !claims.pod_name.empty()) {
    claims.warn_after = now + seconds;
    claims.expires_at = now + 365 * 24 * 3600;
  }
  claims.id = registry().new_uid();

  auto meta = token.mutable_metadata();
  meta.set_name(owner.name());
  meta.set_namespace(owner.namespace_());
  meta.set_uid(owner.uid());
  meta.set_creation_timestamp({now, 0});
  auto status = token.mutable_status();
  status.set_token(parts_.issuer->make(claims));
  status.set_expiration_timestamp({now + seconds, 0});
  Response out;
  out.code = 201;
  out.object = make_version(freeze(std::move(object)));
  co_return out;
}

}  // namespace keelson::apiserver
