// Which fields differ between two versions of an object, under the schema's list and map types: map lists
// item by item, sets value by value, atomic ones as one leaf. Presence is JSON's: what an encoder writes is
// there. Thread rule: pure functions over frozen or owned objects.
#pragma once

#include "api/managed_fields/field_set.h"
#include "api/value.h"

namespace keelson::api {

// No path is in more than one of the sets.
struct FieldDiff {
  FieldSet added;     // only in `after`
  FieldSet modified;  // leaves in both, of different value
  FieldSet removed;   // only in `before`
  bool empty() const { return added.empty() && modified.empty() && removed.empty(); }
};

// REQUIRES: both are of `type`; an absent struct stands for an empty one. kind and apiVersion are not looked
// at.
FieldDiff diff_fields(const Type& type, StructRef before, StructRef after);

}  // namespace keelson::api
