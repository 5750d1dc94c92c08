#include "apiserver/pipeline.h"

#include <fmt/format.h>

#include "api/managed_fields/managed_fields.h"
#include "apiserver/errors.h"
#include "apiserver/object_meta.h"
#include "apiserver/patch_source.h"
#include "apiserver/validation_hooks.h"
#include "apiserver/watch_streams.h"

namespace keelson::apiserver {

std::string_view verb_name(Verb verb) {
  switch (verb) {
    case Verb::kGet: return "get";
    case Verb::kList: return "list";
    case Verb::kWatch: return "watch";
    case Verb::kCreate: return "create";
    case Verb::kUpdate: return "update";
    case Verb::kPatch: return "patch";
    case Verb::kDelete: return "delete";
    case Verb::kDeleteCollection: break;
  }
  return "deletecollection";
}

VersionPtr success(int code) {
  auto object = api::Object::make(api::meta_v1::Status::kind_info());
  auto status = api::meta_v1::StatusMut::of(*object);
  status.set_status("Success");
  status.set_code(code);
  return make_version(api::freeze(std::move(object)));
}

Result<void> fit_object(const Resource& resource, const Request& request, api::Object& object, bool creating) {
  auto meta = object.mutable_meta();
  if (!resource.kind->namespaced) {
    meta.set_namespace("");
  } else if (object.namespace_().empty()) {
    meta.set_namespace(request.namespace_);
  } else if (object.namespace_() != request.namespace_) {
    return fail(errors::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
  }
  if (creating) {
    meta.clear_creation_timestamp();
    meta.clear_uid();
    meta.clear_deletion_timestamp();
    meta.clear_deletion_grace_period_seconds();
    meta.clear_self_link();
  } else if (object.name().empty()) {
    return fail(errors::bad_request(fmt::format(
        "the name of the object ({} based on URL) was undeterminable: name must be provided", request.name)));
  } else if (object.name() != request.name) {
    return fail(errors::bad_request(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})", object.name(), request.name)));
  }
  return {};
}

namespace {

// A PUT's body.
class PutSource final : public UpdateSource {
 public:
  PutSource(const Strategy& strategy, std::unique_ptr<api::Object> body, std::string manager, std::string subresource,
            Clock& clock)
      : strategy_(strategy), body_(std::move(body)), manager_(std::move(manager)), subresource_(std::move(subresource)), clock_(clock) {}
  Result<std::unique_ptr<api::Object>> next(const api::Object* existing) override {
    auto object = body_->clone();
    reset_untouchable(strategy_, *object, existing, subresource_ == "status");
    api::track_update(existing, *object, {manager_, subresource_, to_api_time(clock_.wall())});
    return object;
  }
  std::string uid() const override { return std::string(body_->uid()); }

 private:
  const Strategy& strategy_;
  std::unique_ptr<api::Object> body_;
  std::string manager_, subresource_;
  Clock& clock_;
};

UpdateOptions update_options(const Request& r, std::vector<std::string>& warnings) {
  UpdateOptions o;
  o.dry_run = r.write.dry_run;
  o.subresource = r.subresource;
  o.user = r.user;
  o.warnings = &warnings;
  return o;
}

}  // namespace

Result<void> Pipeline::authorize(const Request& r) const {
  auth::Attributes a;
  a.user = r.user.get();
  a.verb = verb_name(r.verb);
  a.api_group = r.kind->group;
  a.api_version = r.kind->version;
  a.resource = r.kind->resource;
  a.subresource = r.subresource;
  a.namespace_ = r.namespace_;
  a.name = r.name;
  auto decision = parts_.authorizer->authorize(a);
  if (decision.allowed) return {};
  std::string resource(r.kind->resource);
  if (!r.subresource.empty()) resource += "/" + r.subresource;
  return fail(api::forbidden(api::GroupName{r.kind->group, resource}, r.name, auth::forbidden_text(a, decision.reason)));
}

Task<Result<Response>> Pipeline::call(Request request) {
  if (auto ok = authorize(request); !ok) co_return std::unexpected(ok.error());
  co_return co_await run(std::move(request));
}

Task<Result<Response>> Pipeline::run(Request request) {
  const Resource* resource = registry().resources().find(*request.kind);
  if (!resource) co_return fail(errors::no_such_resource());
  // What is answered and not stored says who sent it all the same.
  if (request.object && request.verb == Verb::kCreate && (!resource->cache || request.subresource == "token") &&
      request.object->type().find("metadata"))
    api::track_update(nullptr, *request.object,
                      {api::manager_of(request.write.field_manager, request.user_agent), request.subresource,
                       to_api_time(parts_.clock->wall())});
  if (!resource->cache) co_return co_await run_virtual(*resource, std::move(request));
  if (request.subresource.empty()) co_return co_await run_main(*resource, std::move(request));
  const std::string& sub = request.subresource;
  if (sub == "scale") co_return co_await scale(*resource, std::move(request));
  if (sub == "binding") co_return co_await bind(std::move(request));
  if (sub == "eviction") co_return co_await evict(std::move(request));
  if (sub == "token") co_return co_await make_token(std::move(request));
  UpdateScope scope = sub == "status"                ? UpdateScope::kStatus
                      : sub == "finalize"            ? UpdateScope::kFinalize
                      : sub == "ephemeralcontainers" ? UpdateScope::kEphemeralContainers
                      : sub == "resize"              ? UpdateScope::kResize
                                                     : UpdateScope::kMain;
  if (scope == UpdateScope::kMain) co_return fail(errors::no_such_resource());
  if (request.verb == Verb::kGet) co_return co_await run_main(*resource, std::move(request));
  co_return co_await run_update(*resource, std::move(request), scope);
}

Task<Result<Response>> Pipeline::run_main(const Resource& resource, Request request) {
  Response out;
  switch (request.verb) {
    case Verb::kGet:
      out.object = CO_TRY(co_await registry().get(resource, request.namespace_, request.name, request.resource_version));
      co_return out;
    case Verb::kList:
      out.form = Response::Form::kList;
      out.list = CO_TRY(co_await registry().list(resource, request.namespace_, request.name, std::move(request.list)));
      co_return out;
    case Verb::kWatch: co_return co_await run_watch(resource, std::move(request));
    case Verb::kCreate: co_return co_await create(resource, std::move(request));
    case Verb::kUpdate:
    case Verb::kPatch: co_return co_await run_update(resource, std::move(request), UpdateScope::kMain);
    case Verb::kDelete: co_return co_await run_delete(resource, std::move(request));
    case Verb::kDeleteCollection: {
      out.form = Response::Form::kList;
      auto options = update_options(request, out.warnings);
      out.list = CO_TRY(co_await registry().remove_collection(resource, request.namespace_, std::move(request.del),
                                                              std::move(request.list), options));
      co_return out;
    }
  }
  co_return fail(errors::no_such_resource());
}

Task<Result<Response>> Pipeline::create(const Resource& resource, Request request) {
  Response out;
  out.code = 201;
  auto object = std::move(request.object);
  if (auto ok = fit_object(resource, request, *object, true); !ok) co_return std::unexpected(ok.error());
  apply_defaults(*object);
  reset_untouchable(*resource.strategy, *object, nullptr, false);
  api::track_update(nullptr, *object,
                    {api::manager_of(request.write.field_manager, request.user_agent), "", to_api_time(parts_.clock->wall())});
  auto options = update_options(request, out.warnings);
  out.object = CO_TRY(co_await registry().create(resource, request.namespace_, std::move(object), options));
  co_return out;
}

Task<Result<Response>> Pipeline::run_update(const Resource& resource, Request request, UpdateScope scope) {
  Response out;
  auto options = update_options(request, out.warnings);
  options.scope = scope;
  const std::string manager = api::manager_of(request.write.field_manager, request.user_agent);
  const std::string tracked = request.subresource;
  std::unique_ptr<UpdateSource> source;
  if (request.verb == Verb::kUpdate) {
    if (auto ok = fit_object(resource, request, *request.object, false); !ok) co_return std::unexpected(ok.error());
    apply_defaults(*request.object);
    source = std::make_unique<PutSource>(*resource.strategy, std::move(request.object), manager, tracked, *parts_.clock);
  } else {
    source = CO_TRY(make_patch_source(resource, request, manager, *parts_.clock, out.warnings));
  }
  auto updated = CO_TRY(co_await registry().update(resource, request.namespace_, request.name, *source, options));
  out.object = std::move(updated.object);
  if (updated.created) out.code = 201;
  co_return out;
}

Task<Result<Response>> Pipeline::run_delete(const Resource& resource, Request request) {
  Response out;
  auto options = update_options(request, out.warnings);
  auto deleted =
      CO_TRY(co_await registry().remove(resource, request.namespace_, request.name, std::move(request.del), options));
  if (deleted.gone && !resource.strategy->returns_deleted) {
    const api::Object& object = *deleted.object->object();
    out.object = make_version(
        api::success_status(object.name(), resource.kind->group, resource.kind->resource, object.uid()));
  } else {
    out.object = std::move(deleted.object);
  }
  co_return out;
}

Task<Result<Response>> Pipeline::run_watch(const Resource& resource, Request request) {
  Response out;
  out.form = Response::Form::kWatch;
  // Upstream: between --min-request-timeout (30 minutes) and twice that.
  const auto spread = parts_.random ? parts_.random() % 1800 : 0;
  out.watch = CO_TRY(co_await open_watch(registry(), resource, request.namespace_, request.name, std::move(request.list),
                                         *parts_.clock, std::chrono::seconds(1800 + spread)));
  co_return out;
}

}  // namespace keelson::apiserver
