// The errors the API server answers with, in upstream's words. All carry a Kubernetes Status (api/status.h).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "api/status.h"
#include "apiserver/resource.h"

namespace keelson::apiserver::errors {

// 404 `pods "x" not found`
Error not_found(const Resource& resource, std::string_view name);
// 404 for paths that name no resource: "the server could not find the requested resource"
Error no_such_resource();
// 409 `pods "x" already exists`; `deleting`: "object is being deleted: …"
Error already_exists(const Resource& resource, std::string_view name, bool deleting);
// 409 `Operation cannot be fulfilled on RESOURCE "x": TEXT`
Error conflict(const Resource& resource, std::string_view name, std::string_view text);
// The same naming the kind, as failed preconditions of a DELETE do.
Error kind_conflict(const api::KindInfo& kind, std::string_view name, std::string_view text);
inline constexpr std::string_view kModified =
    "the object has been modified; please apply your changes to the latest version and try again";
// 400
Error bad_request(std::string message);
// 500 with only a message
Error plain_internal(std::string message);
// 500 "Internal error occurred: …"
Error internal(std::string message);
// 405
Error method_not_allowed(std::string_view qualified_resource, std::string_view action);
// 410 with reason Expired; `continue_token` goes into the Status' metadata.
Error expired(std::string message, std::string continue_token = {});
// 504 "Too large resource version: N, current: M"
Error too_large_resource_version(std::int64_t wanted, std::int64_t current);
// 422 of a kind
Error invalid(const api::KindInfo& kind, std::string_view name, const api::field::ErrorList& causes);
// 422 of a resource's plural ("must be specified for an update") or of an options kind.
Error invalid(std::string_view group, std::string_view kind, std::string_view name, const api::field::ErrorList& causes);
// 403
Error forbidden(const Resource& resource, std::string_view name, std::string_view text);
// What the store said, for a client: 500, 503 or 504.
Error from_store(const Error& error);

}  // namespace keelson::apiserver::errors
