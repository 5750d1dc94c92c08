#include "api/status.h"

#include <fmt/format.h>

#include <algorithm>

namespace keelson::api {

namespace {

using field::go_quote;

Code code_of(int http_code, std::string_view reason) {
  if (reason == "AlreadyExists") return Code::kAlreadyExists;
  switch (http_code) {
    case 400:
    case 405:
    case 406:
    case 413:
    case 415:
    case 422:
      return Code::kInvalidArgument;
    case 401:
      return Code::kUnauthenticated;
    case 403:
      return Code::kPermissionDenied;
    case 404:
      return Code::kNotFound;
    case 409:
      return Code::kAborted;
    case 410:
      return Code::kOutOfRange;
    case 429:
      return Code::kResourceExhausted;
    case 503:
      return Code::kUnavailable;
    case 504:
      return Code::kDeadlineExceeded;
    default:
      return http_code < 400 ? Code::kUnknown : Code::kInternal;
  }
}

std::shared_ptr<StatusDetail> make_detail(int http_code, std::string_view reason) {
  auto out = std::make_shared<StatusDetail>();
  out->http_code = http_code;
  out->reason = reason;
  return out;
}

Error make(std::shared_ptr<StatusDetail> detail, std::string message) {
  const Code code = code_of(detail->http_code, detail->reason);
  return Error{code, std::move(message), std::move(detail)};
}

Error about(int http_code, std::string_view reason, GroupName what, std::string_view name,
            std::string message) {
  auto detail = make_detail(http_code, reason);
  detail->has_details = true;
  detail->group = what.group;
  detail->kind = what.name;
  detail->name = name;
  return make(std::move(detail), std::move(message));
}

Error retry_later(int http_code, std::string_view reason, std::string message, int retry_after_s) {
  auto detail = make_detail(http_code, reason);
  detail->has_details = true;
  detail->retry_after_seconds = retry_after_s;
  return make(std::move(detail), std::move(message));
}

struct Meaning {
  int code;
  std::string_view reason, message;
};
constexpr Meaning kMeanings[] = {
    {404, "NotFound", "the server could not find the requested resource"},
    {400, "BadRequest", "the server rejected our request for an unknown reason"},
    {401, "Unauthorized", "the server has asked for the client to provide credentials"},
    {405, "MethodNotAllowed", "the server does not allow this method on the requested resource"},
    {409, "Conflict", "the server reported a conflict"},
    {422, "Invalid", "the server rejected our request due to an error in our request"},
    {503, "ServiceUnavailable", "the server is currently unable to handle the request"},
    {504, "Timeout",
     "the server was unable to return a response in the time allotted, but may still be processing the "
     "request"},
    {429, "TooManyRequests", "the server has received too many requests and has asked us to try again later"},
};

}  // namespace

std::string GroupName::text() const {
  return group.empty() ? std::string(name) : fmt::format("{}.{}", name, group);
}
GroupName resource_of(const KindInfo& kind) {
  return {kind.group, kind.resource};
}
GroupName kind_of(const KindInfo& kind) {
  return {kind.group, kind.kind};
}

Error not_found(GroupName resource, std::string_view name) {
  return about(404, "NotFound", resource, name,
               fmt::format("{} {} not found", resource.text(), go_quote(name)));
}

Error already_exists(GroupName resource, std::string_view name) {
  return about(409, "AlreadyExists", resource, name,
               fmt::format("{} {} already exists", resource.text(), go_quote(name)));
}

Error generate_name_conflict(GroupName resource, std::string_view name, int retry_after_s) {
  auto detail = make_detail(409, "AlreadyExists");
  detail->has_details = true;
  detail->group = resource.group;
  detail->kind = resource.name;
  detail->name = name;
  detail->retry_after_seconds = retry_after_s;
  return make(
      std::move(detail),
      fmt::format("{} {} already exists, the server was not able to generate a unique name for the object",
                  resource.text(), go_quote(name)));
}

Error conflict(GroupName resource, std::string_view name, std::string_view why) {
  return about(
      409, "Conflict", resource, name,
      fmt::format("Operation cannot be fulfilled on {} {}: {}", resource.text(), go_quote(name), why));
}

Error forbidden(GroupName resource, std::string_view name, std::string_view why) {
  std::string message = resource.group.empty() && resource.name.empty() ? fmt::format("forbidden: {}", why)
                        : name.empty()
                            ? fmt::format("{} is forbidden: {}", resource.text(), why)
                            : fmt::format("{} {} is forbidden: {}", resource.text(), go_quote(name), why);
  return about(403, "Forbidden", resource, name, std::move(message));
}

Error invalid(GroupName kind, std::string_view name, const field::ErrorList& errors) {
  auto detail = make_detail(422, "Invalid");
  detail->has_details = true;
  detail->group = kind.group;
  detail->kind = kind.name;
  detail->name = name;
  for (const field::Error& error : errors)
    detail->causes.push_back({std::string(field::type_reason(error.type)), error.body(), error.field});
  std::string message = fmt::format("{} {} is invalid", kind.text(), go_quote(name));
  if (!errors.empty()) message += ": " + field::aggregate_text(errors);
  return make(std::move(detail), std::move(message));
}

Error bad_request(std::string message) {
  return status_error(400, "BadRequest", std::move(message));
}

Error unauthorized(std::string message) {
  return status_error(401, "Unauthorized", message.empty() ? "not authorized" : std::move(message));
}

Error method_not_supported(GroupName resource, std::string_view action) {
  return about(405, "MethodNotAllowed", resource, "",
               fmt::format("{} is not supported on resources of kind {}", action, go_quote(resource.text())));
}

Error gone(std::string message) {
  return status_error(410, "Gone", std::move(message));
}
Error expired(std::string message) {
  return status_error(410, "Expired", std::move(message));
}

Error too_many_requests(std::string message, int retry_after_s) {
  return retry_later(429, "TooManyRequests", std::move(message), retry_after_s);
}

Error internal_error(std::string_view why) {
  auto detail = make_detail(500, "InternalError");
  detail->has_details = true;
  detail->causes.push_back({"", std::string(why), ""});
  return make(std::move(detail), fmt::format("Internal error occurred: {}", why));
}

Error server_timeout(GroupName resource, std::string_view operation, int retry_after_s) {
  auto detail = make_detail(500, "ServerTimeout");
  detail->has_details = true;
  detail->group = resource.group;
  detail->kind = resource.name;
  detail->name = operation;
  detail->retry_after_seconds = retry_after_s;
  return make(
      std::move(detail),
      fmt::format("The {} operation against {} could not be completed at this time, please try again.",
                  operation, resource.text()));
}

Error timeout(std::string_view why, int retry_after_s) {
  return retry_later(504, "Timeout", fmt::format("Timeout: {}", why), retry_after_s);
}

Error service_unavailable(std::string message) {
  return status_error(503, "ServiceUnavailable", std::move(message));
}
Error request_entity_too_large(std::string_view why) {
  return status_error(413, "RequestEntityTooLarge", fmt::format("Request entity too large: {}", why));
}
Error unsupported_media_type(std::string message) {
  return status_error(415, "UnsupportedMediaType", std::move(message));
}
Error not_acceptable(std::string message) {
  return status_error(406, "NotAcceptable", std::move(message));
}

Error generic_response(int http_code, std::string_view verb, GroupName resource, std::string_view name,
                       std::string_view server_message, int retry_after_s) {
  std::string lower(verb);
  std::ranges::transform(lower, lower.begin(),
                         [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  std::string reason;
  std::string message = fmt::format(
      "the server responded with the status code {} but did not return more information", http_code);
  if (const auto* at = std::ranges::find(kMeanings, http_code, &Meaning::code); at != std::end(kMeanings)) {
    reason = http_code == 409 && lower == "post" ? "AlreadyExists" : at->reason;
    message = at->message;
  } else if (http_code == 403 || http_code == 415) {
    reason = http_code == 403 ? "Forbidden" : "UnsupportedMediaType";
    message = server_message;
  } else if (http_code == 406) {
    reason = "NotAcceptable";
    message = server_message.empty() || server_message == "unknown"
                  ? "the server was unable to respond with a content type that the client supports"
                  : std::string(server_message);
  } else if (http_code >= 500) {
    reason = "InternalError";
    message = fmt::format("an error on the server ({}) has prevented the request from succeeding",
                          go_quote(server_message));
  }
  const bool about_resource = !resource.group.empty() || !resource.name.empty();
  if (about_resource) {
    message += fmt::format(" ({} {}", lower, resource.text());
    message += name.empty() ? ")" : fmt::format(" {})", name);
  }
  auto detail = make_detail(http_code, reason);
  detail->has_details = true;
  detail->group = resource.group;
  detail->kind = resource.name;
  detail->name = name;
  detail->retry_after_seconds = retry_after_s;
  return make(std::move(detail), std::move(message));
}

Error status_error(int http_code, std::string_view reason, std::string message) {
  return make(make_detail(http_code, reason), std::move(message));
}

const StatusDetail* status_detail(const Error& error) {
  return dynamic_cast<const StatusDetail*>(error.detail.get());
}

namespace {

Meaning meaning_of(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return {400, "BadRequest", ""};
    case Code::kUnauthenticated:
      return {401, "Unauthorized", ""};
    case Code::kPermissionDenied:
      return {403, "Forbidden", ""};
    case Code::kNotFound:
      return {404, "NotFound", ""};
    case Code::kAlreadyExists:
      return {409, "AlreadyExists", ""};
    case Code::kAborted:
      return {409, "Conflict", ""};
    case Code::kOutOfRange:
      return {410, "Expired", ""};
    case Code::kResourceExhausted:
      return {429, "TooManyRequests", ""};
    case Code::kUnavailable:
      return {503, "ServiceUnavailable", ""};
    case Code::kDeadlineExceeded:
    case Code::kCancelled:
      return {504, "Timeout", ""};
    default:
      return {500, "InternalError", ""};
  }
}

}  // namespace

int http_code(const Error& error) {
  const StatusDetail* detail = status_detail(error);
  return detail != nullptr ? detail->http_code : meaning_of(error.code).code;
}

std::string_view reason(const Error& error) {
  const StatusDetail* detail = status_detail(error);
  return detail != nullptr ? std::string_view(detail->reason) : meaning_of(error.code).reason;
}

bool is_not_found(const Error& error) {
  return reason(error) == "NotFound";
}
bool is_already_exists(const Error& error) {
  return reason(error) == "AlreadyExists";
}
bool is_conflict(const Error& error) {
  return reason(error) == "Conflict";
}
bool is_invalid(const Error& error) {
  return reason(error) == "Invalid";
}
bool is_forbidden(const Error& error) {
  return reason(error) == "Forbidden";
}
bool is_gone_or_expired(const Error& error) {
  return reason(error) == "Gone" || reason(error) == "Expired";
}
bool is_too_many_requests(const Error& error) {
  return reason(error) == "TooManyRequests";
}

ObjectPtr status_object(const Error& error) {
  auto object = Object::make(meta_v1::Status::kind_info());
  meta_v1::StatusMut out = meta_v1::StatusMut::of(*object);
  out.mutable_metadata();
  out.set_status("Failure");
  out.set_message(error.message);
  out.set_reason(reason(error));
  out.set_code(http_code(error));
  if (const StatusDetail* detail = status_detail(error); detail != nullptr && detail->has_details) {
    meta_v1::StatusDetailsMut d = out.mutable_details();
    d.set_name(detail->name);
    d.set_group(detail->group);
    d.set_kind(detail->kind);
    d.set_uid(detail->uid);
    d.set_retry_after_seconds(detail->retry_after_seconds);
    for (const StatusCause& cause : detail->causes) {
      meta_v1::StatusCauseMut c = d.add_causes();
      c.set_reason(cause.reason);
      c.set_message(cause.message);
      c.set_field(cause.field);
    }
  }
  return freeze(std::move(object));
}

ObjectPtr success_status(std::string_view name, std::string_view group, std::string_view kind,
                         std::string_view uid) {
  auto object = Object::make(meta_v1::Status::kind_info());
  meta_v1::StatusMut out = meta_v1::StatusMut::of(*object);
  out.mutable_metadata();
  out.set_status("Success");
  if (!name.empty() || !group.empty() || !kind.empty() || !uid.empty()) {
    meta_v1::StatusDetailsMut d = out.mutable_details();
    d.set_name(name);
    d.set_group(group);
    d.set_kind(kind);
    d.set_uid(uid);
  }
  return freeze(std::move(object));
}

Error error_from_status(const Object& object) {
  const meta_v1::Status status = meta_v1::Status::of(object);
  auto detail = make_detail(status.code() != 0 ? status.code() : 500, status.reason());
  if (status.has_details()) {
    const meta_v1::StatusDetails d = status.details();
    detail->has_details = true;
    detail->name = d.name();
    detail->group = d.group();
    detail->kind = d.kind();
    detail->uid = d.uid();
    detail->retry_after_seconds = d.retry_after_seconds();
    for (const meta_v1::StatusCause& cause : d.causes())
      detail->causes.push_back(
          {std::string(cause.reason()), std::string(cause.message()), std::string(cause.field())});
  }
  return make(std::move(detail), std::string(status.message()));
}

}  // namespace keelson::api
