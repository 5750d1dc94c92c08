#include "apiserver/filter.h"

#include "api/selector/object_selectors.h"
#include "apiserver/errors.h"

namespace keelson::apiserver {
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
    out.fields_ = TRY(api::parse_field_selector(options.field_selector, kind));
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
  if (!labels_.is_everything() && !api::matches(labels_, object)) return false;
  return fields_.is_everything() || api::matches(fields_, object);
}

WatchScope Filter::scope() const {
  WatchScope scope;
  scope.namespace_ = kind_->namespaced ? ns_ : "";
  scope.name = name_;
  scope.node_name = node_name_;
  return scope;
}

}  // namespace keelson::apiserver
