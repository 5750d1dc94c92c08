// The registry of built-in kinds: constant tables in a fixed order (the schema files' order).
// A later registry for custom resources is the API server's own; this one never changes at run time.
// Thread rule: any thread.
#pragma once

#include <span>
#include <string_view>

#include "api/schema.h"

namespace keelson::api {

// Every built-in kind, served or not (options kinds, Status …).
std::span<const KindInfo* const> all_kinds();

// Exact match; null when unknown. `group` is "" for core. meta.k8s.io kinds (Status, Table, DeleteOptions …)
// are found under "meta.k8s.io"/"v1", and Status, the options kinds and the lists of discovery under ""/"v1"
// as well.
const KindInfo* find_kind(std::string_view group, std::string_view version, std::string_view kind);
// The same by apiVersion ("v1", "apps/v1").
const KindInfo* find_kind(std::string_view api_version, std::string_view kind);
// By plural resource name.
const KindInfo* find_resource(std::string_view group, std::string_view version, std::string_view resource);
// Any type by its OpenAPI name ("io.k8s.api.core.v1.PodSpec"); null when unknown.
const Type* find_type(std::string_view openapi_name);
// Every type of the built-in schema.
std::span<const Type* const> all_types();

}  // namespace keelson::api
