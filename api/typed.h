// What the generated typed views (api/gen/*.h) are made of: List<E>, Map<E> and their writing forms, for
// element kinds E.
//
//   for (core_v1::Container c : pod.spec().containers()) use(c.name());
//   pod_mut.mutable_spec().add_containers().set_name("main");
//   meta_mut.mutable_labels().set("app", "web");      std::string_view v = meta.labels().get("app");
//
// Views are one or two pointers: pass them by value. Texts they return live as long as the Object; texts
// given to setters are copied. Thread rule: as api/value.h.
#pragma once

#include <iterator>
#include <string>
#include <utility>

#include "api/quantity.h"
#include "api/value.h"

namespace keelson::api {

class Object;

// An int or a string (ports, maxSurge …). The text lives as long as the object it was read from.
struct IntOrString {
  bool is_int = true;
  std::int32_t number = 0;
  std::string_view text;

  static IntOrString of(std::int32_t n) { return {true, n, {}}; }
  static IntOrString of(std::string_view s) { return {false, 0, s}; }
  std::string to_string() const { return is_int ? std::to_string(number) : std::string(text); }
  friend bool operator==(const IntOrString&, const IntOrString&) = default;
};

// Element kinds: how a Value reads and is made.
struct StringElem {
  using type = std::string_view;
  static type read(const Value& v) { return v.as_text(); }
  static Value make(Arena& a, type v) { return Value::of_string(a.copy(v)); }
};
struct BytesElem {
  using type = std::string_view;
  static type read(const Value& v) { return v.as_text(); }
  static Value make(Arena& a, type v) { return Value::of_text(Tag::kBytes, a.copy(v)); }
};
// JSON text; REQUIRES of make(): valid JSON.
struct RawElem {
  using type = std::string_view;
  static type read(const Value& v) { return v.as_text(); }
  static Value make(Arena& a, type v) { return Value::of_text(Tag::kRaw, a.copy(v)); }
};
struct BoolElem {
  using type = bool;
  static type read(const Value& v) { return v.as_bool(); }
  static Value make(Arena&, type v) { return Value::of_bool(v); }
};
struct Int32Elem {
  using type = std::int32_t;
  static type read(const Value& v) { return static_cast<std::int32_t>(v.as_int()); }
  static Value make(Arena&, type v) { return Value::of_int(v); }
};
struct Int64Elem {
  using type = std::int64_t;
  static type read(const Value& v) { return v.as_int(); }
  static Value make(Arena&, type v) { return Value::of_int(v); }
};
struct DoubleElem {
  using type = double;
  static type read(const Value& v) { return v.as_double(); }
  static Value make(Arena&, type v) { return Value::of_double(v); }
};
struct TimeElem {
  using type = Time;
  static type read(const Value& v) { return v.as_time(); }
  static Value make(Arena&, type v) { return Value::of_time(v); }
};
struct QuantityElem {
  using type = Quantity;
  static type read(const Value& v) { return Quantity::from_canonical(v.as_text()); }
  static Value make(Arena& a, const type& v) { return Value::of_text(Tag::kQuantity, a.copy(v.text())); }
};
struct IntOrStringElem {
  using type = IntOrString;
  static type read(const Value& v) {
    return v.tag == Tag::kString ? IntOrString::of(v.as_text())
                                 : IntOrString::of(static_cast<std::int32_t>(v.as_int()));
  }
  static Value make(Arena& a, type v) {
    return v.is_int ? Value::of_int(v.number) : Value::of_string(a.copy(v.text));
  }
};
// V: the view class, M: its mutable form.
template <class V, class M>
struct StructElem {
  using type = V;
  using mut = M;
  static type read(const Value& v) { return V(v.as_struct()); }
};

// Reads one Value as E; the iterator of List and Map.
template <class E>
class List {
 public:
  using value_type = typename E::type;
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = typename E::type;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = value_type;
    iterator() = default;
    explicit iterator(const Value* at) : at_(at) {}
    value_type operator*() const { return E::read(*at_); }
    iterator& operator++() {
      ++at_;
      return *this;
    }
    iterator operator++(int) { return iterator(at_++); }
    friend bool operator==(const iterator&, const iterator&) = default;

   private:
    const Value* at_ = nullptr;
  };

  List() = default;
  explicit List(const ListData* data) : l_(data) {}
  std::size_t size() const { return l_.size(); }
  bool empty() const { return l_.empty(); }
  value_type operator[](std::size_t i) const { return E::read(l_[i]); }
  iterator begin() const { return iterator(l_.begin()); }
  iterator end() const { return iterator(l_.end()); }
  // For scalars: whether some element equals `v`.
  bool contains(const value_type& v) const {
    for (const Value& item : l_)
      if (E::read(item) == v) return true;
    return false;
  }
  ListRef ref() const { return l_; }

 private:
  ListRef l_;
};

template <class E>
class Map {
 public:
  using value_type = typename E::type;
  class iterator {
   public:
    using iterator_category = std::input_iterator_tag;
    using value_type = std::pair<std::string_view, typename E::type>;
    using difference_type = std::ptrdiff_t;
    using pointer = void;
    using reference = value_type;
    iterator() = default;
    explicit iterator(const MapEntry* at) : at_(at) {}
    value_type operator*() const { return {at_->key(), E::read(at_->value)}; }
    iterator& operator++() {
      ++at_;
      return *this;
    }
    iterator operator++(int) { return iterator(at_++); }
    friend bool operator==(const iterator&, const iterator&) = default;

   private:
    const MapEntry* at_ = nullptr;
  };

  Map() = default;
  explicit Map(const MapData* data) : m_(data) {}
  std::size_t size() const { return m_.size(); }
  bool empty() const { return m_.empty(); }
  bool contains(std::string_view key) const { return m_.find(key) != nullptr; }
  // Zero ("" …) when there is no such key.
  value_type get(std::string_view key) const {
    const Value* v = m_.find(key);
    return v != nullptr ? E::read(*v) : E::read(kAbsentValue);
  }
  std::optional<value_type> find(std::string_view key) const {
    const Value* v = m_.find(key);
    return v != nullptr ? std::optional<value_type>(E::read(*v)) : std::nullopt;
  }
  // In ascending order of keys.
  iterator begin() const { return iterator(m_.begin()); }
  iterator end() const { return iterator(m_.end()); }
  MapRef ref() const { return m_; }

 private:
  MapRef m_;
};

// A list of scalars being written.
template <class E>
class ScalarListMut : public List<E> {
 public:
  explicit ScalarListMut(ListMut l) : List<E>(l.data()), l_(l) {}
  void add(typename E::type v) { l_.push(E::make(l_.arena(), v)); }
  void set(std::size_t i, typename E::type v) { l_[i] = E::make(l_.arena(), v); }
  void erase(std::size_t i) { l_.erase(i); }
  void clear() { l_.clear(); }
  ListMut ref_mut() const { return l_; }

 private:
  ListMut l_;
};

// A list of structs being written. References from add() and at() stay valid when the list grows.
template <class E>
class StructListMut : public List<E> {
 public:
  StructListMut(ListMut l, const Type& type) : List<E>(l.data()), l_(l), type_(&type) {}
  typename E::mut add() {
    return typename E::mut(l_.push(Value::of(StructData::make(l_.arena(), *type_))).s, &l_.arena());
  }
  // Appends a deep copy.
  typename E::mut add_copy(typename E::type from) {
    StructData* s = from ? copy_struct(l_.arena(), from.data()) : StructData::make(l_.arena(), *type_);
    return typename E::mut(l_.push(Value::of(s)).s, &l_.arena());
  }
  typename E::mut at(std::size_t i) { return typename E::mut(l_[i].s, &l_.arena()); }
  void erase(std::size_t i) { l_.erase(i); }
  void clear() { l_.clear(); }
  ListMut ref_mut() const { return l_; }

 private:
  ListMut l_;
  const Type* type_;
};

template <class E>
class ScalarMapMut : public Map<E> {
 public:
  explicit ScalarMapMut(MapMut m) : Map<E>(m.data()), m_(m) {}
  void set(std::string_view key, typename E::type v) {
    const Value value = E::make(m_.arena(), v);
    m_.slot_of(key) = value;
  }
  bool erase(std::string_view key) { return m_.erase(key); }
  void clear() { m_.clear(); }
  MapMut ref_mut() const { return m_; }

 private:
  MapMut m_;
};

template <class E>
class StructMapMut : public Map<E> {
 public:
  StructMapMut(MapMut m, const Type& type) : Map<E>(m.data()), m_(m), type_(&type) {}
  // The struct of `key`, made empty when it is not there.
  typename E::mut at(std::string_view key) {
    Value& slot = m_.slot_of(key);
    if (slot.absent()) slot = Value::of(StructData::make(m_.arena(), *type_));
    return typename E::mut(slot.s, &m_.arena());
  }
  bool erase(std::string_view key) { return m_.erase(key); }
  void clear() { m_.clear(); }
  MapMut ref_mut() const { return m_; }

 private:
  MapMut m_;
  const Type* type_;
};

// Base of the generated ...Mut views: everything of the view V, and writing.
template <class V>
class Mutable : public V {
 public:
  Mutable(StructData* data, Arena* arena) : V(data), a_(arena) {}
  explicit Mutable(StructMut s) : V(s.data()), a_(&s.arena()) {}
  operator StructMut() const { return ref_mut(); }
  StructMut ref_mut() const { return {const_cast<StructData*>(this->d_), a_}; }
  V view() const { return *this; }
  Arena& arena() const { return *a_; }

 protected:
  StructMut struct_at(const Field& field) { return ref_mut().struct_at(field); }
  ListMut list_at(const Field& field) { return ref_mut().list_at(field); }
  MapMut map_at(const Field& field) { return ref_mut().map_at(field); }
  void clear_slot(unsigned index) { ref_mut().clear_slot(index); }
  Arena* a_;
};

namespace detail {
// The root struct; CHECKs that the object is of that type.
const StructData* root_as(const Object& object, const Type& type);
StructMut root_as(Object& object, const Type& type);

// Setters' common part: zero becomes absent where `field` is not nullable.
void put_string(StructMut s, unsigned index, std::string_view v);
void put_value(StructMut s, unsigned index, Value v);
void put_copy(StructMut s, unsigned index, const Value& v);  // deep copy of a struct, list or map
}  // namespace detail

}  // namespace keelson::api
