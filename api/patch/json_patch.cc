#include "api/patch/json_patch.h"

#include <fmt/format.h>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/string.hpp>
#include <charconv>
#include <optional>
#include <set>

#include "api/patch/json_text.h"

namespace keelson::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kOperationsMax = 10000;
constexpr std::size_t kCopiedBytesMax = 3 << 20;

std::unexpected<Error> not_applicable(std::string message) {
  return fail(Code::kFailedPrecondition, std::move(message));
}

std::string unescape(std::string_view token) {
  std::string out;
  for (std::size_t i = 0; i < token.size(); ++i) {
    if (token[i] == '~' && i + 1 < token.size() && (token[i + 1] == '0' || token[i + 1] == '1')) {
      out += token[++i] == '1' ? '/' : '~';
    } else {
      out += token[i];
    }
  }
  return out;
}

// The existing element that `key` names, or nothing.
std::optional<std::size_t> element(std::string_view key, std::size_t size) {
  if (key.starts_with('+')) key.remove_prefix(1);
  std::int64_t i = 0;
  auto [end, ec] = std::from_chars(key.data(), key.data() + key.size(), i);
  if (key.empty() || ec != std::errc() || end != key.data() + key.size()) return std::nullopt;
  const auto n = static_cast<std::int64_t>(size);
  if (i < 0) i += n;
  if (i < 0 || i >= n) return std::nullopt;
  return static_cast<std::size_t>(i);
}

// Where an operation works: an object or array, and a member's name or an index in it.
struct Place {
  json::value* container;
  std::string key;

  // Null when an object has no such member.
  Result<json::value*> get() const {
    if (auto* o = container->if_object()) return o->if_contains(key);
    json::array& a = container->get_array();
    auto i = element(key, a.size());
    if (!i) return not_applicable("no such array index: " + key);
    return &a[*i];
  }
  Result<> add(json::value v) const {
    if (auto* o = container->if_object()) {
      (*o)[key] = std::move(v);
      return {};
    }
    json::array& a = container->get_array();
    if (key == "-") {
      a.push_back(std::move(v));
      return {};
    }
    auto i = element(key, a.size() + 1);
    if (!i) return not_applicable("no such array index: " + key);
    a.insert(a.begin() + static_cast<std::ptrdiff_t>(*i), std::move(v));
    return {};
  }
  Result<> remove() const {
    if (auto* o = container->if_object()) {
      auto it = o->find(key);
      if (it == o->end()) return not_applicable("no such member: " + key);
      o->stable_erase(it);
      return {};
    }
    json::array& a = container->get_array();
    auto i = element(key, a.size());
    if (!i) return not_applicable("no such array index: " + key);
    a.erase(a.begin() + static_cast<std::ptrdiff_t>(*i));
    return {};
  }
};

Result<Place> find(json::value& doc, std::string_view path) {
  const std::size_t first = path.find('/');
  if (first == std::string_view::npos)
    return not_applicable(fmt::format("doc is missing path: \"{}\"", path));
  std::string_view rest = path.substr(first + 1);
  json::value* at = &doc;
  for (std::size_t slash; (slash = rest.find('/')) != std::string_view::npos; rest.remove_prefix(slash + 1)) {
    if (!at->is_structured()) break;
    json::value* next = TRY((Place{at, unescape(rest.substr(0, slash))}.get()));
    if (next == nullptr) return not_applicable(fmt::format("doc is missing path: \"{}\"", path));
    at = next;
  }
  if (!at->is_structured()) return not_applicable(fmt::format("doc is missing path: \"{}\"", path));
  return Place{at, unescape(rest)};
}

Result<std::string_view> text_of(const json::object& op, std::string_view member) {
  const json::value* v = op.if_contains(member);
  if (v == nullptr || !v->is_string())
    return not_applicable(fmt::format("operation missing {} field", member));
  return std::string_view(v->get_string());
}

Result<> replace(json::value& doc, std::string_view path, const json::value* value) {
  if (path.empty()) {
    if (value == nullptr || !value->is_structured())
      return not_applicable("replace operation value must be object or array");
    doc = *value;
    return {};
  }
  const Place p = TRY(find(doc, path));
  json::value* old = TRY(p.get());
  json::value v = value ? *value : json::value(nullptr);
  if (old == nullptr) return p.add(std::move(v));
  *old = std::move(v);
  return {};
}

Result<> test(json::value& doc, std::string_view path, const json::value* value) {
  const json::value null(nullptr);
  const json::value& want = value ? *value : null;
  const json::value* have = &doc;
  if (!path.empty()) {
    const Place p = TRY(find(doc, path));
    have = TRY(p.get());
  }
  if (have == nullptr ? !want.is_null() : *have != want)
    return not_applicable(fmt::format("testing value {} failed", path));
  return {};
}

Result<> apply_one(const json::object& op, json::value& doc, std::size_t& copied) {
  const json::value* name = op.if_contains("op");
  const std::string_view kind = name && name->is_string() ? std::string_view(name->get_string()) : "unknown";
  const json::value* value = op.if_contains("value");
  if (kind == "add") {
    const Place p = TRY(find(doc, TRY(text_of(op, "path"))));
    return p.add(value ? *value : json::value(nullptr));
  }
  if (kind == "remove") return TRY(find(doc, TRY(text_of(op, "path")))).remove();
  if (kind == "replace") return replace(doc, TRY(text_of(op, "path")), value);
  if (kind == "test") return test(doc, TRY(text_of(op, "path")), value);
  if (kind != "move" && kind != "copy") return not_applicable(fmt::format("Unexpected kind: {}", kind));

  const Place from = TRY(find(doc, TRY(text_of(op, "from"))));
  json::value* source = TRY(from.get());
  json::value moved = source ? *source : json::value(nullptr);
  if (kind == "move") {
    TRY(from.remove());
  } else if ((copied += json::serialize(moved).size()) > kCopiedBytesMax) {
    return not_applicable("the copies of this patch are too large");
  }
  return TRY(find(doc, TRY(text_of(op, "path")))).add(std::move(moved));
}

// What Go says when one operation does not fit its struct; empty when it does.
std::string type_error(const json::value& op) {
  if (op.is_null()) return "";
  if (!op.is_object())
    return fmt::format("json: cannot unmarshal {} into Go value of type handlers.jsonPatchOp",
                       json_kind_name(op));
  for (std::string_view member : {"op", "path", "from"}) {
    const json::value* v = op.get_object().if_contains(member);
    if (v && !v->is_string() && !v->is_null())
      return fmt::format("json: cannot unmarshal {} into Go struct field jsonPatchOp.{} of type string",
                         json_kind_name(*v), member);
  }
  return "";
}

}  // namespace

Result<JsonPatch> read_json_patch(std::string_view text, bool checked) {
  const std::string_view prefix = checked ? "error decoding patch: " : "";
  auto parsed = read_json_text(text);
  if (!parsed) return fail(Code::kInvalidArgument, fmt::format("{}{}", prefix, parsed.error().message));
  if (parsed->value.is_null()) parsed->value.emplace_array();
  if (!parsed->value.is_array())
    return fail(Code::kInvalidArgument, fmt::format("{}json: cannot unmarshal {} into Go value of type {}",
                                                    prefix, json_kind_name(parsed->value),
                                                    checked ? "[]handlers.jsonPatchOp" : "jsonpatch.Patch"));
  JsonPatch out;
  const json::array& ops = parsed->value.get_array();
  if (checked) {
    for (const json::value& op : ops)
      if (std::string e = type_error(op); !e.empty())
        return fail(Code::kInvalidArgument, fmt::format("{}{}", prefix, e));
    for (std::size_t i = 0; i < ops.size(); ++i) {
      if (!ops[i].is_object()) continue;
      for (const auto& m : ops[i].get_object())
        if (m.key() != "op" && m.key() != "path" && m.key() != "from" && m.key() != "value")
          out.strict_errors.push_back(
              fmt::format("json patch unknown field \"[{}].{}\"", i, std::string_view(m.key())));
    }
    for (const std::string& d : parsed->duplicates)
      out.strict_errors.push_back(fmt::format("json patch duplicate field \"{}\"", d));
  }
  if (ops.size() > kOperationsMax)
    return fail(Code::kResourceExhausted,
                fmt::format("The allowed maximum operations in a JSON patch is {}, got {}", kOperationsMax,
                            ops.size()));
  out.ops = std::move(parsed->value);
  return out;
}

Result<> apply_json_patch(const json::value& ops, json::value& doc) {
  std::size_t copied = 0;
  for (const json::value& op : ops.as_array()) {
    if (!op.is_object()) return not_applicable("Unexpected kind: unknown");
    if (auto r = apply_one(op.get_object(), doc, copied); !r) return r;
  }
  return {};
}

}  // namespace keelson::api
