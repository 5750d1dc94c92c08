#include "apiserver/openapi/operations.h"

#include <fmt/format.h>

#include <algorithm>

#include "api/kinds.h"
#include "apiserver/openapi/schema_json.h"

namespace keelson::apiserver {
namespace {

using api::KindInfo;

constexpr Parameter kDryRun{"dryRun", "string", "All: run the whole request but store nothing."};
constexpr Parameter kFieldManager{"fieldManager", "string", "Who writes, for managedFields."};
constexpr Parameter kFieldValidation{"fieldValidation", "string",
                                     "What to do about unknown or repeated fields: Ignore, Warn or Strict."};
constexpr Parameter kWrite[] = {kDryRun, kFieldManager, kFieldValidation};
constexpr Parameter kPatch[] = {kDryRun,
                                kFieldManager,
                                kFieldValidation,
                                {"force", "boolean", "Apply only: take fields that others own."}};
constexpr Parameter kList[] = {
    {"allowWatchBookmarks", "boolean", "Send bookmark events in a watch."},
    {"continue", "string", "Token of the next page, from the previous one."},
    {"fieldSelector", "string", "Only objects with these field values."},
    {"labelSelector", "string", "Only objects with these labels."},
    {"limit", "integer", "At most so many objects in one reply."},
    {"resourceVersion", "string", "The version to read at or to watch from."},
    {"resourceVersionMatch", "string", "How resourceVersion is meant: Exact or NotOlderThan."},
    {"sendInitialEvents", "boolean", "Begin a watch with an event for each object."},
    {"timeoutSeconds", "integer", "End the call after so long."},
    {"watch", "boolean", "Stream changes instead of listing."},
};
constexpr Parameter kDelete[] = {
    kDryRun,
    {"gracePeriodSeconds", "integer", "Seconds until the object is removed; 0 removes it at once."},
    {"orphanDependents", "boolean", "Deprecated form of propagationPolicy."},
    {"propagationPolicy", "string", "What becomes of dependents: Orphan, Background or Foreground."},
};
constexpr Parameter kDeleteCollection[] = {
    kList[1],   kDryRun,    kList[2], kDelete[1], kList[3], kList[4],
    kDelete[2], kDelete[3], kList[5], kList[6],   kList[7], kList[8],
};

constexpr std::string_view kStatus = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
constexpr std::string_view kDeleteOptions = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";

std::string title(std::string_view s) {
  std::string out(s);
  if (!out.empty() && out[0] >= 'a' && out[0] <= 'z') out[0] = static_cast<char>(out[0] - 32);
  return out;
}

// "AppsV1", "CoreV1", "CoordinationV1", "RbacAuthorizationV1".
std::string group_title(const KindInfo& k) {
  std::string_view group = k.group.empty() ? std::string_view("core") : k.group;
  if (group.ends_with(".k8s.io")) group.remove_suffix(7);
  std::string out;
  while (!group.empty()) {
    const std::size_t dot = group.find('.');
    out += title(group.substr(0, dot));
    group = dot == std::string_view::npos ? std::string_view() : group.substr(dot + 1);
  }
  return out + title(k.version);
}

class Builder {
 public:
  explicit Builder(const KindInfo& k)
      : k_(k),
        base_(k.group.empty() ? fmt::format("/api/{}", k.version)
                              : fmt::format("/apis/{}/{}", k.group, k.version)),
        title_(group_title(k)),
        scope_(k.namespaced ? "Namespaced" : "") {}

  void add_to(std::vector<PathOperations>& out) {
    collection(out);
    item(out);
    for (const api::SubresourceInfo& s : k_.subresources) subresource(out, s);
  }

 private:
  std::string collection_path() const {
    return k_.namespaced ? fmt::format("{}/namespaces/{{namespace}}/{}", base_, k_.resource)
                         : fmt::format("{}/{}", base_, k_.resource);
  }
  Operation op(std::string_view method, std::string_view verb, std::string_view action,
               std::string_view suffix = "") {
    Operation o;
    o.method = method;
    o.id = fmt::format("{}{}{}{}{}", verb, title_, scope_, k_.kind, suffix);
    o.action = action;
    o.description = fmt::format("{} {}", verb, k_.kind);
    o.group = k_.group;
    o.version = k_.version;
    o.kind = k_.kind;
    return o;
  }
  static void keep(std::vector<PathOperations>& out, PathOperations p) {
    if (!p.operations.empty()) out.push_back(std::move(p));
  }

  void collection(std::vector<PathOperations>& out) {
    PathOperations p{collection_path(), k_.namespaced, false, {}, {}};
    const std::string_view list = k_.list_type ? k_.list_type->name : std::string_view();
    if (k_.has_verb("list") && !list.empty()) {
      Operation o = op("get", "list", "list");
      o.query = kList;
      o.reply = list;
      o.stream = k_.has_verb("watch");
      if (k_.namespaced) {
        Operation all = o;
        all.id = fmt::format("list{}{}ForAllNamespaces", title_, k_.kind);
        out.push_back({fmt::format("{}/{}", base_, k_.resource), false, false, {}, {std::move(all)}});
      }
      p.operations.push_back(std::move(o));
    }
    if (k_.has_verb("create")) {
      Operation o = op("post", "create", "post");
      o.query = kWrite;
      o.body = o.reply = k_.type->name;
      o.codes = 3;
      p.operations.push_back(std::move(o));
    }
    if (k_.has_verb("deletecollection")) {
      Operation o = op("delete", "deleteCollection", "deletecollection");
      o.id = fmt::format("delete{}Collection{}{}", title_, scope_, k_.kind);
      o.query = kDeleteCollection;
      o.body = kDeleteOptions;
      o.reply = kStatus;
      p.operations.push_back(std::move(o));
    }
    keep(out, std::move(p));
  }

  void item(std::vector<PathOperations>& out) {
    PathOperations p{collection_path() + "/{name}", k_.namespaced, true, {}, {}};
    read_write(p, k_.verbs, k_.type->name, k_.group, k_.version, k_.kind, "");
    if (k_.has_verb("delete")) {
      Operation o = op("delete", "delete", "delete");
      o.query = kDelete;
      o.body = kDeleteOptions;
      o.reply = kStatus;
      o.codes = 3;
      p.operations.push_back(std::move(o));
    }
    keep(out, std::move(p));
  }

  // get, update and patch of an object or a subresource.
  void read_write(PathOperations& p, std::span<const std::string_view> verbs, std::string_view component,
                  std::string_view group, std::string_view version, std::string_view kind,
                  const std::string& suffix) {
    const auto has = [&](std::string_view verb) { return std::ranges::find(verbs, verb) != verbs.end(); };
    const auto add = [&](Operation o) {
      o.group = group;
      o.version = version;
      o.kind = kind;
      o.reply = component;
      p.operations.push_back(std::move(o));
    };
    if (has("get")) add(op("get", "read", "get", suffix));
    if (has("update")) {
      Operation o = op("put", "replace", "put", suffix);
      o.query = kWrite;
      o.body = component;
      o.codes = 2;
      add(std::move(o));
    }
    if (has("patch")) {
      Operation o = op("patch", "patch", "patch", suffix);
      o.query = kPatch;
      o.body = kPatchComponent;
      o.patch = true;
      o.codes = 2;
      add(std::move(o));
    }
  }

  void subresource(std::vector<PathOperations>& out, const api::SubresourceInfo& s) {
    PathOperations p{fmt::format("{}/{{name}}/{}", collection_path(), s.name), k_.namespaced, true, {}, {}};
    const std::string suffix = title(s.name);
    if (s.kind.ends_with("Options")) {
      connect(p, s, suffix);
    } else if (s.name == "log") {
      Operation o = op("get", "read", "get", suffix);
      p.query = parameters_of("io.k8s.api.core.v1.PodLogOptions");
      p.operations.push_back(std::move(o));
    } else if (const KindInfo* kind = api::find_kind(s.group, s.version, s.kind)) {
      read_write(p, s.verbs, kind->type->name, s.group, s.version, s.kind, suffix);
      if (std::ranges::find(s.verbs, "create") != s.verbs.end()) {
        Operation o = op("post", "create", "post", suffix);
        o.group = s.group;
        o.version = s.version;
        o.kind = s.kind;
        o.query = kWrite;
        o.body = o.reply = kind->type->name;
        o.codes = 3;
        p.operations.push_back(std::move(o));
      }
    }
    keep(out, std::move(p));
  }

  void connect(PathOperations& p, const api::SubresourceInfo& s, const std::string& suffix) {
    static constexpr std::pair<std::string_view, std::string_view> kMethods[] = {
        {"get", "get"}, {"update", "put"}, {"create", "post"}, {"delete", "delete"}, {"patch", "patch"}};
    for (const auto& [verb, method] : kMethods) {
      if (std::ranges::find(s.verbs, verb) == s.verbs.end()) continue;
      Operation o = op(method, "connect", "connect", suffix);
      o.id = fmt::format("connect{}{}{}{}{}", title_, title(method), scope_, k_.kind, suffix);
      o.kind = s.kind;
      p.operations.push_back(std::move(o));
    }
    if (const KindInfo* options = api::find_kind(s.group, s.version, s.kind))
      p.query = parameters_of(options->type->name);
  }

  static std::vector<Parameter> parameters_of(std::string_view type_name) {
    std::vector<Parameter> out;
    const api::Type* type = api::find_type(type_name);
    if (type == nullptr) return out;
    for (const api::Field& f : type->fields) {
      if (f.type_meta) continue;
      const bool integer = f.scalar == api::Scalar::kInt32 || f.scalar == api::Scalar::kInt64;
      out.push_back({f.name,
                     f.scalar == api::Scalar::kBool ? "boolean"
                     : integer                      ? "integer"
                                                    : "string",
                     f.facts->description});
    }
    return out;
  }

  const KindInfo& k_;
  const std::string base_, title_;
  const std::string_view scope_;
};

}  // namespace

std::vector<PathOperations> operations_of(std::span<const KindInfo* const> kinds) {
  std::vector<PathOperations> out;
  for (const KindInfo* k : kinds)
    if (!k->resource.empty()) Builder(*k).add_to(out);
  std::ranges::sort(out, {}, &PathOperations::path);
  return out;
}

}  // namespace keelson::apiserver
