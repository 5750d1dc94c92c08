#include "api/json/place.h"

namespace keelson::api::json {

std::string Place::into(std::string_view go_type) const {
  std::string path;
  for (const Frame& frame : frames_) {
    if (!path.empty()) path += '.';
    if (const std::string_view embedded = frame.field->facts->go_embedded; !embedded.empty()) {
      path += embedded;
      path += '.';
    }
    path += frame.field->name;
  }
  return " into Go struct field " + std::string(frames_.back().type->short_name()) + "." + path +
         " of type " + std::string(go_type);
}

std::string Place::strict_path(std::string_view last) const {
  std::string out;
  for (const Frame& frame : frames_) {
    if (!out.empty()) out += '.';
    out += frame.field->name;
    if (frame.index >= 0) out += "[" + std::to_string(frame.index) + "]";
    if (frame.in_map) {
      out += '.';
      out += frame.key;
    }
  }
  if (!out.empty()) out += '.';
  out += last;
  return out;
}

std::string_view kind_of_value(char first) {
  switch (first) {
    case '{':
      return "object";
    case '[':
      return "array";
    case '"':
      return "string";
    case 't':
    case 'f':
      return "bool";
    default:
      return "number";
  }
}

}  // namespace keelson::api::json
