#include "api/validation/meta.h"

#include <algorithm>
#include <set>

#include "api/json.h"

namespace keelson::api::validation {
namespace {

constexpr std::size_t kAnnotationsMax = 256 * 1024;

bool is_review_metadata_key(std::string_view key) { return key == "foregroundDeletion" || key == "orphan" || key == "kubernetes"; }

void finalizers(ErrorList& errors, meta_v1::ObjectMeta meta, const Path& path) {
  bool foreground = false, orphan = false;
  for (std::string_view f : meta.finalizers()) {
    const auto p = path.child("finalizers");
    add_invalid(errors, p, f, qualified_name(f));
    if (qualified_name(f).empty() && f.find('/') == std::string_view::npos && !is_review_metadata_key(f)) {
      errors.push_back(field::invalid(p, f, "name is neither a standard finalizer name nor is it fully qualified"));
    }
    foreground |= f == "foregroundDeletion";
    orphan |= f == "orphan";
  }
  if (foreground && orphan) {
    errors.push_back(field::invalid(path.child("finalizers"), json_value(meta.finalizers()),
                                    "finalizer orphan and foregroundDeletion cannot be both set"));
  }
}

void owner_references(ErrorList& errors, meta_v1::ObjectMeta meta, const Path& path) {
  std::string controller;
  std::size_t i = 0;
  for (meta_v1::OwnerReference r : meta.owner_references()) {
    const auto p = path.child("ownerReferences");
    const auto at = p.index(i++);
    if (r.api_version().empty()) errors.push_back(field::invalid(at.child("apiVersion"), r.api_version(), "version must not be empty"));
    if (r.kind().empty()) errors.push_back(field::invalid(at.child("kind"), r.kind(), "must not be empty"));
    if (r.name().empty()) errors.push_back(field::invalid(at.child("name"), r.name(), "must not be empty"));
    if (r.uid().empty()) errors.push_back(field::invalid(at.child("uid"), r.uid(), "must not be empty"));
    if (r.api_version() == "v1" && r.kind() == "Event") {
      errors.push_back(field::invalid(at, "", "/v1, Kind=Event is disallowed from being an owner"));
    }
    if (!r.controller()) continue;
    if (!controller.empty()) {
      errors.push_back(field::invalid(p, json_value(r),
                                      "Only one reference can have Controller set to true. Found \"true\" in references for " +
                                          controller + " and " + std::string(r.name())));
    }
    controller = r.name();
  }
}

void immutable_meta(ErrorList& errors, const Path& path, std::string_view now, std::string_view old) {
  if (now != old) errors.push_back(field::invalid(path, now, "field is immutable"));
}

}  // namespace

void add_invalid(ErrorList& errors, const Path& path, std::string_view value, const Messages& messages) {
  for (const auto& m : messages) errors.push_back(field::invalid(path, value, m));
}

void non_negative(ErrorList& errors, const Path& path, std::int64_t value) {
  if (value < 0) errors.push_back(field::invalid(path, value, "must be greater than or equal to 0"));
}

void one_of(ErrorList& errors, const Path& path, std::string_view value, std::initializer_list<std::string_view> allowed) {
  if (std::ranges::find(allowed, value) != allowed.end()) return;
  errors.push_back(field::not_supported(path, value, std::span(allowed.begin(), allowed.size())));
}

void required_text(ErrorList& errors, const Path& path, std::string_view value) {
  if (value.empty()) errors.push_back(field::required(path, ""));
}

void labels(ErrorList& errors, Map<StringElem> map, const Path& path) {
  for (const auto& [key, value] : map) {
    add_invalid(errors, path, key, qualified_name(key));
    add_invalid(errors, path, value, label_value(value));
  }
}

void annotations(ErrorList& errors, Map<StringElem> map, const Path& path) {
  std::size_t total = 0;
  for (const auto& [key, value] : map) {
    std::string lower(key);
    std::ranges::transform(lower, lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    add_invalid(errors, path, key, qualified_name(lower));
    total += key.size() + value.size();
  }
  if (total > kAnnotationsMax) errors.push_back(field::too_long(path, static_cast<int>(kAnnotationsMax)));
}

void object_meta(ErrorList& errors, meta_v1::ObjectMeta meta, bool namespaced, NameRule rule, const Path& path) {
  if (!meta.generate_name().empty()) {
    std::string base(meta.generate_name());
    if (base.size() > 1 && base.back() == '-') base.back() = 'a';
    add_invalid(errors, path.child("generateName"), meta.generate_name(), rule(base));
  }
  if (meta.name().empty()) {
    errors.push_back(field::required(path.child("name"), "name or generateName is required"));
  } else {
    add_invalid(errors, path.child("name"), meta.name(), rule(meta.name()));
  }
  if (namespaced) {
    if (meta.namespace_().empty()) {
      errors.push_back(field::required(path.child("namespace"), ""));
    } else {
      add_invalid(errors, path.child("namespace"), meta.namespace_(), dns1123_label(meta.namespace_()));
    }
  } else if (!meta.namespace_().empty()) {
    errors.push_back(field::forbidden(path.child("namespace"), "not allowed on this type"));
  }
  non_negative(errors, path.child("generation"), meta.generation());
  labels(errors, meta.labels(), path.child("labels"));
  annotations(errors, meta.annotations(), path.child("annotations"));
  owner_references(errors, meta, path);
  finalizers(errors, meta, path);
}

void object_meta_update(ErrorList& errors, meta_v1::ObjectMeta now, meta_v1::ObjectMeta old, const Path& path) {
  std::vector<std::string_view> added;
  for (std::string_view f : now.finalizers()) {
    if (!old.finalizers().contains(f)) added.push_back(f);
  }
  if (old.has_deletion_timestamp() && !added.empty()) {
    std::string list;
    for (const auto f : added) list += (list.empty() ? "" : ", ") + std::string("\"") + std::string(f) + "\"";
    errors.push_back(field::forbidden(path.child("finalizers"),
                                      "no new finalizers can be added if the object is being deleted, found new finalizers []string{" +
                                          list + "}"));
  }
  if (now.generation() < old.generation()) {
    errors.push_back(field::invalid(path.child("generation"), now.generation(), "must not be decremented"));
  }
  immutable_meta(errors, path.child("name"), now.name(), old.name());
  immutable_meta(errors, path.child("namespace"), now.namespace_(), old.namespace_());
  immutable_meta(errors, path.child("uid"), now.uid(), old.uid());
  if (now.has_deletion_timestamp() != old.has_deletion_timestamp() || now.deletion_timestamp() != old.deletion_timestamp()) {
    errors.push_back(field::invalid(path.child("deletionTimestamp"), format_time(now.deletion_timestamp()), "field is immutable"));
  }
  if (now.has_deletion_grace_period_seconds() != old.has_deletion_grace_period_seconds() ||
      now.deletion_grace_period_seconds() != old.deletion_grace_period_seconds()) {
    errors.push_back(field::invalid(path.child("deletionGracePeriodSeconds"), now.deletion_grace_period_seconds(), "field is immutable"));
  }
  labels(errors, now.labels(), path.child("labels"));
  annotations(errors, now.annotations(), path.child("annotations"));
  owner_references(errors, now, path);
  // Finalizers that were there are not looked at again.
  ErrorList all;
  finalizers(all, now, path);
  for (auto& e : all) {
    const bool fresh = std::ranges::any_of(added, [&](std::string_view f) { return field::BadValue(f).text() == e.value; });
    if (fresh || e.value.starts_with("[")) errors.push_back(std::move(e));
  }
}

void label_selector(ErrorList& errors, meta_v1::LabelSelector selector, const Path& path) {
  labels(errors, selector.match_labels(), path.child("matchLabels"));
  std::size_t i = 0;
  for (meta_v1::LabelSelectorRequirement r : selector.match_expressions()) {
    const auto at = path.child("matchExpressions").index(i++);
    const auto op = r.operator_();
    if (op == "In" || op == "NotIn") {
      if (r.values().empty()) errors.push_back(field::required(at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'"));
    } else if (op == "Exists" || op == "DoesNotExist") {
      if (!r.values().empty()) {
        errors.push_back(field::forbidden(at.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"));
      }
    } else {
      errors.push_back(field::invalid(at.child("operator"), op, "not a valid selector operator"));
    }
    add_invalid(errors, at.child("key"), r.key(), qualified_name(r.key()));
    std::size_t k = 0;
    for (std::string_view v : r.values()) add_invalid(errors, at.child("values").index(k++), v, label_value(v));
  }
}

bool selector_is_valid(meta_v1::LabelSelector selector) {
  ErrorList errors;
  label_selector(errors, selector, Path());
  return errors.empty();
}

bool selector_matches(meta_v1::LabelSelector selector, Map<StringElem> map) {
  for (const auto& [key, value] : selector.match_labels()) {
    if (map.find(key) != value) return false;
  }
  for (meta_v1::LabelSelectorRequirement r : selector.match_expressions()) {
    const auto have = map.find(r.key());
    const auto op = r.operator_();
    const bool in = have && r.values().contains(*have);
    if (op == "In" && !in) return false;
    if (op == "NotIn" && in) return false;
    if (op == "Exists" && !have) return false;
    if (op == "DoesNotExist" && have) return false;
  }
  return true;
}

void immutable(ErrorList& errors, StructRef now, StructRef old, const Path& path) {
  if (!equal(now, old)) errors.push_back(field::invalid(path, json_value(now), "field is immutable"));
}

field::BadValue json_value(StructRef s) { return field::BadValue::raw(s ? encode_json(s) : "null"); }

field::BadValue json_value(Map<StringElem> map) {
  if (map.empty()) return field::BadValue::raw("null");
  std::string out = "{";
  for (const auto& [key, value] : map) {
    if (out.size() > 1) out += ',';
    out += field::go_quote(key) + ":" + field::go_quote(value);
  }
  return field::BadValue::raw(out + "}");
}

field::BadValue json_value(List<StringElem> list) {
  std::string out = "[";
  for (std::string_view v : list) {
    if (out.size() > 1) out += ',';
    out += field::go_quote(v);
  }
  return field::BadValue::raw(out + "]");
}

}  // namespace keelson::api::validation
