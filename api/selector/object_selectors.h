// Selectors against objects: LabelSelector objects, labels of objects, and the fields that each kind lets one
// select by. Thread rule: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "api/object.h"
#include "api/selector/field_selector.h"
#include "api/selector/label_selector.h"

namespace keelson::api {

// Absent: selects nothing. Empty: everything. Error: kInvalidArgument with upstream's text.
Result<LabelSelector> label_selector_of(meta_v1::LabelSelector selector);
// spec.selector of Service and ReplicationController: equality only; empty selects everything here, callers
// decide.
LabelSelector label_selector_of(const Map<StringElem>& equalities);

bool matches(const LabelSelector& selector, const Map<StringElem>& labels);
// By metadata.labels.
bool matches(const LabelSelector& selector, const Object& object);

// Parses `text` and checks that `kind` supports its fields. Errors (400): `field label not supported: X`, or
// `"X" is not a known field selector: only "metadata.name", "metadata.namespace"`.
Result<FieldSelector> parse_field_selector(std::string_view text, const KindInfo& kind);
// The object's value of a supported field, "" when unset.
std::string selectable_field(const Object& object, std::string_view field);
bool matches(const FieldSelector& selector, const Object& object);

}  // namespace keelson::api
