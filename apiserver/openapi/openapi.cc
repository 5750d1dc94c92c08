#include "apiserver/openapi/openapi.h"

#include <fmt/format.h>

#include <set>

#include "apiserver/openapi/gnostic.h"
#include "apiserver/openapi/json_writer.h"
#include "apiserver/openapi/operations.h"
#include "apiserver/openapi/schema_json.h"

namespace keelson::apiserver {
namespace {

using api::KindInfo;

constexpr std::string_view kObjectTypes[] = {"application/json", "application/vnd.kubernetes.protobuf",
                                             "application/yaml"};
constexpr std::string_view kStreamTypes[] = {"application/json;stream=watch",
                                             "application/vnd.kubernetes.protobuf;stream=watch"};
constexpr std::string_view kPatchTypes[] = {"application/apply-patch+yaml", "application/json-patch+json",
                                            "application/merge-patch+json",
                                            "application/strategic-merge-patch+json"};

std::string_view reply_text(int code) {
  return code == 200 ? "OK" : code == 201 ? "Created" : "Accepted";
}

// Writes paths in one dialect.
class PathWriter {
 public:
  PathWriter(std::string& out, OpenApiDialect dialect, std::set<std::string_view>& components)
      : w_(out), dialect_(dialect), components_(components) {}

  void path(const PathOperations& p) {
    w_.key(p.path).begin_object();
    for (const Operation& o : p.operations) operation(o);
    w_.key("parameters").begin_array();
    for (const Parameter& q : p.query) parameter(q, "query");
    if (p.named) parameter({"name", "string", "Name of the object."}, "path");
    if (p.namespaced) parameter({"namespace", "string", "Namespace of the object."}, "path");
    parameter({"pretty", "string", "Indent the reply when true."}, "query");
    w_.end_array();
    w_.end_object();
  }

 private:
  bool v3() const { return dialect_ == OpenApiDialect::kV3; }

  void ref(std::string_view component) {
    collect_components(component, components_);
    w_.begin_object();
    w_.member("$ref", component_ref(dialect_, component));
    w_.end_object();
  }

  void parameter(const Parameter& p, std::string_view in) {
    w_.begin_object();
    if (!p.description.empty()) w_.member("description", p.description);
    w_.member("in", in);
    w_.member("name", p.name);
    if (in == "path") w_.key("required").boolean(true);
    if (v3()) w_.key("schema").begin_object();
    w_.member("type", p.type);
    w_.key("uniqueItems").boolean(true);
    if (v3()) w_.end_object();
    w_.end_object();
  }

  void content(std::span<const std::string_view> types, std::string_view component) {
    for (std::string_view t : types) {
      w_.key(t).begin_object();
      w_.key("schema");
      ref(component);
      w_.end_object();
    }
  }

  void text_list(std::string_view name, std::span<const std::string_view> list) {
    w_.key(name).begin_array();
    for (std::string_view s : list) w_.string(s);
    w_.end_array();
  }

  void operation(const Operation& o) {
    w_.key(o.method).begin_object();
    static constexpr std::string_view kAny[] = {"*/*"};
    static constexpr std::string_view kHttps[] = {"https"};
    if (!v3()) text_list("consumes", o.patch ? std::span<const std::string_view>(kPatchTypes) : kAny);
    w_.member("description", o.description);
    w_.member("operationId", o.id);
    parameters(o);
    if (v3() && !o.body.empty()) request_body(o);
    if (!v3())
      text_list("produces", o.reply.empty() ? std::span<const std::string_view>(kAny) : kObjectTypes);
    w_.key("responses").begin_object();
    for (int code = 200; code < 200 + o.codes; ++code) response(o, code);
    w_.key("401").begin_object();
    w_.member("description", "Unauthorized");
    w_.end_object();
    w_.end_object();
    if (!v3()) text_list("schemes", kHttps);
    const std::string tag = fmt::format(
        "{}_{}", o.group.empty() ? std::string_view("core") : o.group.substr(0, o.group.find('.')),
        o.version);
    w_.key("tags").begin_array();
    w_.string(tag);
    w_.end_array();
    w_.member("x-kubernetes-action", o.action);
    w_.key("x-kubernetes-group-version-kind").begin_object();
    w_.member("group", o.group);
    w_.member("kind", o.kind);
    w_.member("version", o.version);
    w_.end_object();
    w_.end_object();
  }

  void parameters(const Operation& o) {
    const bool body = !v3() && !o.body.empty();
    if (o.query.empty() && !body) return;
    w_.key("parameters").begin_array();
    if (body) {
      w_.begin_object();
      w_.member("in", "body");
      w_.member("name", "body");
      if (o.method != "delete") w_.key("required").boolean(true);
      w_.key("schema");
      ref(o.body);
      w_.end_object();
    }
    for (const Parameter& p : o.query) parameter(p, "query");
    w_.end_array();
  }

  void request_body(const Operation& o) {
    static constexpr std::string_view kAny[] = {"*/*"};
    w_.key("requestBody").begin_object();
    w_.key("content").begin_object();
    content(o.patch ? std::span<const std::string_view>(kPatchTypes) : kAny, o.body);
    w_.end_object();
    if (o.method != "delete") w_.key("required").boolean(true);
    w_.end_object();
  }

  void response(const Operation& o, int code) {
    w_.key(std::to_string(code)).begin_object();
    if (v3()) {
      w_.key("content").begin_object();
      if (o.reply.empty()) {
        w_.key("*/*").raw(R"({"schema":{"type":"string"}})");
      } else {
        content(kObjectTypes, o.reply);
        if (o.stream) content(kStreamTypes, o.reply);
      }
      w_.end_object();
    }
    w_.member("description", reply_text(code));
    if (!v3()) {
      w_.key("schema");
      if (o.reply.empty()) {
        w_.raw(R"({"type":"string"})");
      } else {
        ref(o.reply);
      }
    }
    w_.end_object();
  }

  JsonWriter w_;
  const OpenApiDialect dialect_;
  std::set<std::string_view>& components_;
};

void append_components(std::string& out, OpenApiDialect dialect,
                       const std::set<std::string_view>& components) {
  JsonWriter w(out);
  for (std::string_view name : components) {
    w.key(name);
    append_component(out, dialect, name);
  }
}

std::string v3_text(std::span<const KindInfo* const> kinds, std::string_view version) {
  std::set<std::string_view> components;
  std::string out = fmt::format(
      R"({{"openapi":"3.0.0","info":{{"title":"Kubernetes","version":"{}"}},"paths":{{)", version);
  PathWriter paths(out, OpenApiDialect::kV3, components);
  for (const PathOperations& p : operations_of(kinds)) paths.path(p);
  out += R"(},"components":{"schemas":{)";
  append_components(out, OpenApiDialect::kV3, components);
  out +=
      R"(},"securitySchemes":{"BearerToken":{"type":"apiKey","description":"Bearer token","name":"authorization",)"
      R"("in":"header"}}}})";
  return out;
}

std::string group_path(const KindInfo& k) {
  return k.group.empty() ? fmt::format("api/{}", k.version) : fmt::format("apis/{}/{}", k.group, k.version);
}

std::string_view hash_of(const Document& d) {
  return std::string_view(d.etag).substr(1, d.etag.size() - 2);
}

std::string url_of(std::string_view path, const Document& d) {
  return fmt::format("/openapi/v3/{}?hash={}", path, hash_of(d));
}

}  // namespace

OpenApi::OpenApi(std::span<const KindInfo* const> served, std::string version)
    : version_(std::move(version)) {
  for (const KindInfo* k : served)
    if (!k->resource.empty()) groups_[group_path(*k)].push_back(k);
}

const Document* OpenApi::v3_locked(std::string_view path) {
  if (auto it = v3_.find(path); it != v3_.end()) return &it->second;
  auto group = groups_.find(path);
  if (group == groups_.end()) return nullptr;
  return &v3_.emplace(path, Document::of(v3_text(group->second, version_))).first->second;
}

const Document* OpenApi::v3(std::string_view path) {
  std::lock_guard lock(mu_);
  return v3_locked(path);
}

std::string OpenApi::v3_url(std::string_view path) {
  std::lock_guard lock(mu_);
  const Document* d = v3_locked(path);
  return d ? url_of(path, *d) : std::string();
}

std::string OpenApi::v3_hash(std::string_view path) {
  std::lock_guard lock(mu_);
  const Document* d = v3_locked(path);
  return d ? std::string(hash_of(*d)) : std::string();
}

const Document& OpenApi::v3_index() {
  std::lock_guard lock(mu_);
  if (!index_) {
    std::string out;
    JsonWriter w(out);
    w.begin_object();
    w.key("paths").begin_object();
    for (const auto& [path, kinds] : groups_) {
      w.key(path).begin_object();
      w.member("serverRelativeURL", url_of(path, *v3_locked(path)));
      w.end_object();
    }
    w.end_object();
    w.end_object();
    index_ = Document::of(std::move(out));
  }
  return *index_;
}

std::string OpenApi::v2_text() const {
  std::set<std::string_view> components;
  std::string out =
      fmt::format(R"({{"swagger":"2.0","info":{{"title":"Kubernetes","version":"{}"}},"paths":{{)", version_);
  PathWriter paths(out, OpenApiDialect::kV2, components);
  for (const auto& [path, kinds] : groups_)
    for (const PathOperations& p : operations_of(kinds)) paths.path(p);
  out += R"(},"definitions":{)";
  append_components(out, OpenApiDialect::kV2, components);
  out +=
      R"(},"securityDefinitions":{"BearerToken":{"type":"apiKey","description":"Bearer token","name":"authorization",)"
      R"("in":"header"}},"security":[{"BearerToken":[]}]})";
  return out;
}

const Document& OpenApi::v2_json() {
  std::lock_guard lock(mu_);
  if (!v2_json_) v2_json_ = Document::of(v2_text());
  return *v2_json_;
}

const Document& OpenApi::v2_protobuf() {
  std::lock_guard lock(mu_);
  if (!v2_protobuf_)
    v2_protobuf_ = Document::of(gnostic_v2(v2_json_ ? std::string(v2_json_->body.view()) : v2_text()));
  return *v2_protobuf_;
}

}  // namespace keelson::apiserver
