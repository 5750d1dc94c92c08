#include "apiserver/object_meta.h"

#include <fmt/format.h>

#include <charconv>

namespace keelson::apiserver {

using api::Field;
using api::StructRef;

void set_resource_version(api::Object& object, std::int64_t revision) {
  auto meta = object.mutable_meta();
  if (revision == 0) {
    meta.set_resource_version("");
    return;
  }
  char text[24];
  auto end = std::to_chars(text, text + sizeof text, revision).ptr;
  meta.set_resource_version(std::string_view(text, static_cast<std::size_t>(end - text)));
}

Result<std::int64_t> parse_resource_version(std::string_view text) {
  if (text.empty()) return 0;
  std::uint64_t value = 0;
  auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec == std::errc::result_out_of_range)
    return fail(Code::kInvalidArgument, fmt::format("strconv.ParseUint: parsing \"{}\": value out of range", text));
  if (ec != std::errc{} || end != text.data() + text.size())
    return fail(Code::kInvalidArgument, fmt::format("strconv.ParseUint: parsing \"{}\": invalid syntax", text));
  return static_cast<std::int64_t>(value);
}

api::Time to_api_time(WallTime t) {
  return {std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count(), 0};
}

void copy_top(api::Object& to, const api::Object& from, std::string_view name) {
  const Field* field = to.type().find(name);
  if (!field) return;
  to.root().slot_mut(field->index) = api::copy_value(to.arena(), from.root().find(name));
}

void clear_top(api::Object& object, std::string_view name) {
  if (const Field* field = object.type().find(name)) object.root().clear_slot(field->index);
}

bool equal_top(const api::Object& a, const api::Object& b, std::string_view name) {
  const Field* field = a.type().find(name);
  return !field || api::equal(*field, a.root().slot(*field), b.root().slot(*field));
}

const api::Value& value_at(const api::Object& object, std::initializer_list<std::string_view> path) {
  StructRef at = object.root();
  const api::Value* value = &api::kAbsentValue;
  for (auto step : path) {
    if (!at) return api::kAbsentValue;
    value = &at.find(step);
    at = value->tag == api::Tag::kStruct ? StructRef(value->as_struct()) : StructRef();
  }
  return *value;
}

std::string_view text_at(const api::Object& object, std::initializer_list<std::string_view> path) {
  const auto& value = value_at(object, path);
  return value.absent() ? std::string_view{} : value.as_text();
}

namespace {

void drop_empty(api::StructData* data) {
  for (const Field& field : data->type->fields) {
    api::Value& value = data->slots()[field.index];
    if (value.tag == api::Tag::kStruct) {
      drop_empty(value.s);
    } else if (value.tag == api::Tag::kList) {
      if (value.l->size == 0) value = api::Value{};
      else if (field.scalar == api::Scalar::kStruct)
        for (std::uint32_t i = 0; i < value.l->size; ++i) drop_empty(value.l->items[i].s);
    } else if (value.tag == api::Tag::kMap) {
      if (value.m->size == 0) value = api::Value{};
      else if (field.scalar == api::Scalar::kStruct)
        for (std::uint32_t i = 0; i < value.m->size; ++i)
          if (value.m->entries[i].value.tag == api::Tag::kStruct) drop_empty(value.m->entries[i].value.s);
    }
  }
}

}  // namespace

void drop_empty_collections(api::Object& object) { drop_empty(object.root().data_mut()); }

bool same_content(const api::Object& a, const api::Object& b) {
  for (const Field& field : a.type().fields) {
    if (field.type_meta) continue;
    const auto& x = a.root().slot(field);
    const auto& y = b.root().slot(field);
    if (field.name != "metadata") {
      if (!api::equal(field, x, y)) return false;
      continue;
    }
    StructRef ma(x.as_struct()), mb(y.as_struct());
    for (const Field& inner : field.type->fields) {
      if (inner.name == "resourceVersion") continue;
      if (!api::equal(inner, ma.slot(inner), mb.slot(inner))) return false;
    }
  }
  return true;
}

}  // namespace keelson::apiserver
