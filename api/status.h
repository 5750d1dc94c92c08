// Kubernetes Status errors: an Error (base/error.h) whose detail is a StatusDetail. The API server's edge
// turns it into a Status reply, the client turns a Status reply into it; wording is upstream's (apimachinery
// api/errors).
//
// Thread rule: functions without state; a StatusDetail is immutable once in an Error.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/field_error.h"
#include "api/object.h"
#include "base/error.h"

namespace keelson::api {

struct StatusCause {
  std::string reason;  // "FieldValueRequired"
  std::string message;
  std::string field;
};

struct StatusDetail : ErrorDetail {
  int http_code = 500;
  std::string reason;  // "NotFound"; may be empty
  bool has_details = false;
  std::string name, group, kind, uid;
  std::vector<StatusCause> causes;
  int retry_after_seconds = 0;
  std::string continue_token;  // metadata.continue of an expired list's Status
};

// A group and the resource's plural or the Kind; prints as "pods", "deployments.apps".
struct GroupName {
  std::string_view group, name;
  std::string text() const;
};
GroupName resource_of(const KindInfo& kind);  // {group, plural}
GroupName kind_of(const KindInfo& kind);      // {group, Kind}

// 404 `pods "a" not found`
Error not_found(GroupName resource, std::string_view name);
// 409 `pods "a" already exists`
Error already_exists(GroupName resource, std::string_view name);
Error generate_name_conflict(GroupName resource, std::string_view name, int retry_after_s);
// 409 `Operation cannot be fulfilled on pods "a": why`
Error conflict(GroupName resource, std::string_view name, std::string_view why);
// 403 `pods "a" is forbidden: why`
Error forbidden(GroupName resource, std::string_view name, std::string_view why);
// 422 `Pod "a" is invalid: spec.x: Required value`
Error invalid(GroupName kind, std::string_view name, const field::ErrorList& errors);
// 400
Error bad_request(std::string message);
// 401; an empty message reads "not authorized"
Error unauthorized(std::string message);
// 405 `patch is not supported on resources of kind "pods"`
Error method_not_supported(GroupName resource, std::string_view action);
// 410 reason Gone / Expired
Error gone(std::string message);
Error expired(std::string message);
// 429
Error too_many_requests(std::string message, int retry_after_s);
// 500 `Internal error occurred: why`
Error internal_error(std::string_view why);
// 500 reason ServerTimeout `The create operation against pods could not be completed at this time, please try
// again.`
Error server_timeout(GroupName resource, std::string_view operation, int retry_after_s);
// 504 `Timeout: why`
Error timeout(std::string_view why, int retry_after_s);
// 503
Error service_unavailable(std::string message);
// 413 `Request entity too large: why`
Error request_entity_too_large(std::string_view why);
// 415 and 406, message as given
Error unsupported_media_type(std::string message);
Error not_acceptable(std::string message);
// What a bare status code means (404 "the server could not find the requested resource" …), as rest.Request
// makes of a reply without a Status; with the resource and name: `… (get pods a)`.
Error generic_response(int http_code, std::string_view verb, GroupName resource, std::string_view name,
                       std::string_view server_message, int retry_after_s);
// Any other.
Error status_error(int http_code, std::string_view reason, std::string message);

// The detail, or null when the error carries none (then status_of() decides by its code).
const StatusDetail* status_detail(const Error& error);
// HTTP code and reason of any Error: of its detail, else mapped from its code (not_found → 404 NotFound,
// unavailable → 503 …, else 500 InternalError).
int http_code(const Error& error);
std::string_view reason(const Error& error);

bool is_not_found(const Error& error);
bool is_already_exists(const Error& error);
bool is_conflict(const Error& error);
bool is_invalid(const Error& error);
bool is_forbidden(const Error& error);
bool is_gone_or_expired(const Error& error);
bool is_too_many_requests(const Error& error);

// The Status object of a failure, ready to be encoded.
ObjectPtr status_object(const Error& error);
// {"status":"Success","details":…}: `details_*` as in upstream's reply to DELETE; empty ones are left out.
ObjectPtr success_status(std::string_view name, std::string_view group, std::string_view kind,
                         std::string_view uid);
// The Error of a Status object. REQUIRES: object.type() is meta_v1::Status's.
Error error_from_status(const Object& object);

}  // namespace keelson::api
