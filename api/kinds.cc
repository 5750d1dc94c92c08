#include "api/kinds.h"

namespace keelson::api {

namespace {

// Kinds of meta.k8s.io that upstream registers in the unnamed group too, and the options kinds of every group.
bool visible_in(const KindInfo& kind, std::string_view group, std::string_view version) {
  if (kind.version == version && kind.group == group) return true;
  return kind.group == "meta.k8s.io" && kind.version == "v1" &&
         (version == "v1" && group.empty() && kind.kind != "Table" && kind.kind != "TableOptions" &&
          !kind.kind.starts_with("PartialObject"));
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
