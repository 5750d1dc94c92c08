#include "kvstore/server/etcd/json.h"

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/log.h"
#include "base/wire.h"

namespace keelson::kvstore::etcd {
namespace {

namespace json = boost::json;

constexpr int kDepthMax = 100;

std::string_view type_name(const FieldDesc& f) {
  static constexpr std::string_view kNames[] = {"int64",  "uint64", "uint32", "bool",
                                                "string", "bytes",  "enum",   "message"};
  return kNames[static_cast<std::size_t>(f.kind)];
}

std::unexpected<Error> bad_value(const FieldDesc& f, const json::value& v) {
  return fail(Code::kInvalidArgument, "proto: invalid value for " + std::string(type_name(f)) + " field " +
                                          std::string(f.name) + ": " + json::serialize(v));
}

template <class N>
std::optional<N> parse_number(std::string_view s) {
  N n = 0;
  const auto [end, ec] = std::from_chars(s.data(), s.data() + s.size(), n);
  if (s.empty() || ec != std::errc() || end != s.data() + s.size()) return std::nullopt;
  return n;
}

// Numbers may be text; 1e3 and 5.0 are whole numbers too.
template <class N>
std::optional<N> whole(const json::value& v) {
  if (v.is_string()) return parse_number<N>(v.get_string());
  if (v.is_int64()) {
    if constexpr (std::is_unsigned_v<N>) {
      if (v.get_int64() < 0) return std::nullopt;
    }
    return static_cast<N>(v.get_int64());
  }
  if (v.is_uint64()) {
    if constexpr (std::is_signed_v<N>) return std::nullopt;
    return static_cast<N>(v.get_uint64());
  }
  if (v.is_double()) {
    const double d = v.get_double();
    if (d != std::floor(d) || std::abs(d) > 9007199254740992.0) return std::nullopt;
    if (std::is_unsigned_v<N> && d < 0) return std::nullopt;
    return static_cast<N>(d);
  }
  return std::nullopt;
}

Result<void> encode(const MessageDesc& m, const json::value& v, std::string& out, int depth);

Result<void> encode_value(const FieldDesc& f, const json::value& v, std::string& out, int depth) {
  wire::Writer w(out);
  const bool always = f.repeated || f.oneof;
  switch (f.kind) {
    case FieldKind::kInt64: {
      const auto n = whole<std::int64_t>(v);
      if (!n) return bad_value(f, v);
      if (always || *n != 0) w.sint(f.number, *n);
      return {};
    }
    case FieldKind::kUint64:
    case FieldKind::kUint32: {
      const auto n = whole<std::uint64_t>(v);
      if (!n || (f.kind == FieldKind::kUint32 && *n > 0xffffffff)) return bad_value(f, v);
      if (always || *n != 0) w.uint(f.number, *n);
      return {};
    }
    case FieldKind::kBool:
      if (!v.is_bool()) return bad_value(f, v);
      if (always || v.get_bool()) w.boolean(f.number, v.get_bool());
      return {};
    case FieldKind::kString:
      if (!v.is_string()) return bad_value(f, v);
      if (always || !v.get_string().empty()) w.bytes(f.number, std::string_view(v.get_string()));
      return {};
    case FieldKind::kBytes: {
      if (!v.is_string()) return bad_value(f, v);
      const std::string_view text(v.get_string());
      auto bytes = base64_decode(text);
      if (!bytes) bytes = base64url_decode(text);
      if (!bytes) return bad_value(f, v);
      if (always || !bytes->empty()) w.bytes(f.number, *bytes);
      return {};
    }
    case FieldKind::kEnum: {
      std::optional<std::int64_t> n;
      if (v.is_string()) {
        const std::string_view text(v.get_string());
        for (const auto& [number, name] : f.values->values) {
          if (name == text) n = number;
        }
      } else {
        n = whole<std::int64_t>(v);
      }
      if (!n) return bad_value(f, v);
      if (always || *n != 0) w.sint(f.number, *n);
      return {};
    }
    case FieldKind::kMessage: {
      const auto mark = w.begin(f.number);
      TRY(encode(*f.message, v, out, depth + 1));
      w.end(mark);
      return {};
    }
  }
  return {};
}

Result<void> encode(const MessageDesc& m, const json::value& v, std::string& out, int depth) {
  if (depth > kDepthMax) return fail(Code::kInvalidArgument, "proto: exceeded max recursion depth");
  if (!v.is_object()) {
    return fail(Code::kInvalidArgument, "proto: syntax error: unexpected token " + json::serialize(v));
  }
  for (const auto& [key, value] : v.get_object()) {
    const FieldDesc* f = m.by_name(std::string_view(key));
    if (f == nullptr || value.is_null()) continue;
    if (!f->repeated) {
      TRY(encode_value(*f, value, out, depth));
      continue;
    }
    if (!value.is_array()) return bad_value(*f, value);
    for (const auto& item : value.get_array()) TRY(encode_value(*f, item, out, depth));
  }
  return {};
}

// ---- the way back

struct Item {
  std::pair<std::size_t, std::size_t> order;  // place in the message's fields, and on the wire
  wire::Reader at;                            // as of this field
};

void quote_number(std::string& out, auto n) {
  out.push_back('"');
  out += std::to_string(n);
  out.push_back('"');
}

// The value of `r`'s current field. False: malformed.
bool append_value(const FieldDesc& f, wire::Reader& r, std::string& out, int depth);

bool is_default(const FieldDesc& f, wire::Reader r) {
  if (f.repeated || f.oneof || f.kind == FieldKind::kMessage) return false;
  if (f.kind == FieldKind::kString || f.kind == FieldKind::kBytes) return r.bytes().empty();
  return r.uint() == 0;
}

bool append_message(const MessageDesc& m, std::string_view bytes, std::string& out, int depth) {
  if (depth > kDepthMax) return false;
  std::vector<Item> items;
  wire::Reader r(bytes);
  while (r.next()) {
    const FieldDesc* f = m.by_number(r.field());
    if (f != nullptr) items.push_back({{static_cast<std::size_t>(f - m.fields.data()), items.size()}, r});
  }
  if (!r.ok()) return false;
  std::ranges::sort(items, {}, &Item::order);
  out.push_back('{');
  bool first = true;
  for (std::size_t i = 0; i < items.size();) {
    const FieldDesc& f = m.fields[items[i].order.first];
    std::size_t end = i;
    while (end < items.size() && items[end].order.first == items[i].order.first) ++end;
    if (!f.repeated) i = end - 1;
    if (!is_default(f, items[i].at)) {
      if (!std::exchange(first, false)) out.push_back(',');
      append_json_string(out, f.name);
      out.push_back(':');
      if (f.repeated) out.push_back('[');
      for (std::size_t k = i; k < end; ++k) {
        if (k > i) out.push_back(',');
        if (!append_value(f, items[k].at, out, depth)) return false;
      }
      if (f.repeated) out.push_back(']');
    }
    i = end;
  }
  out.push_back('}');
  return true;
}

bool append_value(const FieldDesc& f, wire::Reader& r, std::string& out, int depth) {
  switch (f.kind) {
    case FieldKind::kInt64:
      quote_number(out, r.sint());
      break;
    case FieldKind::kUint64:
      quote_number(out, r.uint());
      break;
    case FieldKind::kUint32:
      out += std::to_string(r.uint() & 0xffffffff);
      break;
    case FieldKind::kBool:
      out += r.boolean() ? "true" : "false";
      break;
    case FieldKind::kString:
      append_json_string(out, r.bytes());
      break;
    case FieldKind::kBytes:
      out.push_back('"');
      out += base64_encode(r.bytes());
      out.push_back('"');
      break;
    case FieldKind::kEnum: {
      const std::int64_t n = r.sint();
      for (const auto& [number, name] : f.values->values) {
        if (number != n) continue;
        append_json_string(out, name);
        return r.ok();
      }
      out += std::to_string(n);
      break;
    }
    case FieldKind::kMessage:
      return append_message(*f.message, r.bytes(), out, depth + 1) && r.ok();
  }
  return r.ok();
}

}  // namespace

Result<std::string> json_to_wire(const MessageDesc& message, std::string_view text) {
  boost::system::error_code ec;
  const json::value v = json::parse(json::string_view(text.data(), text.size()), ec);
  if (ec) return fail(Code::kInvalidArgument, "proto: syntax error: " + ec.message());
  std::string out;
  TRY(encode(message, v, out, 0));
  return out;
}

bool wire_to_json(const MessageDesc& message, std::string_view bytes, std::string& out) {
  return append_message(message, bytes, out, 0);
}

std::size_t json_value_end(std::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (--depth <= 0) return i + 1;
    } else if (depth == 0 && c != ' ' && c != '\n' && c != '\r' && c != '\t') {
      return i + 1;  // no object: let the parser say so
    }
  }
  return std::string_view::npos;
}

}  // namespace keelson::kvstore::etcd
