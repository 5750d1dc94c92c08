#include "api/json/zero_item.h"

namespace keelson::api::json {

Value zero_item(Arena& arena, const Field& field) {
  if (field.scalar == Scalar::kStruct) return Value::of(StructData::make(arena, *field.type));
  switch (field.scalar) {
    case Scalar::kBool:
      return Value::of_bool(false);
    case Scalar::kString:
      return Value::of_string({});
    case Scalar::kBytes:
      return Value::of_text(Tag::kBytes, {});
    case Scalar::kTime:
    case Scalar::kMicroTime:
      return Value::of_time({});
    case Scalar::kQuantity:
      return Value::of_text(Tag::kQuantity, "0");
    case Scalar::kRaw:
    case Scalar::kFieldsV1:
    case Scalar::kAny:
      return Value::of_text(Tag::kRaw, "null");
    case Scalar::kDouble:
      return Value::of_double(0);
    default:
      return Value::of_int(0);
  }
}

}  // namespace keelson::api::json
