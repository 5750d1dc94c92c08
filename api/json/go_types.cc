#include "api/json/go_types.h"

namespace keelson::api::json {

std::string_view scalar_go_type(const Field& field) {
  if (!field.facts->go_elem.empty()) return field.facts->go_elem;
  switch (field.scalar) {
    case Scalar::kBool:
      return "bool";
    case Scalar::kInt32:
    case Scalar::kIntOrString:
      return "int32";
    case Scalar::kInt64:
      return "int64";
    case Scalar::kDouble:
      return "float64";
    case Scalar::kBytes:
      return "[]uint8";
    case Scalar::kQuantity:
      return "resource.Quantity";
    case Scalar::kFieldsV1:
      return "v1.FieldsV1";
    case Scalar::kRaw:
      return "runtime.RawExtension";
    case Scalar::kAny:
      return "interface {}";
    case Scalar::kStruct:
      return field.type->go_name;
    default:
      return "string";  // time and duration are read by way of a string
  }
}

namespace {

std::string elem_go_type(const Field& field) {
  if (field.facts->go_elem.empty()) {
    if (field.scalar == Scalar::kTime) return "v1.Time";
    if (field.scalar == Scalar::kMicroTime) return "v1.MicroTime";
    if (field.scalar == Scalar::kIntOrString) return "intstr.IntOrString";
  }
  return std::string(scalar_go_type(field));
}

}  // namespace

std::string container_go_type(const Field& field) {
  if (!field.facts->go_container.empty()) return std::string(field.facts->go_container);
  if (field.shape == Shape::kList) return "[]" + elem_go_type(field);
  const std::string_view key = field.facts->go_key.empty() ? "string" : field.facts->go_key;
  return "map[" + std::string(key) + "]" + elem_go_type(field);
}

}  // namespace keelson::api::json
