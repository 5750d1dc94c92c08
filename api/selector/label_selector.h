// LabelSelector: a conjunction of requirements on labels, from the query form ("a=b,c in (d,e),!f") or from
// matchLabels/matchExpressions of a LabelSelector object. Parsed once, then matched against many objects.
// Thread rule: immutable after construction; matching is const and allocation-free.
//
//   auto s = TRY(LabelSelector::parse("env in (prod,dev),!canary"));
//   s.matches([&](std::string_view key) { return labels.get(key); });   // optional<string_view>
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace keelson::api {

enum class LabelOp {
  kIn,
  kNotIn,
  kEquals,
  kDoubleEquals,
  kNotEquals,
  kExists,
  kDoesNotExist,
  kGreaterThan,
  kLessThan
};

// One requirement. `values` are sorted and unique.
struct LabelRequirement {
  std::string key;
  LabelOp op = LabelOp::kExists;
  std::vector<std::string> values;

  // Checks key and values as upstream does; the error is the field-error text (code kInvalidArgument).
  static Result<LabelRequirement> make(std::string key, LabelOp op, std::vector<std::string> values);
  // `value` is the label's value, nullopt when the object has no such label.
  bool matches(std::optional<std::string_view> value) const;
  // "env in (dev,prod)", "!x", "n>3".
  std::string to_string() const;
  friend bool operator==(const LabelRequirement&, const LabelRequirement&) = default;
};

class LabelSelector {
 public:
  // Matches everything.
  LabelSelector() = default;
  // Matches no object: what an absent LabelSelector object means.
  static LabelSelector nothing();
  // The query form. Errors: kInvalidArgument with upstream's parser text, to be answered as 400 BadRequest.
  static Result<LabelSelector> parse(std::string_view text);
  // From equality pairs, unvalidated (spec.selector of Service and ReplicationController).
  static LabelSelector from_pairs(const std::vector<std::pair<std::string, std::string>>& pairs);
  // From requirements, sorted by key.
  static LabelSelector from_requirements(std::vector<LabelRequirement> requirements);
  // One matchExpressions entry; `op` is In, NotIn, Exists or DoesNotExist.
  static Result<LabelRequirement> expression(std::string key, std::string_view op,
                                             std::vector<std::string> values);

  // `lookup(key)` answers std::optional<std::string_view>.
  template <class Lookup>
  bool matches(Lookup&& lookup) const {
    if (nothing_) return false;
    for (const LabelRequirement& r : requirements_)
      if (!r.matches(lookup(std::string_view(r.key)))) return false;
    return true;
  }
  bool is_everything() const { return !nothing_ && requirements_.empty(); }
  bool is_nothing() const { return nothing_; }
  const std::vector<LabelRequirement>& requirements() const { return requirements_; }
  // Upstream's canonical text, which parses back to an equal selector.
  std::string to_string() const;
  friend bool operator==(const LabelSelector&, const LabelSelector&) = default;

 private:
  std::vector<LabelRequirement> requirements_;
  bool nothing_ = false;
};

}  // namespace keelson::api
