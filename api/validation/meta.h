// Checks of metadata and of what every kind shares: labels, selectors, immutability.
#pragma once

#include "api/field_error.h"
#include "api/gen/core_v1.h"
#include "api/gen/meta_v1.h"
#include "api/object.h"
#include "api/validation/names.h"

namespace keelson::api::validation {

using field::ErrorList;
using field::Path;

// One Invalid error per message.
void add_invalid(ErrorList& errors, const Path& path, std::string_view value, const Messages& messages);
void non_negative(ErrorList& errors, const Path& path, std::int64_t value);
// Unsupported unless `value` is one of `allowed` (shown in that order).
void one_of(ErrorList& errors, const Path& path, std::string_view value, std::initializer_list<std::string_view> allowed);
void required_text(ErrorList& errors, const Path& path, std::string_view value);

using NameRule = Messages (*)(std::string_view);
void object_meta(ErrorList& errors, meta_v1::ObjectMeta meta, bool namespaced, NameRule rule, const Path& path);
void object_meta_update(ErrorList& errors, meta_v1::ObjectMeta now, meta_v1::ObjectMeta old, const Path& path);
void labels(ErrorList& errors, Map<StringElem> map, const Path& path);
void annotations(ErrorList& errors, Map<StringElem> map, const Path& path);
void label_selector(ErrorList& errors, meta_v1::LabelSelector selector, const Path& path);
// Whether the selector can be evaluated, and what it says of the labels.
bool selector_is_valid(meta_v1::LabelSelector selector);
bool selector_matches(meta_v1::LabelSelector selector, Map<StringElem> map);
// "field is immutable" unless equal.
void immutable(ErrorList& errors, StructRef now, StructRef old, const Path& path);
// The value as JSON, for messages; `null` when absent.
field::BadValue json_value(StructRef s);
field::BadValue json_value(Map<StringElem> map);
field::BadValue json_value(List<StringElem> list);

}  // namespace keelson::api::validation
