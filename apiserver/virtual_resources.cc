// Resources that are answered, not stored: reviews of tokens and of rights, component statuses, bindings.
#include <fmt/format.h>

#include "api/gen/authentication_v1.h"
#include "api/gen/authorization_v1.h"
#include "apiserver/errors.h"
#include "apiserver/object_meta.h"
#include "apiserver/pipeline.h"

namespace keelson::apiserver {
namespace {

using namespace api;

template <class UserMut>
void write_user(UserMut out, const auth::UserInfo& user) {
  out.set_username(user.name);
  out.set_uid(user.uid);
  for (auto& group : user.groups) out.add_groups(group);
  for (auto& [key, values] : user.extra) {
    auto list = out.mutable_extra().at(key);
    for (auto& value : values) list.add_items(value);
  }
}

// authorization/v1 attributes, as the body gives them.
template <class Spec>
auth::Attributes attributes_of(Spec spec, const auth::UserInfo* user) {
  auth::Attributes a;
  a.user = user;
  if (spec.has_resource_attributes()) {
    auto r = spec.resource_attributes();
    a.verb = r.verb();
    a.api_group = r.group();
    a.api_version = r.version();
    a.resource = r.resource();
    a.subresource = r.subresource();
    a.namespace_ = r.namespace_();
    a.name = r.name();
  } else {
    a.resource_request = false;
    a.verb = spec.non_resource_attributes().verb();
    a.path = spec.non_resource_attributes().path();
  }
  return a;
}

template <class StatusMut>
void write_decision(StatusMut status, const auth::Decision& decision) {
  status.set_allowed(decision.allowed);
  if (!decision.reason.empty()) status.set_reason(decision.reason);
}

template <class Spec>
auth::UserInfo subject_of(Spec spec) {
  auth::UserInfo user;
  user.name = std::string(spec.user());
  user.uid = std::string(spec.uid());
  for (auto group : spec.groups()) user.groups.emplace_back(group);
  return user;
}

Response created(std::unique_ptr<Object> object) {
  Response out;
  out.code = 201;
  out.object = make_version(freeze(std::move(object)));
  return out;
}

}  // namespace

Response Pipeline::token_review(std::unique_ptr<Object> object) {
  auto review = authentication_v1::TokenReviewMut::of(*object);
  auto status = review.mutable_status();
  auto user = parts_.check_token ? parts_.check_token(review.view().spec().token())
                                 : Result<auth::UserPtr>(fail(Code::kUnauthenticated, "no token authenticator"));
  if (user && *user) {
    status.set_authenticated(true);
    write_user(status.mutable_user(), **user);
    for (auto& audience : parts_.api_audiences) status.add_audiences(audience);
  } else {
    status.mutable_user();
    status.set_error("invalid bearer token");
  }
  return created(std::move(object));
}

Task<Result<Response>> Pipeline::run_virtual(const Resource& resource, Request request) {
  const std::string_view kind = resource.kind->kind;
  if (kind == "Binding") co_return co_await bind(std::move(request));
  if (kind == "ComponentStatus") {
    Response out;
    std::vector<ObjectPtr> all;
    if (parts_.component_statuses) all = co_await parts_.component_statuses();
    if (request.verb == Verb::kList) {
      out.form = Response::Form::kList;
      for (auto& object : all) out.list.items.push_back(make_version(object));
      co_return out;
    }
    for (auto& object : all)
      if (object->name() == request.name) out.object = make_version(object);
    if (!out.object) co_return fail(errors::not_found(resource, request.name));
    co_return out;
  }
  if (request.verb != Verb::kCreate || !request.object) co_return fail(errors::method_not_allowed("", ""));
  auto object = std::move(request.object);
  if (kind == "TokenReview") {
    if (authentication_v1::TokenReview::of(*object).spec().token().empty())
      co_return fail(errors::bad_request("token is required for TokenReview in authentication"));
    co_return token_review(std::move(object));
  }
  if (kind == "SelfSubjectReview") {
    auto review = authentication_v1::SelfSubjectReviewMut::of(*object);
    review.mutable_metadata().set_creation_timestamp(to_api_time(parts_.clock->wall()));
    write_user(review.mutable_status().mutable_user_info(), *request.user);
    co_return created(std::move(object));
  }
  if (kind == "SelfSubjectAccessReview") {
    auto review = authorization_v1::SelfSubjectAccessReviewMut::of(*object);
    write_decision(review.mutable_status(),
                   parts_.authorizer->authorize(attributes_of(review.view().spec(), request.user.get())));
    co_return created(std::move(object));
  }
  if (kind == "SubjectAccessReview") {
    auto review = authorization_v1::SubjectAccessReviewMut::of(*object);
    auth::UserInfo user = subject_of(review.view().spec());
    write_decision(review.mutable_status(), parts_.authorizer->authorize(attributes_of(review.view().spec(), &user)));
    co_return created(std::move(object));
  }
  if (kind == "LocalSubjectAccessReview") {
    auto review = authorization_v1::LocalSubjectAccessReviewMut::of(*object);
    review.mutable_metadata().set_namespace(request.namespace_);
    auth::UserInfo user = subject_of(review.view().spec());
    write_decision(review.mutable_status(), parts_.authorizer->authorize(attributes_of(review.view().spec(), &user)));
    co_return created(std::move(object));
  }
  if (kind == "SelfSubjectRulesReview") {
    auto review = authorization_v1::SelfSubjectRulesReviewMut::of(*object);
    auto status = review.mutable_status();
    status.mutable_resource_rules();
    status.mutable_non_resource_rules();
    status.set_incomplete(true);
    if (request.user->in_group(auth::kGroupMasters)) {
      auto rule = status.add_resource_rules();
      rule.add_verbs("*");
      rule.add_api_groups("*");
      rule.add_resources("*");
      auto other = status.add_non_resource_rules();
      other.add_verbs("*");
      other.add_non_resource_urls("*");
    }
    co_return created(std::move(object));
  }
  co_return fail(errors::no_such_resource());
}

}  // namespace keelson::apiserver
