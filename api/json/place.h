// Place: where decoding stands, to word an error. Internal to api/json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"

namespace keelson::api::json {

// One frame per struct field entered; cheap to push.
struct Frame {
  const Type* type;
  const Field* field;
  std::int64_t index;    // of the list item, -1 outside
  std::string_view key;  // of the map entry
  bool in_map;
};

class Place {
 public:
  void push_back(const Frame& frame) { frames_.push_back(frame); }
  void pop_back() { frames_.pop_back(); }
  Frame& back() { return frames_.back(); }

  // " into Go struct field ObjectMeta.metadata.labels of type T". REQUIRES: within a field.
  std::string into(std::string_view go_type) const;
  // "spec.containers[0].name", with `last` as its end.
  std::string strict_path(std::string_view last) const;

 private:
  std::vector<Frame> frames_;
};

// What a value is that begins with `first`: "object", "array", "string", "bool", "number".
std::string_view kind_of_value(char first);

}  // namespace keelson::api::json
