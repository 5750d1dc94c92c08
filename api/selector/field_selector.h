// FieldSelector: "metadata.name=x,status.phase!=Running". Which labels a kind supports is data
// (selectable_fields.h); this file is the syntax and the matching only. Thread rule: immutable after parsing;
// matching is const.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keelson::api {

struct FieldRequirement {
  std::string field;
  bool equal = true;  // false: !=
  std::string value;
  friend bool operator==(const FieldRequirement&, const FieldRequirement&) = default;
};

class FieldSelector {
 public:
  // Matches everything.
  FieldSelector() = default;
  // Errors: kInvalidArgument with upstream's text (400 BadRequest). Terms are kept sorted by their text.
  static Result<FieldSelector> parse(std::string_view text);

  // `value_of(field)` answers the object's value as text, "" when unset.
  template <class ValueOf>
  bool matches(ValueOf&& value_of) const {
    for (const FieldRequirement& r : requirements_)
      if ((value_of(std::string_view(r.field)) == r.value) != r.equal) return false;
    return true;
  }
  // The value that `field` must have, when the selector demands one: lets a list by name become a get, and
  // watchers be indexed.
  std::optional<std::string_view> exact(std::string_view field) const;
  bool is_everything() const { return requirements_.empty(); }
  const std::vector<FieldRequirement>& requirements() const { return requirements_; }
  // Renames fields. `rename` answers the error for an unsupported one.
  Result<> map_fields(const std::function<Result<std::string>(std::string_view)>& rename);
  std::string to_string() const;
  friend bool operator==(const FieldSelector&, const FieldSelector&) = default;

 private:
  std::vector<FieldRequirement> requirements_;
};

}  // namespace keelson::api
