// FieldSet: a set of field paths of one object, as managedFields record who set what (KEP-555, FieldsV1).
//
// A path is a list of elements: a field or map key ("f:spec"), an item of a map list by its keys
// (`k:{"name":"web"}`), an item of a set by its value (`v:"a"`), an index ("i:0"). A set is a tree; an
// element may be a member itself, have members below, or both; in the text the member itself is then written
// as ".":
//
//   {"f:data":{".":{},"f:a":{}}}     holds the paths [data] and [data a]
//
// Thread rule: value type.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keelson::api {

struct PathElement {
  enum class Kind : std::uint8_t { kField, kKey, kValue, kIndex };  // in the order of FieldsV1 texts
  Kind kind = Kind::kField;
  // The field's name, or canonical JSON of the keys or the value, or the index in decimal.
  std::string text;

  static PathElement field(std::string_view name) { return {Kind::kField, std::string(name)}; }
  // "f:name" and so on.
  std::string to_string() const;
  static Result<PathElement> parse(std::string_view s);
  friend bool operator==(const PathElement&, const PathElement&) = default;
};
// Negative, zero, positive: by kind, then by text, numbers inside JSON by value.
int compare(const PathElement& a, const PathElement& b);

class FieldSet {
 public:
  struct Entry;

  bool empty() const { return entries_.empty(); }
  // Adds one path. REQUIRES: not empty.
  void insert(std::span<const PathElement> path);
  // Adds `element` as a member (when `member`) and everything of `children` below it.
  void add(PathElement element, bool member, FieldSet children);
  bool has(std::span<const PathElement> path) const;
  // A set of one path of plain fields: of({"metadata", "name"}).
  static FieldSet of(std::initializer_list<std::string_view> path);

  // Adds all members of `other`.
  void merge(FieldSet other);
  // Removes the members of `other`; removing a parent does not remove its children.
  void subtract(const FieldSet& other);
  // As subtract, and below each member of `other` everything goes.
  void subtract_recursive(const FieldSet& other);
  FieldSet intersection(const FieldSet& other) const;
  FieldSet union_with(const FieldSet& other) const;
  FieldSet difference(const FieldSet& other) const;

  const std::vector<Entry>& entries() const { return entries_; }
  // FieldsV1 text.
  std::string to_json() const;
  // Error: kInvalidArgument.
  static Result<FieldSet> parse(std::string_view json);
  friend bool operator==(const FieldSet&, const FieldSet&);

 private:
  std::vector<Entry> entries_;  // ascending; none without a member in or below it
};

struct FieldSet::Entry {
  PathElement element;
  bool member = false;
  FieldSet children;
  friend bool operator==(const Entry&, const Entry&) = default;
};

inline bool operator==(const FieldSet& a, const FieldSet& b) {
  return a.entries_ == b.entries_;
}

// `s` as a JSON string the way Go writes it: <, >, & and U+2028/9 escaped too.
void append_go_json_string(std::string& out, std::string_view s);

}  // namespace keelson::api
