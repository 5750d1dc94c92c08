// Value: the 16-byte slot that every field, list item and map value of an object lives in, and the generic
// (schema-driven) references to structs, lists and maps that codecs, patches and managedFields work with.
//
// Layout, all in one Arena:
//   struct  StructData: its Type, then one Value per field, by Field::index
//   list    ListData:   size, capacity, Value items
//   map     MapData:    size, capacity, entries (key, Value) sorted by key (bytewise), keys unique
//   text    bytes in the arena, not terminated
// A Value of all zero bytes is "absent" and reads as every type's zero: "", 0, false.
// Presence is Go's: a nil pointer, slice or map is absent; an empty slice or map that is not nil is present
// with size 0. A zero in a field that is no Go pointer is always kept as absent, so equal objects have equal
// slots (put_scalar() sees to it).
//
// Ownership: references point into an Object's arena and live as long as the Object. Thread rule: Ref types
// of a frozen object from any thread; Mut types by one thread, before it is frozen.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

#include "api/arena.h"
#include "api/schema.h"
#include "api/time.h"
#include "base/check.h"

namespace keelson::api {

enum class Tag : std::uint8_t {
  kAbsent = 0,
  kBool,
  kInt,
  kDouble,
  kString,  // also the text form of an IntOrString
  kBytes,
  kTime,      // Time and MicroTime
  kQuantity,  // canonical text
  kRaw,       // JSON text: FieldsV1, RawExtension, any
  kStruct,
  kList,
  kMap,
};

struct StructData;
struct ListData;
struct MapData;

struct Value {
  Tag tag = Tag::kAbsent;
  std::uint32_t aux = 0;  // text: length; time: nanoseconds
  union {
    std::int64_t i = 0;  // bool, int, duration, seconds of time
    double d;
    const char* text;
    StructData* s;
    ListData* l;
    MapData* m;
  };

  bool absent() const { return tag == Tag::kAbsent; }
  explicit operator bool() const { return tag != Tag::kAbsent; }

  // Readers. REQUIRES: absent, or of that tag.
  bool as_bool() const { return i != 0; }
  std::int64_t as_int() const { return i; }
  double as_double() const { return d; }
  std::string_view as_text() const { return {text, aux}; }  // string, bytes, quantity, raw
  Time as_time() const { return absent() ? Time{} : Time{i, static_cast<std::int32_t>(aux)}; }
  const StructData* as_struct() const { return s; }
  const ListData* as_list() const { return l; }
  const MapData* as_map() const { return m; }

  static Value of_bool(bool v) { return make(Tag::kBool, 0, v ? 1 : 0); }
  static Value of_int(std::int64_t v) { return make(Tag::kInt, 0, v); }
  static Value of_double(double v) {
    Value out = make(Tag::kDouble, 0, 0);
    out.d = v;
    return out;
  }
  static Value of_time(Time t) { return make(Tag::kTime, static_cast<std::uint32_t>(t.nanos), t.seconds); }
  // `text` must live as long as the object: copy it into the arena first (Arena::copy), or be static.
  static Value of_text(Tag tag, std::string_view text) {
    Value out = make(tag, static_cast<std::uint32_t>(text.size()), 0);
    out.text = text.data();
    return out;
  }
  static Value of_string(std::string_view text) { return of_text(Tag::kString, text); }
  static Value of(StructData* v) {
    Value out = make(Tag::kStruct, 0, 0);
    out.s = v;
    return out;
  }
  static Value of(ListData* v) {
    Value out = make(Tag::kList, 0, 0);
    out.l = v;
    return out;
  }
  static Value of(MapData* v) {
    Value out = make(Tag::kMap, 0, 0);
    out.m = v;
    return out;
  }

 private:
  static Value make(Tag tag, std::uint32_t aux, std::int64_t i) {
    Value out;
    out.tag = tag;
    out.aux = aux;
    out.i = i;
    return out;
  }
};
static_assert(sizeof(Value) == 16);

inline constexpr Value kAbsentValue{};

struct StructData {
  const Type* type;
  Value* slots() { return reinterpret_cast<Value*>(this + 1); }
  const Value* slots() const { return reinterpret_cast<const Value*>(this + 1); }
  // All fields absent.
  static StructData* make(Arena& arena, const Type& type) {
    const std::size_t n = type.fields.size() * sizeof(Value);
    auto* out = static_cast<StructData*>(arena.alloc(sizeof(StructData) + n));
    out->type = &type;
    std::memset(static_cast<void*>(out->slots()), 0, n);
    return out;
  }
};

struct ListData {
  std::uint32_t size;
  std::uint32_t capacity;
  Value* items;
  static ListData* make(Arena& arena, std::uint32_t capacity);
  // A list of exactly these items.
  static ListData* make(Arena& arena, std::span<const Value> items);
};

struct MapEntry {
  const char* key_text;
  std::uint32_t key_size;
  Value value;
  std::string_view key() const { return {key_text, key_size}; }
};

struct MapData {
  std::uint32_t size;
  std::uint32_t capacity;
  MapEntry* entries;
  static MapData* make(Arena& arena, std::uint32_t capacity);
  // Sorts `entries` by key; of equal keys the last one wins.
  static MapData* make(Arena& arena, std::span<MapEntry> entries);
};

// ---- generic read access ----

// A struct or nothing; of nothing every field is absent.
class StructRef {
 public:
  StructRef() = default;
  explicit StructRef(const StructData* data) : d_(data) {}

  explicit operator bool() const { return d_ != nullptr; }
  const StructData* data() const { return d_; }
  // REQUIRES: present.
  const Type& struct_type() const { return *d_->type; }
  // By Field::index.
  const Value& slot(unsigned index) const { return d_ != nullptr ? d_->slots()[index] : kAbsentValue; }
  const Value& slot(const Field& field) const { return slot(field.index); }
  // By JSON name; absent when there is no such field.
  const Value& find(std::string_view json_name) const;

 protected:
  const StructData* d_ = nullptr;
};

class ListRef {
 public:
  ListRef() = default;
  explicit ListRef(const ListData* data) : d_(data) {}
  std::size_t size() const { return d_ != nullptr ? d_->size : 0; }
  bool empty() const { return size() == 0; }
  const Value& operator[](std::size_t i) const { return d_->items[i]; }
  const Value* begin() const { return d_ != nullptr ? d_->items : nullptr; }
  const Value* end() const { return begin() + size(); }
  const ListData* data() const { return d_; }

 protected:
  const ListData* d_ = nullptr;
};

class MapRef {
 public:
  MapRef() = default;
  explicit MapRef(const MapData* data) : d_(data) {}
  std::size_t size() const { return d_ != nullptr ? d_->size : 0; }
  bool empty() const { return size() == 0; }
  const MapEntry* begin() const { return d_ != nullptr ? d_->entries : nullptr; }
  const MapEntry* end() const { return begin() + size(); }
  // Null when there is no such key.
  const Value* find(std::string_view key) const;
  const MapData* data() const { return d_; }

 protected:
  const MapData* d_ = nullptr;
};

// ---- generic write access ----

class ListMut : public ListRef {
 public:
  ListMut(ListData* data, Arena* arena) : ListRef(data), a_(arena) {}
  Value& operator[](std::size_t i) { return list()->items[i]; }
  // Appends; references to items are invalid afterwards.
  Value& push(Value value);
  Value& insert(std::size_t at, Value value);
  void erase(std::size_t at);
  void clear() { list()->size = 0; }
  Arena& arena() const { return *a_; }

 protected:
  ListData* list() const { return const_cast<ListData*>(d_); }
  Arena* a_;
};

class MapMut : public MapRef {
 public:
  MapMut(MapData* data, Arena* arena) : MapRef(data), a_(arena) {}
  // The value of `key`, absent where it was not there before. The key is copied.
  Value& slot_of(std::string_view key);
  // False when it was not there.
  bool erase(std::string_view key);
  void clear() { map()->size = 0; }
  Arena& arena() const { return *a_; }

 protected:
  MapData* map() const { return const_cast<MapData*>(d_); }
  Arena* a_;
};

class StructMut : public StructRef {
 public:
  StructMut(StructData* data, Arena* arena) : StructRef(data), a_(arena) {}
  Value& slot_mut(unsigned index) { return data_mut()->slots()[index]; }
  // Stores a scalar (bool, int, double, string, time, quantity); zero becomes absent where the field is not
  // nullable.
  void put_scalar(const Field& field, Value value);
  // The struct, list or map in the slot, made empty where absent.
  StructMut struct_at(const Field& field);
  ListMut list_at(const Field& field);
  MapMut map_at(const Field& field);
  void clear_slot(unsigned index) { slot_mut(index) = Value{}; }
  Arena& arena() const { return *a_; }
  StructData* data_mut() const { return const_cast<StructData*>(d_); }

 protected:
  Arena* a_;
};

// ---- equality and copying ----

// Semantic equality as upstream's equality.Semantic.DeepEqual: quantities by value, times by instant, an
// empty list or map equals an absent one, a struct that is no pointer equals its zero when absent; kind and
// apiVersion of an inlined TypeMeta are not looked at.
bool equal(StructRef a, StructRef b);
bool equal(const Field& field, const Value& a, const Value& b);
// Whether the value is Go's zero for the field (what omitempty/omitzero look at, recursively for structs).
bool is_zero(const Field& field, const Value& v);

// Deep copies into `arena`.
Value copy_value(Arena& arena, const Value& v);
StructData* copy_struct(Arena& arena, const StructData* s);

}  // namespace keelson::api
