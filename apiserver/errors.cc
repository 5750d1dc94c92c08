#include "apiserver/errors.h"

#include <fmt/format.h>

namespace keelson::apiserver::errors {
namespace {

api::GroupName of(const Resource& r) { return api::resource_of(*r.kind); }

Error with_detail(Error error, auto change) {
  auto detail = std::make_shared<api::StatusDetail>(*api::status_detail(error));
  change(*detail);
  error.detail = std::move(detail);
  return error;
}

}  // namespace

Error not_found(const Resource& resource, std::string_view name) { return api::not_found(of(resource), name); }

Error no_such_resource() {
  return with_detail(api::status_error(404, "NotFound", "the server could not find the requested resource"),
                     [](api::StatusDetail& d) { d.has_details = true; });
}

Error already_exists(const Resource& resource, std::string_view name, bool deleting) {
  Error error = api::already_exists(of(resource), name);
  if (deleting) error.message = "object is being deleted: " + error.message;
  return error;
}

Error conflict(const Resource& resource, std::string_view name, std::string_view text) {
  return api::conflict(of(resource), name, text);
}

Error kind_conflict(const api::KindInfo& kind, std::string_view name, std::string_view text) {
  return api::conflict(api::kind_of(kind), name, text);
}

Error bad_request(std::string message) { return api::bad_request(std::move(message)); }

Error plain_internal(std::string message) { return api::status_error(500, "", std::move(message)); }

Error internal(std::string message) { return api::internal_error(message); }

Error method_not_allowed(std::string_view, std::string_view) {
  return with_detail(
      api::status_error(405, "MethodNotAllowed", "the server does not allow this method on the requested resource"),
      [](api::StatusDetail& d) { d.has_details = true; });
}

Error expired(std::string message, std::string continue_token) {
  Error error = api::expired(std::move(message));
  if (continue_token.empty()) return error;
  return with_detail(std::move(error), [&](api::StatusDetail& d) { d.continue_token = std::move(continue_token); });
}

Error too_large_resource_version(std::int64_t wanted, std::int64_t current) {
  return with_detail(api::timeout(fmt::format("Too large resource version: {}, current: {}", wanted, current), 1),
                     [](api::StatusDetail& d) {
                       d.has_details = true;
                       d.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
                     });
}

Error invalid(const api::KindInfo& kind, std::string_view name, const api::field::ErrorList& causes) {
  return api::invalid(api::kind_of(kind), name, causes);
}

Error invalid(std::string_view group, std::string_view kind, std::string_view name, const api::field::ErrorList& causes) {
  return api::invalid(api::GroupName{group, kind}, name, causes);
}

Error forbidden(const Resource& resource, std::string_view name, std::string_view text) {
  return api::forbidden(of(resource), name, text);
}

Error from_store(const Error& error) {
  if (api::status_detail(error)) return error;
  switch (error.code) {
    case Code::kUnavailable: return api::service_unavailable(error.message);
    case Code::kDeadlineExceeded: return api::timeout(error.message, 0);
    case Code::kResourceExhausted: return api::too_many_requests(error.message, 1);
    case Code::kOutOfRange: return api::expired(error.message);
    default: return api::internal_error(error.message);
  }
}

}  // namespace keelson::apiserver::errors
