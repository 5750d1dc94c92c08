#include "api/selector/object_selectors.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <span>

namespace keelson::api {
namespace {

struct SelectableFields {
  std::string_view group, kind;
  std::span<const std::string_view> fields;
};

constexpr std::array<std::string_view, 12> kPod{
    "metadata.name",           "metadata.namespace", "spec.nodeName",
    "spec.restartPolicy",      "spec.schedulerName", "spec.hostNetwork",
    "spec.serviceAccountName", "status.phase",       "status.podIP",
    "status.podIPs",           "spec.host",          "status.nominatedNodeName",
};
constexpr std::array<std::string_view, 2> kNode{"metadata.name", "spec.unschedulable"};
constexpr std::array<std::string_view, 3> kReplicationController{"metadata.name", "metadata.namespace",
                                                                 "status.replicas"};
constexpr std::array<std::string_view, 2> kNamespace{"status.phase", "metadata.name"};
constexpr std::array<std::string_view, 3> kSecret{"type", "metadata.namespace", "metadata.name"};
constexpr std::array<std::string_view, 4> kService{"metadata.namespace", "metadata.name", "spec.clusterIP",
                                                   "spec.type"};
constexpr std::array<std::string_view, 13> kCoreEvent{
    "involvedObject.kind",
    "involvedObject.namespace",
    "involvedObject.name",
    "involvedObject.uid",
    "involvedObject.apiVersion",
    "involvedObject.resourceVersion",
    "involvedObject.fieldPath",
    "reason",
    "reportingComponent",
    "source",
    "type",
    "metadata.namespace",
    "metadata.name",
};
constexpr std::array<std::string_view, 12> kEvent{
    "reason",
    "regarding.kind",
    "regarding.namespace",
    "regarding.name",
    "regarding.uid",
    "regarding.apiVersion",
    "regarding.resourceVersion",
    "regarding.fieldPath",
    "reportingController",
    "type",
    "metadata.namespace",
    "metadata.name",
};
constexpr std::array<std::string_view, 3> kJob{"metadata.name", "metadata.namespace", "status.successful"};
constexpr std::array<std::string_view, 2> kSigningRequest{"metadata.name", "spec.signerName"};

constexpr SelectableFields kKinds[] = {
    {"", "Pod", kPod},
    {"", "Node", kNode},
    {"", "ReplicationController", kReplicationController},
    {"", "Namespace", kNamespace},
    {"", "Secret", kSecret},
    {"", "Service", kService},
    {"", "Event", kCoreEvent},
    {"events.k8s.io", "Event", kEvent},
    {"batch", "Job", kJob},
    {"certificates.k8s.io", "CertificateSigningRequest", kSigningRequest},
};

const SelectableFields* special(const KindInfo& kind) {
  for (const SelectableFields& k : kKinds)
    if (k.group == kind.group && k.kind == kind.kind) return &k;
  return nullptr;
}

// The value at a dotted path of struct fields, with its Field; {null, absent} where there is no such field.
struct Found {
  const Field* field = nullptr;
  const Value* value = &kAbsentValue;
};
Found walk(const Object& object, std::string_view path) {
  const Type* type = &object.type();
  StructRef at = object.root();
  for (;;) {
    const std::size_t dot = path.find('.');
    const Field* f = type->find(path.substr(0, dot));
    if (f == nullptr) return {};
    const Value& v = at.slot(*f);
    if (dot == std::string_view::npos) return {f, &v};
    if (f->scalar != Scalar::kStruct || f->shape != Shape::kSingle) return {};
    type = f->type;
    at = StructRef(v.absent() ? nullptr : v.as_struct());
    path.remove_prefix(dot + 1);
  }
}

std::string_view text_at(const Object& object, std::string_view path) {
  const Found f = walk(object, path);
  return f.field && f.field->scalar == Scalar::kString && f.field->shape == Shape::kSingle &&
                 !f.value->absent()
             ? f.value->as_text()
             : std::string_view();
}

// Texts are returned as they stand in the object; what is no text is printed into `buffer`.
std::string_view value_of(const Object& object, std::string_view field, std::string& buffer) {
  if (field == "metadata.name") return object.name();
  if (field == "metadata.namespace") return object.namespace_();
  if (field == "status.podIP") {
    const Found ips = walk(object, "status.podIPs");
    const ListRef list(ips.value->absent() ? nullptr : ips.value->as_list());
    if (!list.empty()) return StructRef(list[0].as_struct()).find("ip").as_text();
    return text_at(object, field);
  }
  if (field == "status.successful") field = "status.succeeded";
  const bool core_event = object.type().find("involvedObject") != nullptr;
  if (field == "source") {
    const std::string_view component =
        text_at(object, core_event ? "source.component" : "deprecatedSource.component");
    return component.empty() ? text_at(object, core_event ? "reportingComponent" : "reportingController")
                             : component;
  }
  if (core_event && field == "reportingController") field = "reportingComponent";
  if (core_event && field.starts_with("regarding.")) {
    const std::string path = fmt::format("involvedObject.{}", field.substr(10));
    return text_at(object, path);
  }
  const Found f = walk(object, field);
  if (f.field == nullptr || f.field->shape != Shape::kSingle) return "";
  switch (f.field->scalar) {
    case Scalar::kBool:
      return f.value->as_bool() ? "true" : "false";
    case Scalar::kInt32:
    case Scalar::kInt64:
      buffer = std::to_string(f.value->as_int());
      return buffer;
    case Scalar::kString:
      return f.value->absent() ? std::string_view() : f.value->as_text();
    default:
      return "";
  }
}

}  // namespace

Result<LabelSelector> label_selector_of(meta_v1::LabelSelector selector) {
  if (!selector) return LabelSelector::nothing();
  std::vector<LabelRequirement> requirements;
  for (const auto& [key, value] : selector.match_labels())
    requirements.push_back(
        TRY(LabelRequirement::make(std::string(key), LabelOp::kEquals, {std::string(value)})));
  for (const auto e : selector.match_expressions()) {
    std::vector<std::string> values;
    for (std::string_view v : e.values()) values.emplace_back(v);
    requirements.push_back(
        TRY(LabelSelector::expression(std::string(e.key()), e.operator_(), std::move(values))));
  }
  return LabelSelector::from_requirements(std::move(requirements));
}

LabelSelector label_selector_of(const Map<StringElem>& equalities) {
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const auto& [key, value] : equalities) pairs.emplace_back(key, value);
  return LabelSelector::from_pairs(pairs);
}

bool matches(const LabelSelector& selector, const Map<StringElem>& labels) {
  return selector.matches([&](std::string_view key) { return labels.find(key); });
}

bool matches(const LabelSelector& selector, const Object& object) {
  return matches(selector, object.meta().labels());
}

Result<FieldSelector> parse_field_selector(std::string_view text, const KindInfo& kind) {
  FieldSelector selector = TRY(FieldSelector::parse(text));
  const SelectableFields* fields = special(kind);
  TRY(selector.map_fields([&](std::string_view name) -> Result<std::string> {
    if (fields != nullptr) {
      if (std::ranges::find(fields->fields, name) == fields->fields.end())
        return fail(Code::kInvalidArgument, fmt::format("field label not supported: {}", name));
      return std::string(name == "spec.host" ? "spec.nodeName" : name);
    }
    if (name != "metadata.name" && name != "metadata.namespace")
      return fail(
          Code::kInvalidArgument,
          fmt::format("\"{}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
                      name));
    return std::string(name);
  }));
  return selector;
}

std::string selectable_field(const Object& object, std::string_view field) {
  std::string buffer;
  return std::string(value_of(object, field, buffer));
}

bool matches(const FieldSelector& selector, const Object& object) {
  std::string buffer;
  return selector.matches([&](std::string_view field) { return value_of(object, field, buffer); });
}

}  // namespace keelson::api
