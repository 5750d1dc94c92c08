#include "apiserver/openapi/schema_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "api/kinds.h"
#include "apiserver/openapi/json_writer.h"
#include "base/check.h"

namespace keelson::apiserver {
namespace {

using api::Field;
using api::ListType;
using api::Scalar;
using api::Shape;
using api::Type;

// Components that are scalars in the object model.
struct ScalarComponent {
  std::string_view name;
  std::string_view v2, v3;  // members of the schema
  std::string_view description;
};
constexpr ScalarComponent kScalarComponents[] = {
    {"io.k8s.apimachinery.pkg.apis.meta.v1.Time", R"("format":"date-time","type":"string")",
     R"("format":"date-time","type":"string")", "An instant in RFC 3339 form, whole seconds."},
    {"io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime", R"("format":"date-time","type":"string")",
     R"("format":"date-time","type":"string")", "An instant in RFC 3339 form with microseconds."},
    {"io.k8s.apimachinery.pkg.apis.meta.v1.Duration", R"("type":"string")", R"("type":"string")",
     "A length of time such as 1h30m."},
    {"io.k8s.apimachinery.pkg.api.resource.Quantity", R"("type":"string")",
     R"("oneOf":[{"type":"string"},{"type":"number"}])",
     "An amount of a resource: a number with an optional suffix such as m, k, M, G, Ki, Mi, Gi."},
    {"io.k8s.apimachinery.pkg.util.intstr.IntOrString", R"("format":"int-or-string","type":"string")",
     R"("format":"int-or-string","oneOf":[{"type":"integer"},{"type":"string"}])",
     "A number, or a name or percentage as text."},
    {"io.k8s.apimachinery.pkg.apis.meta.v1.FieldsV1", R"("type":"object")", R"("type":"object")",
     "A set of fields, as nested objects whose keys are path elements."},
    {"io.k8s.apimachinery.pkg.runtime.RawExtension", R"("type":"object")", R"("type":"object")",
     "An object of any kind."},
    {kPatchComponent, R"("type":"object")", R"("type":"object")",
     "A patch; its form is told by the Content-Type."},
};

const ScalarComponent* scalar_component(std::string_view name) {
  for (const ScalarComponent& c : kScalarComponents)
    if (c.name == name) return &c;
  return nullptr;
}

// The component that stands for a scalar; "" where it is written in place.
std::string_view component_of(Scalar s) {
  switch (s) {
    case Scalar::kTime:
      return kScalarComponents[0].name;
    case Scalar::kMicroTime:
      return kScalarComponents[1].name;
    case Scalar::kDuration:
      return kScalarComponents[2].name;
    case Scalar::kQuantity:
      return kScalarComponents[3].name;
    case Scalar::kIntOrString:
      return kScalarComponents[4].name;
    case Scalar::kFieldsV1:
      return kScalarComponents[5].name;
    case Scalar::kRaw:
      return kScalarComponents[6].name;
    default:
      return "";
  }
}

std::string_view component_of(const Field& f) {
  if (f.scalar != Scalar::kStruct) return component_of(f.scalar);
  return f.type->wraps_list ? std::string_view() : f.type->name;
}

class SchemaWriter {
 public:
  SchemaWriter(std::string& out, OpenApiDialect dialect) : w_(out), v3_(dialect == OpenApiDialect::kV3) {}

  void type(const Type& t) {
    w_.begin_object();
    if (!t.description.empty()) w_.member("description", t.description);
    if (!t.fields.empty()) {
      w_.key("properties").begin_object();
      for (const Field& f : t.fields) {
        w_.key(f.name);
        field(f);
      }
      w_.end_object();
    }
    required(t);
    w_.member("type", "object");
    group_version_kind(t);
    if (!t.map_type.empty()) w_.member("x-kubernetes-map-type", t.map_type);
    unions(t);
    w_.end_object();
  }

 private:
  void required(const Type& t) {
    if (std::ranges::none_of(t.fields, &Field::required)) return;
    w_.key("required").begin_array();
    for (const Field& f : t.fields)
      if (f.required) w_.string(f.name);
    w_.end_array();
  }

  void group_version_kind(const Type& t) {
    bool open = false;
    const auto add = [&](const api::KindInfo& k, std::string_view kind) {
      if (!open) w_.key("x-kubernetes-group-version-kind").begin_array();
      open = true;
      w_.begin_object();
      w_.member("group", k.group);
      w_.member("kind", kind);
      w_.member("version", k.version);
      w_.end_object();
    };
    for (const api::KindInfo* k : api::all_kinds()) {
      if (k->type == &t) add(*k, k->kind);
      if (k->list_type == &t) add(*k, k->list_kind);
    }
    if (open) w_.end_array();
  }

  void unions(const Type& t) {
    if (t.unions.empty()) return;
    w_.key("x-kubernetes-unions").begin_array();
    for (const api::UnionFact& u : t.unions) {
      w_.begin_object();
      if (!u.discriminator.empty()) w_.member("discriminator", u.discriminator);
      w_.key("fields-to-discriminateBy").begin_object();
      for (std::size_t i = 0; i + 1 < u.fields.size(); i += 2) w_.member(u.fields[i], u.fields[i + 1]);
      w_.end_object();
      w_.end_object();
    }
    w_.end_array();
  }

  void field(const Field& f) {
    w_.begin_object();
    if (!f.facts->description.empty()) w_.member("description", f.facts->description);
    if (f.shape == Shape::kSingle) {
      value(f, f.facts->default_json, !f.facts->description.empty());
    } else if (f.shape == Shape::kList) {
      w_.key("items");
      item(f);
      w_.member("type", "array");
    } else {
      w_.key("additionalProperties");
      item(f);
      w_.member("type", "object");
    }
    extensions(f);
    w_.end_object();
  }

  void item(const Field& f) {
    w_.begin_object();
    std::string_view def;
    switch (f.scalar) {
      case Scalar::kString:
        def = "\"\"";
        break;
      case Scalar::kBool:
        def = "false";
        break;
      case Scalar::kInt32:
      case Scalar::kInt64:
      case Scalar::kDouble:
        def = "0";
        break;
      case Scalar::kStruct:
        def = "{}";
        break;
      default:
        break;
    }
    value(f, def, false);
    w_.end_object();
  }

  // The members that tell the type of one value.
  void value(const Field& f, std::string_view default_json, bool has_siblings) {
    if (f.scalar == Scalar::kStruct && f.type->wraps_list) {
      w_.key("items");
      item(f.type->fields[0]);
      w_.member("type", "array");
      return;
    }
    const std::string_view component = component_of(f);
    if (!component.empty()) {
      const bool with_default = v3_ && !default_json.empty();
      const bool wrap = v3_ && (with_default || has_siblings || !f.facts->patch_strategy.empty());
      const std::string ref = component_ref(v3_ ? OpenApiDialect::kV3 : OpenApiDialect::kV2, component);
      if (wrap) {
        w_.key("allOf").begin_array();
        w_.begin_object();
        w_.member("$ref", ref);
        w_.end_object();
        w_.end_array();
      } else {
        w_.member("$ref", ref);
      }
      if (with_default) w_.key("default").raw(default_json);
      return;
    }
    if (v3_ && !default_json.empty()) w_.key("default").raw(default_json);
    if (v3_ && !f.facts->enum_values.empty()) {
      w_.key("enum").begin_array();
      for (std::string_view e : f.facts->enum_values) w_.string(e);
      w_.end_array();
    }
    plain(f.scalar);
  }

  void plain(Scalar s) {
    const auto typed = [&](std::string_view type, std::string_view format) {
      if (!format.empty()) w_.member("format", format);
      w_.member("type", type);
    };
    switch (s) {
      case Scalar::kBool:
        return typed("boolean", "");
      case Scalar::kInt32:
        return typed("integer", "int32");
      case Scalar::kInt64:
        return typed("integer", "int64");
      case Scalar::kDouble:
        return typed("number", "double");
      case Scalar::kBytes:
        return typed("string", "byte");
      case Scalar::kAny:
        return typed("object", "");
      default:
        return typed("string", "");
    }
  }

  void extensions(const Field& f) {
    if (f.list_type == ListType::kMap) {
      w_.key("x-kubernetes-list-map-keys").begin_array();
      for (std::string_view k : f.facts->list_map_keys) w_.string(k);
      w_.end_array();
    }
    if (f.list_type != ListType::kNone)
      w_.member("x-kubernetes-list-type", f.list_type == ListType::kMap   ? "map"
                                          : f.list_type == ListType::kSet ? "set"
                                                                          : "atomic");
    if (!f.facts->map_type.empty()) w_.member("x-kubernetes-map-type", f.facts->map_type);
    if (!f.facts->merge_key.empty()) w_.member("x-kubernetes-patch-merge-key", f.facts->merge_key);
    if (!f.facts->patch_strategy.empty()) w_.member("x-kubernetes-patch-strategy", f.facts->patch_strategy);
  }

  JsonWriter w_;
  const bool v3_;
};

}  // namespace

std::string component_ref(OpenApiDialect dialect, std::string_view name) {
  return fmt::format("#/{}/{}", dialect == OpenApiDialect::kV3 ? "components/schemas" : "definitions", name);
}

bool is_component(std::string_view name) {
  return scalar_component(name) != nullptr || api::find_type(name) != nullptr;
}

void append_component(std::string& out, OpenApiDialect dialect, std::string_view name) {
  if (const ScalarComponent* c = scalar_component(name)) {
    out += fmt::format("{{\"description\":\"{}\",{}}}", c->description,
                       dialect == OpenApiDialect::kV3 ? c->v3 : c->v2);
    return;
  }
  const Type* type = api::find_type(name);
  CHECK(type != nullptr);
  SchemaWriter(out, dialect).type(*type);
}

void collect_components(std::string_view name, std::set<std::string_view>& into) {
  std::vector<std::string_view> open{name};
  while (!open.empty()) {
    const std::string_view n = open.back();
    open.pop_back();
    const Type* type = api::find_type(n);
    // The set keeps views: only of static names.
    const ScalarComponent* scalar = type ? nullptr : scalar_component(n);
    CHECK(type != nullptr || scalar != nullptr);
    if (!into.insert(type ? type->name : scalar->name).second || type == nullptr) continue;
    for (const Field& f : type->fields)
      if (const std::string_view c = component_of(f); !c.empty() && !into.contains(c)) open.push_back(c);
  }
}

}  // namespace keelson::apiserver
