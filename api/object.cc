#include "api/object.h"

namespace keelson::api {

Object::Object(const Type& type, const KindInfo* kind, std::size_t arena_bytes, const StructData* copy_from)
    : arena_(arena_bytes),
      kind_(kind),
      root_(copy_from != nullptr ? copy_struct(arena_, copy_from) : StructData::make(arena_, type)) {
  const Field* field = type.find("metadata");
  if (field != nullptr && field->type == &meta_v1::types::ObjectMeta) meta_slot_ = field->index;
}

std::unique_ptr<Object> Object::make(const KindInfo& kind, std::size_t arena_bytes) {
  return std::unique_ptr<Object>(new Object(*kind.type, &kind, arena_bytes, nullptr));
}

std::unique_ptr<Object> Object::make(const Type& type, std::size_t arena_bytes) {
  return std::unique_ptr<Object>(new Object(type, nullptr, arena_bytes, nullptr));
}

meta_v1::ObjectMetaMut Object::mutable_meta() {
  CHECK(meta_slot_ >= 0);
  return meta_v1::ObjectMetaMut(root().struct_at(type().fields[static_cast<std::size_t>(meta_slot_)]));
}

std::unique_ptr<Object> Object::clone() const {
  return std::unique_ptr<Object>(new Object(type(), kind_, arena_.used(), root_));
}

ObjectPtr freeze(std::unique_ptr<Object> object) {
  return ObjectPtr(std::move(object));
}

namespace detail {

const StructData* root_as(const Object& object, const Type& type) {
  CHECK(&object.type() == &type);
  return object.root().data();
}

StructMut root_as(Object& object, const Type& type) {
  CHECK(&object.type() == &type);
  return object.root();
}

void put_string(StructMut s, unsigned index, std::string_view v) {
  const Field& field = s.struct_type().fields[index];
  if (v.empty() && !field.pointer) return s.clear_slot(index);
  s.slot_mut(index) = Value::of_string(s.arena().copy(v));
}

void put_value(StructMut s, unsigned index, Value v) {
  s.put_scalar(s.struct_type().fields[index], v);
}

void put_copy(StructMut s, unsigned index, const Value& v) {
  if (v.i == 0) return s.clear_slot(index);  // a null pointer
  const Value copy = copy_value(s.arena(), v);
  s.slot_mut(index) = copy;
}

}  // namespace detail
}  // namespace keelson::api
