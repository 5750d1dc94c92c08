#include "api/value.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "api/quantity.h"

namespace keelson::api {

namespace {

// Stable, so that of equal keys the last one stays last.
void sort_by_key(std::span<MapEntry> entries) {
  const auto less = [](const MapEntry& a, const MapEntry& b) { return a.key() < b.key(); };
  if (std::ranges::is_sorted(entries, less)) return;
  if (entries.size() <= 24) {
    for (std::size_t i = 1; i < entries.size(); ++i)
      for (std::size_t j = i; j > 0 && less(entries[j], entries[j - 1]); --j)
        std::swap(entries[j], entries[j - 1]);
    return;
  }
  std::vector<std::pair<MapEntry, std::size_t>> order;
  order.reserve(entries.size());
  for (const MapEntry& entry : entries) order.emplace_back(entry, order.size());
  std::ranges::sort(order, [&](const auto& a, const auto& b) {
    const int c = a.first.key().compare(b.first.key());
    return c != 0 ? c < 0 : a.second < b.second;
  });
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i] = order[i].first;
}

}  // namespace

ListData* ListData::make(Arena& arena, std::uint32_t capacity) {
  auto* out = static_cast<ListData*>(arena.alloc(sizeof(ListData)));
  out->size = 0;
  out->capacity = capacity;
  out->items = capacity == 0 ? nullptr : static_cast<Value*>(arena.alloc(capacity * sizeof(Value)));
  return out;
}

ListData* ListData::make(Arena& arena, std::span<const Value> items) {
  ListData* out = make(arena, static_cast<std::uint32_t>(items.size()));
  out->size = out->capacity;
  if (!items.empty()) std::memcpy(static_cast<void*>(out->items), items.data(), items.size_bytes());
  return out;
}

MapData* MapData::make(Arena& arena, std::uint32_t capacity) {
  auto* out = static_cast<MapData*>(arena.alloc(sizeof(MapData)));
  out->size = 0;
  out->capacity = capacity;
  out->entries = capacity == 0 ? nullptr : static_cast<MapEntry*>(arena.alloc(capacity * sizeof(MapEntry)));
  return out;
}

MapData* MapData::make(Arena& arena, std::span<MapEntry> entries) {
  sort_by_key(entries);
  MapData* out = make(arena, static_cast<std::uint32_t>(entries.size()));
  for (const MapEntry& entry : entries) {
    if (out->size > 0 && out->entries[out->size - 1].key() == entry.key()) --out->size;
    out->entries[out->size++] = entry;
  }
  return out;
}

const Value& StructRef::find(std::string_view json_name) const {
  if (d_ == nullptr) return kAbsentValue;
  const Field* field = d_->type->find(json_name);
  return field != nullptr ? d_->slots()[field->index] : kAbsentValue;
}

const Value* MapRef::find(std::string_view key) const {
  const MapEntry* at = std::lower_bound(begin(), end(), key,
                                        [](const MapEntry& e, std::string_view k) { return e.key() < k; });
  return at != end() && at->key() == key ? &at->value : nullptr;
}

Value& ListMut::push(Value value) {
  return insert(size(), value);
}

Value& ListMut::insert(std::size_t at, Value value) {
  ListData* l = list();
  CHECK(at <= l->size);
  if (l->size == l->capacity) {
    const std::uint32_t capacity = l->capacity < 4 ? 4 : l->capacity * 2;
    auto* items = static_cast<Value*>(a_->alloc(capacity * sizeof(Value)));
    std::copy(l->items, l->items + l->size, items);
    l->items = items;
    l->capacity = capacity;
  }
  std::copy_backward(l->items + at, l->items + l->size, l->items + l->size + 1);
  l->items[at] = value;
  ++l->size;
  return l->items[at];
}

void ListMut::erase(std::size_t at) {
  ListData* l = list();
  CHECK(at < l->size);
  std::copy(l->items + at + 1, l->items + l->size, l->items + at);
  --l->size;
}

Value& MapMut::slot_of(std::string_view key) {
  MapData* m = map();
  MapEntry* at = std::lower_bound(m->entries, m->entries + m->size, key,
                                  [](const MapEntry& e, std::string_view k) { return e.key() < k; });
  if (at != m->entries + m->size && at->key() == key) return at->value;
  const auto pos = static_cast<std::size_t>(at - m->entries);
  if (m->size == m->capacity) {
    const std::uint32_t capacity = m->capacity < 4 ? 4 : m->capacity * 2;
    auto* entries = static_cast<MapEntry*>(a_->alloc(capacity * sizeof(MapEntry)));
    std::copy(m->entries, m->entries + m->size, entries);
    m->entries = entries;
    m->capacity = capacity;
  }
  std::copy_backward(m->entries + pos, m->entries + m->size, m->entries + m->size + 1);
  const std::string_view copied = a_->copy(key);
  m->entries[pos] = MapEntry{copied.data(), static_cast<std::uint32_t>(copied.size()), Value{}};
  ++m->size;
  return m->entries[pos].value;
}

bool MapMut::erase(std::string_view key) {
  const Value* found = find(key);
  if (found == nullptr) return false;
  MapData* m = map();
  MapEntry* at = m->entries;
  while (&at->value != found) ++at;
  std::copy(at + 1, m->entries + m->size, at);
  --m->size;
  return true;
}

void StructMut::put_scalar(const Field& field, Value value) {
  Value& slot = slot_mut(field.index);
  slot = !field.nullable() && is_zero(field, value) ? Value{} : value;
}

StructMut StructMut::struct_at(const Field& field) {
  Value& slot = slot_mut(field.index);
  if (slot.absent()) slot = Value::of(StructData::make(*a_, *field.type));
  return {slot.s, a_};
}

ListMut StructMut::list_at(const Field& field) {
  Value& slot = slot_mut(field.index);
  if (slot.absent()) slot = Value::of(ListData::make(*a_, 0u));
  return {slot.l, a_};
}

MapMut StructMut::map_at(const Field& field) {
  Value& slot = slot_mut(field.index);
  if (slot.absent()) slot = Value::of(MapData::make(*a_, 0u));
  return {slot.m, a_};
}

namespace {

bool struct_is_zero(const StructData* s) {
  for (const Field& field : s->type->fields) {
    const Value& v = s->slots()[field.index];
    if (v.absent()) continue;
    if (field.scalar == Scalar::kStruct && field.shape == Shape::kSingle && !field.pointer) {
      if (!struct_is_zero(v.s)) return false;
    } else {
      return false;
    }
  }
  return true;
}

bool scalar_equal(const Value& a, const Value& b) {
  if (a.tag != b.tag) return false;
  switch (a.tag) {
    case Tag::kAbsent:
      return true;
    case Tag::kBool:
    case Tag::kInt:
      return a.i == b.i;
    case Tag::kDouble:
      return a.d == b.d;
    case Tag::kTime:
      return a.i == b.i && a.aux == b.aux;
    case Tag::kQuantity:
      return a.as_text() == b.as_text() ||
             Quantity::from_canonical(a.as_text()) == Quantity::from_canonical(b.as_text());
    default:
      return a.as_text() == b.as_text();
  }
}

bool item_equal(const Field& field, const Value& a, const Value& b) {
  if (field.scalar != Scalar::kStruct) return scalar_equal(a, b);
  return equal(StructRef(a.as_struct()), StructRef(b.as_struct()));
}

}  // namespace

bool is_zero(const Field& field, const Value& v) {
  if (v.absent()) return true;
  if (field.shape != Shape::kSingle || field.pointer) return false;
  switch (v.tag) {
    case Tag::kBool:
    case Tag::kInt:
      return v.i == 0 && field.scalar != Scalar::kIntOrString;
    case Tag::kDouble:
      return v.d == 0;
    case Tag::kString:
      return v.aux == 0 && field.scalar != Scalar::kIntOrString;
    case Tag::kTime:
      return v.as_time().is_zero();
    case Tag::kStruct:
      return struct_is_zero(v.s);
    default:
      return false;
  }
}

bool equal(const Field& field, const Value& a, const Value& b) {
  switch (field.shape) {
    case Shape::kList: {
      const ListRef x(a.as_list()), y(b.as_list());
      if (x.size() != y.size()) return false;
      for (std::size_t i = 0; i < x.size(); ++i)
        if (!item_equal(field, x[i], y[i])) return false;
      return true;
    }
    case Shape::kMap: {
      const MapRef x(a.as_map()), y(b.as_map());
      if (x.size() != y.size()) return false;
      for (std::size_t i = 0; i < x.size(); ++i)
        if (x.begin()[i].key() != y.begin()[i].key() ||
            !item_equal(field, x.begin()[i].value, y.begin()[i].value))
          return false;
      return true;
    }
    case Shape::kSingle:
      break;
  }
  if (field.scalar == Scalar::kStruct) {
    if (field.pointer && a.absent() != b.absent()) return false;
    return equal(StructRef(a.as_struct()), StructRef(b.as_struct()));
  }
  if (field.scalar == Scalar::kBytes || field.scalar == Scalar::kRaw) return a.as_text() == b.as_text();
  if (field.scalar == Scalar::kQuantity && !field.pointer && a.absent() != b.absent())
    return Quantity::from_canonical(a.as_text()) == Quantity::from_canonical(b.as_text());
  if (field.scalar == Scalar::kIntOrString && !field.pointer && a.absent() != b.absent()) {
    const Value& v = a.absent() ? b : a;
    return v.tag == Tag::kInt && v.i == 0;
  }
  return scalar_equal(a, b);
}

bool equal(StructRef a, StructRef b) {
  if (a.data() == b.data()) return true;
  if (!a) return struct_is_zero(b.data()) || equal(b, StructRef());
  const Type& type = a.struct_type();
  for (const Field& field : type.fields) {
    if (field.type_meta) continue;
    const Value& x = a.slot(field);
    const Value& y = b.slot(field);
    if (x.absent() && y.absent()) continue;
    if (!equal(field, x, y)) return false;
  }
  return true;
}

Value copy_value(Arena& arena, const Value& v) {
  switch (v.tag) {
    case Tag::kString:
    case Tag::kBytes:
    case Tag::kQuantity:
    case Tag::kRaw:
      return Value::of_text(v.tag, arena.copy(v.as_text()));
    case Tag::kStruct:
      return Value::of(copy_struct(arena, v.s));
    case Tag::kList: {
      ListData* out = ListData::make(arena, v.l->size);
      for (std::uint32_t i = 0; i < v.l->size; ++i) out->items[i] = copy_value(arena, v.l->items[i]);
      out->size = v.l->size;
      return Value::of(out);
    }
    case Tag::kMap: {
      MapData* out = MapData::make(arena, v.m->size);
      for (std::uint32_t i = 0; i < v.m->size; ++i) {
        const MapEntry& from = v.m->entries[i];
        const std::string_view key = arena.copy(from.key());
        out->entries[i] =
            MapEntry{key.data(), static_cast<std::uint32_t>(key.size()), copy_value(arena, from.value)};
      }
      out->size = v.m->size;
      return Value::of(out);
    }
    default:
      return v;
  }
}

StructData* copy_struct(Arena& arena, const StructData* s) {
  const std::size_t n = s->type->fields.size();
  auto* out = static_cast<StructData*>(arena.alloc(sizeof(StructData) + n * sizeof(Value)));
  out->type = s->type;
  for (std::size_t i = 0; i < n; ++i) out->slots()[i] = copy_value(arena, s->slots()[i]);
  return out;
}

}  // namespace keelson::api
