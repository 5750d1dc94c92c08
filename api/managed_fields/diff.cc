#include "api/managed_fields/diff.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

namespace keelson::api {
namespace {

// How a value stands in JSON.
enum class Presence { kMissing, kNull, kThere };
struct View {
  Presence at = Presence::kMissing;
  const Value* v = &kAbsentValue;  // where there: absent reads as zero
  bool missing() const { return at == Presence::kMissing; }
  bool there() const { return at == Presence::kThere; }
  StructRef as_struct() const { return StructRef(there() && !v->absent() ? v->as_struct() : nullptr); }
  ListRef as_list() const { return ListRef(there() && !v->absent() ? v->as_list() : nullptr); }
  MapRef as_map() const { return MapRef(there() && !v->absent() ? v->as_map() : nullptr); }
};

bool is_go_struct(Scalar s) {
  return s == Scalar::kStruct || s == Scalar::kTime || s == Scalar::kMicroTime || s == Scalar::kDuration ||
         s == Scalar::kQuantity || s == Scalar::kIntOrString;
}
bool is_time(Scalar s) {
  return s == Scalar::kTime || s == Scalar::kMicroTime;
}

View view(const Field& f, const Value& v) {
  if (v.absent()) {
    if (f.nullable()) return {f.omit_empty ? Presence::kMissing : Presence::kNull};
    if (is_go_struct(f.scalar)) {
      if (f.omit_zero) return {};
      return {is_time(f.scalar) ? Presence::kNull : Presence::kThere};
    }
    return {f.omit_empty ? Presence::kMissing : Presence::kThere};
  }
  if (f.omit_empty && f.shape == Shape::kList && ListRef(v.as_list()).empty()) return {};
  if (f.omit_empty && f.shape == Shape::kMap && MapRef(v.as_map()).empty()) return {};
  if (f.omit_zero && !f.pointer && f.shape == Shape::kSingle && is_zero(f, v)) return {};
  return {Presence::kThere, &v};
}

// An item of a list or a value of a map.
View element(const Value& v) {
  return {Presence::kThere, &v};
}

bool empty_struct(const Type& type, View v) {
  if (!v.there()) return true;
  const StructRef s = v.as_struct();
  for (const Field& f : type.fields)
    if (!view(f, s.slot(f)).missing()) return false;
  return true;
}

bool same(const Field& f, bool is_element, View a, View b);

bool same_struct(const Type& type, StructRef a, StructRef b) {
  for (const Field& f : type.fields) {
    const View x = view(f, a.slot(f)), y = view(f, b.slot(f));
    if (!same(f, false, x, y)) return false;
  }
  return true;
}

bool same_scalar(Scalar scalar, const Value& a, const Value& b) {
  switch (scalar) {
    case Scalar::kBool:
    case Scalar::kInt32:
    case Scalar::kInt64:
    case Scalar::kDuration:
      return a.as_int() == b.as_int();
    case Scalar::kDouble:
      return a.as_double() == b.as_double();
    case Scalar::kTime:
      return a.as_time().seconds == b.as_time().seconds;
    case Scalar::kMicroTime:
      return a.as_time().seconds == b.as_time().seconds &&
             a.as_time().nanos / 1000 == b.as_time().nanos / 1000;
    case Scalar::kIntOrString:
      if ((a.tag == Tag::kString) != (b.tag == Tag::kString)) return false;
      return a.tag == Tag::kString ? a.as_text() == b.as_text() : a.as_int() == b.as_int();
    case Scalar::kQuantity: {
      const std::string_view x = a.absent() ? "0" : a.as_text(), y = b.absent() ? "0" : b.as_text();
      return x == y;
    }
    default: {
      const std::string_view x = a.absent() ? std::string_view() : a.as_text();
      return x == (b.absent() ? std::string_view() : b.as_text());
    }
  }
}

bool same(const Field& f, bool is_element, View a, View b) {
  if (a.at != b.at) return false;
  if (!a.there() || a.v == b.v) return true;
  if (!is_element && f.shape == Shape::kList) {
    const ListRef x = a.as_list(), y = b.as_list();
    if (x.size() != y.size()) return false;
    for (std::size_t i = 0; i < x.size(); ++i)
      if (!same(f, true, element(x[i]), element(y[i]))) return false;
    return true;
  }
  if (!is_element && f.shape == Shape::kMap) {
    const MapRef x = a.as_map(), y = b.as_map();
    if (x.size() != y.size()) return false;
    for (auto i = x.begin(), j = y.begin(); i != x.end(); ++i, ++j)
      if (i->key() != j->key() || !same(f, true, element(i->value), element(j->value))) return false;
    return true;
  }
  if (f.scalar == Scalar::kStruct) return same_struct(*f.type, a.as_struct(), b.as_struct());
  return same_scalar(f.scalar, *a.v, *b.v);
}

bool has_merge_strategy(const FieldFacts& facts) {
  return facts.patch_strategy == "merge" || facts.patch_strategy == "merge,retainKeys";
}
// Whether a list is compared item by item, and by which keys (none: a set of values).
bool is_associative(const Field& f) {
  if (f.list_type == ListType::kNone) return has_merge_strategy(*f.facts);
  return f.list_type != ListType::kAtomic;
}
std::vector<std::string_view> item_keys(const Field& f) {
  if (f.list_type == ListType::kMap) return {f.facts->list_map_keys.begin(), f.facts->list_map_keys.end()};
  if (f.list_type == ListType::kNone && !f.facts->merge_key.empty()) return {f.facts->merge_key};
  return {};
}

bool append_scalar(std::string& out, Scalar scalar, const Value& v) {
  switch (scalar) {
    case Scalar::kBool:
      out += v.as_bool() ? "true" : "false";
      return true;
    case Scalar::kInt32:
    case Scalar::kInt64:
      out += fmt::format("{}", v.as_int());
      return true;
    case Scalar::kDouble:
      out += fmt::format("{}", v.as_double());
      return true;
    case Scalar::kIntOrString:
      if (v.tag != Tag::kString) {
        out += fmt::format("{}", v.as_int());
        return true;
      }
      break;
    case Scalar::kQuantity:
      append_go_json_string(out, v.absent() ? "0" : v.as_text());
      return true;
    case Scalar::kString:
      break;
    default:
      return false;
  }
  append_go_json_string(out, v.absent() ? std::string_view() : v.as_text());
  return true;
}

// The path element of one list item. False for an item that has none (no key field set): it is not tracked.
bool item_element(const Field& f, const std::vector<std::string_view>& keys, const Value& item,
                  PathElement& out) {
  out.text.clear();
  if (keys.empty()) {
    out.kind = PathElement::Kind::kValue;
    return f.scalar != Scalar::kStruct && append_scalar(out.text, f.scalar, item);
  }
  out.kind = PathElement::Kind::kKey;
  if (f.scalar != Scalar::kStruct) return false;
  std::vector<std::string_view> sorted = keys;
  std::ranges::sort(sorted);
  const StructRef s(item.as_struct());
  for (std::string_view key : sorted) {
    const Field* field = f.type->find(key);
    if (field == nullptr) continue;
    const View v = view(*field, s.slot(*field));
    if (!v.there() && field->facts->default_json.empty()) continue;
    out.text += out.text.empty() ? '{' : ',';
    append_go_json_string(out.text, key);
    out.text += ':';
    if (!v.there()) {
      out.text += field->facts->default_json;
    } else if (!append_scalar(out.text, field->scalar, *v.v)) {
      return false;
    }
  }
  if (out.text.empty()) return false;
  out.text += '}';
  return true;
}

bool compare_node(FieldDiff& out, const Field& f, bool is_element, View a, View b);

void compare_child(FieldDiff& out, PathElement pe, const Field& f, bool is_element, View a, View b) {
  if (a.missing() && b.missing()) return;
  FieldDiff child;
  const bool differs = compare_node(child, f, is_element, a, b);
  if (a.missing() || !child.added.empty()) out.added.add(pe, a.missing(), std::move(child.added));
  if (b.missing() || !child.removed.empty()) out.removed.add(pe, b.missing(), std::move(child.removed));
  if (differs || !child.modified.empty()) out.modified.add(std::move(pe), differs, std::move(child.modified));
}

void compare_fields(FieldDiff& out, const Type& type, View a, View b) {
  const StructRef x = a.as_struct(), y = b.as_struct();
  for (const Field& f : type.fields) {
    if (f.type_meta) continue;
    const View l = a.there() ? view(f, x.slot(f)) : View{};
    const View r = b.there() ? view(f, y.slot(f)) : View{};
    compare_child(out, PathElement::field(f.name), f, false, l, r);
  }
}

void compare_map(FieldDiff& out, const Field& f, MapRef a, MapRef b) {
  auto i = a.begin(), j = b.begin();
  while (i != a.end() || j != b.end()) {
    const bool left = j == b.end() || (i != a.end() && i->key() <= j->key());
    const bool right = i == a.end() || (j != b.end() && j->key() <= i->key());
    compare_child(out, PathElement::field(left ? i->key() : j->key()), f, true,
                  left ? element(i->value) : View{}, right ? element(j->value) : View{});
    i += left ? 1 : 0;
    j += right ? 1 : 0;
  }
}

struct Items {
  std::vector<const Value*> before, after;
};

void compare_items(FieldDiff& out, const Field& f, const Items& items, PathElement pe) {
  const View first_before = items.before.empty() ? View{} : element(*items.before[0]);
  const View first_after = items.after.empty() ? View{} : element(*items.after[0]);
  const bool many_before = items.before.size() > 1, many_after = items.after.size() > 1;
  if (!many_before && !many_after) {
    compare_child(out, std::move(pe), f, true, first_before, first_after);
  } else if (many_before && many_after) {
    // Duplicates on both sides count as one atomic value.
    bool equal_all = items.before.size() == items.after.size();
    for (std::size_t i = 0; equal_all && i < items.before.size(); ++i)
      equal_all = same(f, true, element(*items.before[i]), element(*items.after[i]));
    if (!equal_all) out.modified.add(std::move(pe), true, {});
  } else if (many_before) {
    if (!first_after.missing()) compare_child(out, pe, f, true, View{}, first_after);
    out.removed.add(std::move(pe), true, {});
  } else {
    if (!first_before.missing()) compare_child(out, pe, f, true, first_before, View{});
    out.added.add(std::move(pe), true, {});
  }
}

void compare_list(FieldDiff& out, const Field& f, ListRef a, ListRef b) {
  const std::vector<std::string_view> keys = item_keys(f);
  const auto less = [](const PathElement& x, const PathElement& y) { return compare(x, y) < 0; };
  std::map<PathElement, Items, decltype(less)> items(less);
  PathElement pe;
  for (const Value& v : a)
    if (item_element(f, keys, v, pe)) items[pe].before.push_back(&v);
  for (const Value& v : b)
    if (item_element(f, keys, v, pe)) items[pe].after.push_back(&v);
  for (const auto& [element, pair] : items) compare_items(out, f, pair, element);
}

// Fills `out` with what differs below this value. True when it is a leaf, on both sides, of different value.
bool compare_node(FieldDiff& out, const Field& f, bool is_element, View a, View b) {
  const auto leaf = [&] { return !a.missing() && !b.missing() && !same(f, is_element, a, b); };
  if (!is_element && f.shape == Shape::kList) {
    if (!is_associative(f) || (a.as_list().empty() && b.as_list().empty())) return leaf();
    compare_list(out, f, a.as_list(), b.as_list());
    return false;
  }
  if (!is_element && f.shape == Shape::kMap) {
    if (f.facts->map_type == "atomic" || (a.as_map().empty() && b.as_map().empty())) return leaf();
    compare_map(out, f, a.as_map(), b.as_map());
    return false;
  }
  if (f.scalar != Scalar::kStruct || f.type->wraps_list) return leaf();
  const bool atomic = f.type->map_type == "atomic" || (!is_element && f.facts->map_type == "atomic");
  if (atomic || (empty_struct(*f.type, a) && empty_struct(*f.type, b))) return leaf();
  compare_fields(out, *f.type, a, b);
  return false;
}

}  // namespace

FieldDiff diff_fields(const Type& type, StructRef before, StructRef after) {
  FieldDiff out;
  for (const Field& f : type.fields) {
    if (f.type_meta) continue;
    compare_child(out, PathElement::field(f.name), f, false, view(f, before.slot(f)), view(f, after.slot(f)));
  }
  return out;
}

}  // namespace keelson::api
