#include "api/patch/strategic_patch.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/string.hpp>
#include <set>
#include <vector>

#include "api/patch/json_text.h"
#include "api/patch/merge_patch.h"
#include "api/patch/value_kinds.h"

namespace keelson::api {
namespace {

namespace json = boost::json;

constexpr std::string_view kDirective = "$patch";
constexpr std::string_view kRetainKeys = "$retainKeys";
constexpr std::string_view kSetOrder = "$setElementOrder";
constexpr std::string_view kDeleteFromList = "$deleteFromPrimitiveList";

std::unexpected<Error> internal(std::string message) {
  return fail(Code::kInternal, std::move(message));
}
std::unexpected<Error> bad_format(std::string_view of) {
  return fail(Code::kInvalidArgument, fmt::format("invalid patch format of {}", of));
}

// What the schema says of the value being merged.
struct Cursor {
  const Type* type = nullptr;  // set where `kind` is "struct"
  std::string_view kind;       // Go's kind name
};

struct FieldRule {
  Cursor sub;  // of the value, or of the elements of a list
  bool merge = false;
  bool replace = false;
  std::string_view merge_key;
};

Cursor element_cursor(const Field& f) {
  switch (f.scalar) {
    case Scalar::kStruct:
      return {f.type, "struct"};
    case Scalar::kBool:
      return {nullptr, "bool"};
    case Scalar::kInt32:
      return {nullptr, "int32"};
    case Scalar::kInt64:
      return {nullptr, "int64"};
    case Scalar::kString:
      return {nullptr, "string"};
    case Scalar::kBytes:
      return {nullptr, "slice"};
    default:
      return {nullptr, "struct"};
  }
}

bool has_strategy(std::string_view strategies, std::string_view one) {
  while (!strategies.empty()) {
    const std::size_t comma = strategies.find(',');
    if (strategies.substr(0, comma) == one) return true;
    if (comma == std::string_view::npos) break;
    strategies.remove_prefix(comma + 1);
  }
  return false;
}

Result<FieldRule> lookup(Cursor at, std::string_view name) {
  if (at.type == nullptr && at.kind != "struct")
    return internal(
        fmt::format("merging an object in json but data type is not struct, instead is: {}", at.kind));
  const Field* f = at.type ? at.type->find(name) : nullptr;
  if (f == nullptr)
    return internal(fmt::format("unable to find api field in struct {} for the json field \"{}\"",
                                at.type ? at.type->short_name() : "", name));
  FieldRule rule;
  rule.sub = f->shape == Shape::kMap ? Cursor{nullptr, "map"} : element_cursor(*f);
  rule.merge = has_strategy(f->facts->patch_strategy, "merge");
  rule.replace = has_strategy(f->facts->patch_strategy, "replace");
  rule.merge_key = f->facts->merge_key;
  return rule;
}

std::unexpected<Error> bad_type(std::string_view want, const json::value& got) {
  return internal(fmt::format("expected a {}, but received a {}", want, go_type(got)));
}
std::unexpected<Error> no_merge_key(const json::value& element, std::string_view key) {
  return internal(fmt::format("map: {} does not contain declared merge key: {}", go_format(element), key));
}

bool is_directive(const json::value& v) {
  return v.is_object() && v.get_object().contains(kDirective);
}
bool is_delete(const json::value& v) {
  if (!v.is_object()) return false;
  const json::value* d = v.get_object().if_contains(kDirective);
  return d && d->is_string() && d->get_string() == "delete";
}

// The value that identifies an element: its merge key's, or itself in lists of scalars. Null when it has
// none.
const json::value* identity(const json::value& element, std::string_view merge_key) {
  if (!element.is_object()) return merge_key.empty() ? &element : nullptr;
  return element.get_object().if_contains(merge_key);
}

std::ptrdiff_t index_of(const json::array& list, const json::value& element, std::string_view merge_key) {
  const json::value* want = identity(element, merge_key);
  for (std::size_t i = 0; i < list.size(); ++i) {
    const json::value* have = identity(list[i], merge_key);
    if ((want == nullptr) == (have == nullptr) && (want == nullptr || *want == *have))
      return static_cast<std::ptrdiff_t>(i);
  }
  return -1;
}

Result<std::ptrdiff_t> find_by_key(const json::array& list, std::string_view key, const json::value& value) {
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_object()) return internal(fmt::format("value for key {} is not a map", i));
    const json::value* have = list[i].get_object().if_contains(key);
    if (have && *have == value) return static_cast<std::ptrdiff_t>(i);
  }
  return -1;
}

// The common kind of all elements of both lists. True when they are objects.
Result<bool> elements_are_objects(const json::array& a, const json::array& b) {
  const json::value* first = nullptr;
  for (const json::array* list : {&a, &b}) {
    for (const json::value& v : *list) {
      if (first == nullptr) {
        first = &v;
        if (v.is_array()) return fail(Code::kFailedPrecondition, "lists of lists are not supported");
      } else if (go_type(*first) != go_type(v)) {
        return internal(
            fmt::format("list element types are not identical: [{} {}]", go_format(a), go_format(b)));
      }
    }
  }
  if (first == nullptr) return internal("no elements in any of the given slices");
  return first->is_object();
}

// False when the value itself is a directive and must vanish.
bool remove_directives(json::value& v) {
  if (is_directive(v)) return false;
  if (auto* o = v.if_object()) {
    for (auto it = o->begin(); it != o->end();) {
      if (remove_directives(it->value())) {
        ++it;
      } else {
        it = o->stable_erase(it);
      }
    }
  } else if (auto* a = v.if_array()) {
    for (std::size_t i = 0; i < a->size();) {
      if (remove_directives((*a)[i])) {
        ++i;
      } else {
        a->erase(a->begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
  }
  return true;
}

Result<> require_merge_keys(const json::array& list, std::string_view key) {
  for (const json::value& v : list) {
    if (!v.is_object()) return bad_type("map[string]interface {}", v);
    if (!v.get_object().contains(key)) return no_merge_key(v, key);
  }
  return {};
}

// Sorts `items` by their place in `order`. Upstream's comparison is no order where an item is missing from
// `order`, so the algorithm is part of the behaviour: insertion sort.
Result<> sort_by(json::array& items, const json::array& order, std::string_view merge_key, bool objects) {
  json::array deleted;
  if (objects) {
    TRY(require_merge_keys(items, merge_key));
    TRY(require_merge_keys(order, merge_key));
    json::array kept;
    for (json::value& v : items) (is_delete(v) ? deleted : kept).push_back(std::move(v));
    items = std::move(kept);
  }
  const auto before = [&](const json::value& a, const json::value& b) {
    const std::ptrdiff_t ia = index_of(order, a, merge_key);
    const std::ptrdiff_t ib = ia < 0 ? -1 : index_of(order, b, merge_key);
    return ia < 0 || ib < 0 || ia < ib;
  };
  for (std::size_t i = 1; i < items.size(); ++i)
    for (std::size_t j = i; j > 0 && before(items[j], items[j - 1]); --j) std::swap(items[j], items[j - 1]);
  for (json::value& v : deleted) items.push_back(std::move(v));
  return {};
}

// Orders `from_patch` by `patch_order` and `server_only` by `server_order`, then interleaves them: a
// server-only item stands before a patched one where the live list had it so.
Result<json::array> merge_orders(json::array from_patch, json::array server_only,
                                 const json::array& patch_order, const json::array& server_order,
                                 std::string_view merge_key, bool objects) {
  TRY(sort_by(from_patch, patch_order, merge_key, objects));
  TRY(sort_by(server_only, server_order, merge_key, objects));
  json::array out;
  std::size_t i = 0, j = 0;
  while (i < server_only.size() || j < from_patch.size()) {
    bool take_server = j >= from_patch.size();
    if (!take_server && i < server_only.size()) {
      const std::ptrdiff_t si = index_of(server_order, server_only[i], merge_key);
      const std::ptrdiff_t pi = index_of(server_order, from_patch[j], merge_key);
      take_server = si >= 0 && pi >= 0 && si < pi;
    }
    out.push_back(std::move(take_server ? server_only[i++] : from_patch[j++]));
  }
  return out;
}

struct Partition {
  json::array in, out;
};
Result<Partition> partition(json::array items, const json::array& by, std::string_view merge_key) {
  Partition p;
  for (json::value& v : items) {
    bool found = false;
    if (merge_key.empty()) {
      found = std::ranges::find(by, v) != by.end();
    } else {
      if (!v.is_object()) return bad_type("map[string]interface {}", v);
      const json::value* id = v.get_object().if_contains(merge_key);
      if (id == nullptr) return no_merge_key(v, merge_key);
      found = TRY(find_by_key(by, merge_key, *id)) >= 0;
    }
    (found ? p.in : p.out).push_back(std::move(v));
  }
  return p;
}

Result<json::object> merge_map(json::object original, json::object patch, Cursor at);

Result<json::array> merge_list(json::array original, json::array patch, const FieldRule& rule,
                               bool deleting) {
  const std::string_view key = rule.merge_key;
  if (original.empty() && patch.empty()) return original;
  const bool objects = TRY(elements_are_objects(original, patch));
  json::array merged;
  if (!objects) {
    if (deleting) {
      json::array kept;
      for (json::value& v : original)
        if (std::ranges::find(patch, v) == patch.end()) kept.push_back(std::move(v));
      return kept;
    }
    for (const json::array* list : {&original, &patch})
      for (const json::value& v : *list)
        if (std::ranges::find(merged, v) == merged.end()) merged.push_back(v);
  } else {
    if (key.empty())
      return internal(fmt::format("cannot merge lists without merge key for {}", rule.sub.kind));
    json::array plain;
    bool replace = false;
    for (json::value& v : patch) {
      const json::value* directive = v.get_object().if_contains(kDirective);
      if (directive == nullptr) {
        plain.push_back(std::move(v));
      } else if (*directive == json::value("delete")) {
        const json::value* id = v.get_object().if_contains(key);
        if (id == nullptr) return no_merge_key(v, key);
        for (std::ptrdiff_t i; (i = TRY(find_by_key(original, key, *id))) >= 0;)
          original.erase(original.begin() + i);
      } else if (*directive == json::value("replace")) {
        replace = true;
      } else if (*directive == json::value("merge")) {
        return internal("merging lists cannot yet be specified in the patch");
      } else {
        return internal(
            fmt::format("unknown patch type: {} in map: {}", go_format(*directive), go_format(v)));
      }
    }
    patch = json::array();
    if (replace) {
      original = std::move(plain);
    } else {
      patch = std::move(plain);
    }
    merged = original;
    for (const json::value& v : patch) {
      const json::value* id = v.get_object().if_contains(key);
      if (id == nullptr) return no_merge_key(v, key);
      const std::ptrdiff_t i = TRY(find_by_key(merged, key, *id));
      if (i < 0) {
        merged.push_back(v);
      } else {
        json::value& slot = merged[static_cast<std::size_t>(i)];
        slot = TRY(merge_map(std::move(slot.get_object()), v.get_object(), rule.sub));
      }
    }
  }
  Partition p = TRY(partition(std::move(merged), patch, key));
  return merge_orders(std::move(p.in), std::move(p.out), patch, original, key, objects);
}

Result<json::array> merge_list_field(json::array original, json::array patch, const FieldRule& rule,
                                     bool deleting) {
  if (rule.merge || deleting) return merge_list(std::move(original), std::move(patch), rule, deleting);
  return patch;
}

Result<> apply_retain_keys(json::object& original, json::object& patch) {
  auto it = patch.find(kRetainKeys);
  if (it == patch.end()) return {};
  const json::value directive = std::move(it->value());
  patch.stable_erase(it);
  if (!directive.is_array()) return bad_format("retainKeys");
  std::set<std::string_view> retained;
  for (const json::value& v : directive.get_array())
    if (v.is_string()) retained.insert(std::string_view(v.get_string()));
  for (const auto& m : patch) {
    const std::string_view k = m.key();
    if (m.value().is_null() || k.starts_with(kDeleteFromList) || k.starts_with(kSetOrder)) continue;
    if (!retained.contains(k)) return bad_format("retainKeys");
  }
  for (auto o = original.begin(); o != original.end();) {
    if (retained.contains(std::string_view(o->key()))) {
      ++o;
    } else {
      o = original.stable_erase(o);
    }
  }
  return {};
}

// The patched elements must be a subsequence of the order list; deletions do not count.
Result<> check_order(const json::array& patch, const json::array& order, std::string_view merge_key) {
  if (order.empty() || patch.empty()) return {};
  std::vector<const json::value*> items;
  for (const json::value& v : patch) {
    if (!merge_key.empty() && !v.is_object()) return bad_type("map[string]interface {}", v);
    if (merge_key.empty() || !is_delete(v)) items.push_back(&v);
  }
  std::size_t i = 0, j = 0;
  while (i < items.size() && j < order.size()) {
    if (is_directive(*items[i])) {
      ++i;
      continue;
    }
    if (merge_key.empty()) {
      if (*items[i] == order[j]) ++i;
    } else {
      if (!order[j].is_object()) return bad_type("map[string]interface {}", order[j]);
      const json::value* a = items[i]->get_object().if_contains(merge_key);
      if (a == nullptr) return no_merge_key(*items[i], merge_key);
      const json::value* b = order[j].get_object().if_contains(merge_key);
      if (b == nullptr) return no_merge_key(order[j], merge_key);
      if (*a == *b) ++i;
    }
    ++j;
  }
  if (i < items.size() && j >= order.size())
    return internal(fmt::format("The order in patch list:\n{}\n doesn't match $setElementOrder list:\n{}\n",
                                go_format(patch), go_format(order)));
  return {};
}

// One `$setElementOrder/F` with the list F of the patch, if it is there too.
Result<> apply_order(json::object& original, json::object& patch, std::string_view directive,
                     const json::value& order, Cursor at) {
  if (!order.is_array()) return bad_type("[]interface {}", order);
  const std::size_t slash = directive.find('/');
  if (slash == std::string_view::npos || directive.substr(0, slash) != kSetOrder)
    return bad_format("setElementOrder list");
  const std::string_view name = directive.substr(slash + 1);
  json::value* live = original.if_contains(name);
  json::value* change = patch.if_contains(name);
  if (live && !live->is_array()) return bad_type("[]interface {}", *live);
  if (change && !change->is_array()) return bad_type("[]interface {}", *change);
  const FieldRule rule = TRY(lookup(at, name));
  const json::array none;
  const json::array server_order = live ? live->get_array() : none;
  const json::array patch_list = change ? change->get_array() : none;
  TRY(check_order(patch_list, order.get_array(), rule.merge_key));
  json::array merged;
  if (live && change) {
    merged = TRY(merge_list_field(live->get_array(), change->get_array(), rule, false));
  } else if (live) {
    merged = live->get_array();
  } else if (change) {
    remove_directives(*change);
    merged = change->get_array();
  } else {
    return {};
  }
  const bool objects = TRY(elements_are_objects(server_order, patch_list));
  Partition p = TRY(partition(std::move(merged), order.get_array(), rule.merge_key));
  original[name] = TRY(merge_orders(std::move(p.in), std::move(p.out), order.get_array(), server_order,
                                    rule.merge_key, objects));
  if (change) patch.erase(name);
  return {};
}

Result<> apply_orders(json::object& original, json::object& patch, Cursor at) {
  std::vector<std::string> directives;
  for (const auto& m : patch)
    if (std::string_view(m.key()).starts_with(kSetOrder)) directives.emplace_back(m.key());
  for (const std::string& d : directives) {
    auto it = patch.find(d);
    const json::value order = std::move(it->value());
    patch.stable_erase(it);
    TRY(apply_order(original, patch, d, order, at));
  }
  return {};
}

void put_new(json::object& original, std::string_view name, json::value v) {
  prune_nulls(v);
  if (remove_directives(v)) {
    original[name] = std::move(v);
  } else {
    original.erase(name);
  }
}

Result<> merge_member(json::object& original, std::string_view name, json::value v, bool deleting,
                      Cursor at) {
  if (v.is_null()) {
    if (auto it = original.find(name); it != original.end()) original.stable_erase(it);
    return {};
  }
  json::value* old = original.if_contains(name);
  if (old == nullptr || go_type(*old) != go_type(v) || !v.is_structured()) {
    if (!deleting) put_new(original, name, std::move(v));
    return {};
  }
  const FieldRule rule = TRY(lookup(at, name));
  if (v.is_array()) {
    json::value merged =
        TRY(merge_list_field(std::move(old->get_array()), std::move(v.get_array()), rule, deleting));
    *old = std::move(merged);
  } else if (rule.replace) {
    *old = std::move(v);
  } else {
    json::value merged = TRY(merge_map(std::move(old->get_object()), std::move(v.get_object()), rule.sub));
    *old = std::move(merged);
  }
  return {};
}

Result<json::object> merge_map(json::object original, json::object patch, Cursor at) {
  if (const json::value* directive = patch.if_contains(kDirective)) {
    if (*directive == json::value("delete")) return json::object();
    if (*directive != json::value("replace"))
      return internal(
          fmt::format("unknown patch type: {} in map: {}", go_format(*directive), go_format(patch)));
    patch.stable_erase(patch.find(kDirective));
    return patch;
  }
  TRY(apply_retain_keys(original, patch));
  TRY(apply_orders(original, patch, at));
  for (auto& m : patch) {
    std::string_view name = m.key();
    const bool deleting = name.starts_with(kDeleteFromList);
    if (deleting) {
      const std::size_t slash = name.find('/');
      if (slash != kDeleteFromList.size()) return bad_format("primitive list");
      name.remove_prefix(slash + 1);
    }
    if (auto r = merge_member(original, name, std::move(m.value()), deleting, at); !r)
      return fail(std::move(r.error()));
  }
  return original;
}

}  // namespace

Result<> apply_strategic_patch(json::object& original, json::object patch, const Type& type) {
  original = TRY(merge_map(std::move(original), std::move(patch), Cursor{&type, "struct"}));
  return {};
}

}  // namespace keelson::api
