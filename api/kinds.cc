#include "api/kinds.h"

namespace keelson::api {

namespace {

// Kinds of meta/v1 are known in both the unnamed group and meta.k8s.io, but for those that only the latter
// has.
bool visible_in(const KindInfo& kind, std::string_view group, std::string_view version) {
  if (kind.version != version) return false;
  if (kind.group == group) return true;
  const bool meta = kind.group == "meta.k8s.io" || kind.type->name.starts_with("io.k8s.apimachinery.");
  return meta && (group.empty() || group == "meta.k8s.io") && !kind.kind.starts_with("Table") &&
         !kind.kind.starts_with("PartialObject");
}

}  // namespace

const KindInfo* find_kind(std::string_view group, std::string_view version, std::string_view kind) {
  for (const KindInfo* info : all_kinds())
    if (info->kind == kind && visible_in(*info, group, version)) return info;
  return nullptr;
}

const KindInfo* find_kind(std::string_view api_version, std::string_view kind) {
  const std::size_t slash = api_version.find('/');
  if (slash == std::string_view::npos) return find_kind("", api_version, kind);
  return find_kind(api_version.substr(0, slash), api_version.substr(slash + 1), kind);
}

const KindInfo* find_resource(std::string_view group, std::string_view version, std::string_view resource) {
  for (const KindInfo* info : all_kinds())
    if (info->resource == resource && info->group == group && info->version == version && !resource.empty())
      return info;
  return nullptr;
}

const Type* find_type(std::string_view openapi_name) {
  for (const Type* type : all_types())
    if (type->name == openapi_name) return type;
  return nullptr;
}

}  // namespace keelson::api
