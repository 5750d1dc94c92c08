#include "api/patch/value_kinds.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace keelson::api {

namespace json = boost::json;

std::string_view go_type(const json::value& v) {
  switch (v.kind()) {
    case json::kind::object:
      return "map[string]interface {}";
    case json::kind::array:
      return "[]interface {}";
    case json::kind::string:
      return "string";
    case json::kind::bool_:
      return "bool";
    case json::kind::int64:
      return "int64";
    case json::kind::null:
      return "%!s(<nil>)";
    default:
      return "float64";
  }
}

namespace {

std::string_view go_kind(const json::value& v) {
  if (v.is_object()) return "map";
  if (v.is_array()) return "slice";
  return go_type(v);
}

std::unexpected<Error> mismatch(std::string message) {
  return fail(Code::kInvalidArgument, std::move(message));
}

Result<> check_scalar(const json::value& v, const Field& f) {
  std::string_view want;
  bool ok = true;
  bool convertible = false;
  switch (f.scalar) {
    case Scalar::kString:
      want = "string";
      ok = v.is_string();
      convertible = v.is_int64();
      break;
    case Scalar::kBool:
      want = "bool";
      ok = v.is_bool();
      break;
    case Scalar::kInt32:
    case Scalar::kInt64:
      want = f.scalar == Scalar::kInt32 ? "int32" : "int64";
      ok = v.is_int64() || (v.is_double() &&
                            v.get_double() == static_cast<double>(static_cast<std::int64_t>(v.get_double())));
      convertible = v.is_double();
      break;
    case Scalar::kDouble:
      want = "float64";
      ok = v.is_number();
      break;
    case Scalar::kBytes:
      if (!v.is_string() && !v.is_array())
        return mismatch(fmt::format("cannot restore slice from {}", go_kind(v)));
      return {};
    default:
      return {};
  }
  if (ok) return {};
  if (convertible)
    return mismatch(fmt::format("cannot convert {} to {}", go_kind(v),
                                f.facts->go_elem.empty() ? want : f.facts->go_elem));
  return mismatch(fmt::format("unrecognized type: {}", want));
}

Result<> check_struct(const json::value& v, const Type& type);

Result<> check_element(const json::value& v, const Field& f) {
  if (v.is_null()) return {};
  return f.scalar == Scalar::kStruct ? check_struct(v, *f.type) : check_scalar(v, f);
}

Result<> check_field(const json::value& v, const Field& f) {
  if (v.is_null()) return {};
  if (f.shape == Shape::kList) {
    if (!v.is_array()) return mismatch(fmt::format("cannot restore slice from {}", go_kind(v)));
    for (const json::value& e : v.get_array()) TRY(check_element(e, f));
    return {};
  }
  if (f.shape == Shape::kMap) {
    if (!v.is_object()) return mismatch(fmt::format("cannot restore map from {}", go_kind(v)));
    for (const auto& m : v.get_object()) TRY(check_element(m.value(), f));
    return {};
  }
  return check_element(v, f);
}

Result<> check_struct(const json::value& v, const Type& type) {
  if (type.wraps_list) return check_field(v, type.fields[0]);
  if (!v.is_object()) return mismatch(fmt::format("cannot restore struct from: {}", go_kind(v)));
  const json::object& o = v.get_object();
  for (const Field& f : type.fields)
    if (const json::value* member = o.if_contains(f.name)) TRY(check_field(*member, f));
  return {};
}

}  // namespace

Result<> check_value_kinds(const json::value& object, const Type& type) {
  return check_struct(object, type);
}

}  // namespace keelson::api
