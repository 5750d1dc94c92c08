#include "apiserver/filter.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "apiserver/errors.h"
#include "apiserver/object_meta.h"

namespace keelson::apiserver {
namespace {

// The field labels that a kind can be selected by, beside metadata.name and metadata.namespace.
struct Selectable {
  std::string_view group, kind;
  std::span<const std::string_view> fields;
};
constexpr std::string_view kPodFields[] = {"spec.nodeName",   "spec.restartPolicy",      "spec.schedulerName",
                                           "spec.serviceAccountName", "spec.hostNetwork", "status.phase",
                                           "status.podIP",    "status.podIPs",           "status.nominatedNodeName"};
constexpr std::string_view kNodeFields[] = {"spec.unschedulable"};
constexpr std::string_view kReplicationControllerFields[] = {"status.replicas"};
constexpr std::string_view kNamespaceFields[] = {"status.phase"};
constexpr std::string_view kSecretFields[] = {"type"};
constexpr std::string_view kServiceFields[] = {"spec.clusterIP", "spec.type"};
constexpr std::string_view kEventFields[] = {
    "involvedObject.kind",       "involvedObject.namespace",       "involvedObject.name",
    "involvedObject.uid",        "involvedObject.apiVersion",      "involvedObject.resourceVersion",
    "involvedObject.fieldPath",  "reason",                         "reportingComponent",
    "source",                    "type"};
constexpr std::string_view kNewEventFields[] = {
    "regarding.kind",       "regarding.namespace",       "regarding.name",      "regarding.uid",
    "regarding.apiVersion", "regarding.resourceVersion", "regarding.fieldPath", "reason",
    "reportingController",  "type"};
constexpr Selectable kSelectable[] = {{"", "Pod", kPodFields},
                                      {"", "Node", kNodeFields},
                                      {"", "ReplicationController", kReplicationControllerFields},
                                      {"", "Namespace", kNamespaceFields},
                                      {"", "Secret", kSecretFields},
                                      {"", "Service", kServiceFields},
                                      {"", "Event", kEventFields},
                                      {"events.k8s.io", "Event", kNewEventFields}};

const Selectable* selectable(const api::KindInfo& kind) {
  for (auto& s : kSelectable)
    if (s.kind == kind.kind && s.group == kind.group) return &s;
  return nullptr;
}

Result<std::string> check_label(const api::KindInfo& kind, std::string_view label) {
  if (label == "metadata.name" || (label == "metadata.namespace" && kind.kind != "Node" && kind.kind != "Namespace"))
    return std::string(label);
  auto* known = selectable(kind);
  if (!known) {
    if (label == "metadata.namespace") return std::string(label);
    return fail(errors::bad_request(fmt::format(
        "\"{}\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"", label)));
  }
  if (kind.kind == "Pod" && label == "spec.host") return std::string("spec.nodeName");
  if (kind.kind == "Namespace" && label == "name") return std::string("metadata.name");
  if (std::find(known->fields.begin(), known->fields.end(), label) != known->fields.end()) return std::string(label);
  return fail(errors::bad_request(fmt::format("field label not supported: {}", label)));
}

std::string text_of(const api::Value& value) {
  switch (value.tag) {
    case api::Tag::kBool: return value.as_bool() ? "true" : "false";
    case api::Tag::kInt: return std::to_string(value.as_int());
    case api::Tag::kString: return std::string(value.as_text());
    default: return {};
  }
}

std::string value_by_path(const api::Object& object, std::string_view path) {
  api::StructRef at = object.root();
  for (;;) {
    auto dot = path.find('.');
    const auto& value = at.find(path.substr(0, dot));
    if (dot == std::string_view::npos) {
      // Zero values select by their text.
      if (value.absent() && (path == "unschedulable" || path == "hostNetwork")) return "false";
      if (value.absent() && path == "replicas") return "0";
      return text_of(value);
    }
    if (value.tag != api::Tag::kStruct) {
      at = api::StructRef();
      return path.ends_with("hostNetwork") ? "false" : path.ends_with("replicas") ? "0" : path.ends_with("unschedulable") ? "false" : "";
    }
    at = api::StructRef(value.as_struct());
    path.remove_prefix(dot + 1);
  }
}

std::string field_value(const api::Object& object, std::string_view field) {
  if (field == "metadata.name") return std::string(object.name());
  if (field == "metadata.namespace") return std::string(object.namespace_());
  if (object.kind()->kind == "Event" && object.kind()->group.empty() && field == "source") {
    auto component = text_at(object, {"source", "component"});
    return std::string(component.empty() ? text_at(object, {"reportingComponent"}) : component);
  }
  if (field == "status.podIP" && object.kind()->kind == "Pod") {
    const auto& ips = value_at(object, {"status", "podIPs"});
    if (ips.tag != api::Tag::kList || api::ListRef(ips.as_list()).empty()) return {};
    return text_of(api::StructRef(api::ListRef(ips.as_list())[0].as_struct()).find("ip"));
  }
  return value_by_path(object, field);
}

}  // namespace

Result<Filter> Filter::make(const api::KindInfo& kind, std::string ns, std::string name, const ListOptions& options) {
  Filter out;
  out.kind_ = &kind;
  out.ns_ = std::move(ns);
  if (!options.label_selector.empty()) {
    auto labels = api::LabelSelector::parse(options.label_selector);
    if (!labels) return fail(errors::bad_request(labels.error().message));
    out.labels_ = std::move(*labels);
  }
  if (!options.field_selector.empty()) {
    auto fields = api::FieldSelector::parse(options.field_selector);
    if (!fields) return fail(errors::bad_request(fields.error().message));
    out.fields_ = std::move(*fields);
    auto mapped = out.fields_.map_fields([&](std::string_view label) { return check_label(kind, label); });
    if (!mapped) return std::unexpected(mapped.error());
    if (auto v = out.fields_.exact("metadata.name")) out.name_ = std::string(*v);
    if (auto v = out.fields_.exact("spec.nodeName")) out.node_name_ = std::string(*v);
    if (auto v = out.fields_.exact("metadata.namespace"); v && out.ns_.empty()) out.ns_ = std::string(*v);
  }
  if (!name.empty()) out.name_ = std::move(name);
  return out;
}

bool Filter::matches(const api::Object& object) const {
  if (!name_.empty() && object.name() != name_) return false;
  if (!ns_.empty() && kind_->namespaced && object.namespace_() != ns_) return false;
  if (!labels_.is_everything()) {
    auto labels = object.meta().labels();
    if (!labels_.matches([&](std::string_view key) { return labels.find(key); })) return false;
  }
  return fields_.is_everything() || fields_.matches([&](std::string_view field) { return field_value(object, field); });
}

WatchScope Filter::scope() const {
  WatchScope scope;
  scope.namespace_ = kind_->namespaced ? ns_ : "";
  scope.name = name_;
  scope.node_name = node_name_;
  return scope;
}

}  // namespace keelson::apiserver
