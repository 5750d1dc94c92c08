// Codec templates of the generated plain structs; included by plain.cc only.
#pragma once

#include <charconv>

#include "api/json.h"
#include "api/quantity.h"
#include "api/schema.h"
#include "base/base64.h"
#include "base/wire.h"
#include "bench/plain_structs/support.h"

namespace keelson::bench::plain {

class Back {
 public:
  explicit Back(std::size_t room) : buffer_(room, '\0'), at_(room) {}
  std::size_t written() const { return buffer_.size() - at_; }
  std::string_view view() const { return std::string_view(buffer_).substr(at_); }
  void bytes(std::string_view t) {
    reserve(t.size());
    at_ -= t.size();
    if (!t.empty()) std::memcpy(buffer_.data() + at_, t.data(), t.size());
  }
  void varint(std::uint64_t v) {
    reserve(10);
    at_ -= wire::varint_size(v);
    char* p = buffer_.data() + at_;
    for (; v >= 0x80; v >>= 7) *p++ = static_cast<char>(v | 0x80);
    *p = static_cast<char>(v);
  }
  void tag(std::uint32_t n, wire::Type t) { varint(std::uint64_t{n} << 3 | static_cast<std::uint64_t>(t)); }
  void close(std::uint32_t n, std::size_t before) {
    varint(written() - before);
    tag(n, wire::Type::kBytes);
  }
  void text(std::uint32_t n, std::string_view t) {
    bytes(t);
    varint(t.size());
    tag(n, wire::Type::kBytes);
  }
  void number(std::uint32_t n, std::int64_t v) {
    varint(static_cast<std::uint64_t>(v));
    tag(n, wire::Type::kVarint);
  }

 private:
  void reserve(std::size_t n) {
    if (n <= at_) return;
    const std::size_t grown = buffer_.size() * 2 + n;
    std::string larger(grown, '\0');
    const std::string_view old = view();
    std::memcpy(larger.data() + grown - old.size(), old.data(), old.size());
    at_ = grown - old.size();
    buffer_.swap(larger);
  }
  std::string buffer_;
  std::size_t at_;
};

// ---- JSON in ----
inline bool read(Scanner& s, Arena& a, std::string& o) {
  std::string_view t;
  if (!s.string(t, a)) return false;
  o = t;
  return true;
}
inline bool read(Scanner& s, Arena&, bool& o) {
  o = s.peek() == 't';
  return s.literal(o ? "true" : "false");
}
template <class T>
  requires std::is_arithmetic_v<T>
bool read(Scanner& s, Arena&, T& o) {
  std::string_view t;
  bool whole;
  return s.number(t, whole) && std::from_chars(t.data(), t.data() + t.size(), o).ec == std::errc();
}
inline bool read(Scanner& s, Arena& a, Blob& o) {
  std::string_view t;
  if (!s.string(t, a)) return false;
  auto d = base64_decode(t);
  if (!d) return false;
  o.text = std::move(*d);
  return true;
}
inline bool read(Scanner& s, Arena&, RawText& o) {
  const char* start = s.position();
  if (!s.skip_value()) return false;
  o.text.assign(start, s.position());
  return true;
}
inline bool read(Scanner& s, Arena& a, Amount& o) {
  std::string_view t;
  if (!s.string(t, a)) return false;
  auto q = api::Quantity::normalize(t);
  if (!q) return false;
  o.text = std::move(*q);
  return true;
}
template <bool m>
bool read(Scanner& s, Arena& a, When<m>& o) {
  if (s.peek() == 'n') return s.literal("null");
  std::string_view t;
  if (!s.string(t, a)) return false;
  auto x = api::parse_time(t);
  if (!x) return false;
  o.time = *x;
  return true;
}
inline bool read(Scanner& s, Arena& a, NumberOrText& o) {
  o.is_text = s.peek() == '"';
  return o.is_text ? read(s, a, o.text) : read(s, a, o.number);
}
template <class T>
  requires requires(Scanner& s, Arena& a, T& o) { decode_json(s, a, o); }
bool read(Scanner& s, Arena& a, T& o) {
  return decode_json(s, a, o);
}
template <class T>
bool read(Scanner& s, Arena& a, std::unique_ptr<T>& o) {
  if (s.peek() == 'n') return s.literal("null");
  o = std::make_unique<T>();
  return read(s, a, *o);
}
template <class T>
bool read(Scanner& s, Arena& a, std::optional<std::vector<T>>& o);
template <class T>
bool read(Scanner& s, Arena& a, std::optional<std::map<std::string, T, std::less<>>>& o);
template <class T>
bool read(Scanner& s, Arena& a, std::optional<T>& o) {
  if (s.peek() == 'n') return s.literal("null");
  return read(s, a, o.emplace());
}
template <class T>
bool read(Scanner& s, Arena& a, std::optional<std::vector<T>>& o) {
  if (s.peek() == 'n') return s.literal("null");
  auto& v = o.emplace();
  if (!s.expect('[')) return false;
  s.space();
  if (s.peek() == ']') return s.advance(), true;
  for (;;) {
    s.space();
    if (!read(s, a, v.emplace_back())) return false;
    s.space();
    const char c = s.peek();
    if (c != ',' && c != ']') return false;
    s.advance();
    if (c == ']') return true;
  }
}
template <class T>
bool read(Scanner& s, Arena& a, std::optional<std::map<std::string, T, std::less<>>>& o) {
  if (s.peek() == 'n') return s.literal("null");
  auto& m = o.emplace();
  if (!s.expect('{')) return false;
  s.space();
  if (s.peek() == '}') return s.advance(), true;
  for (;;) {
    s.space();
    std::string_view k;
    if (!s.string(k, a) || !s.expect(':')) return false;
    s.space();
    if (!read(s, a, m[std::string(k)])) return false;
    s.space();
    const char c = s.peek();
    if (c != ',' && c != '}') return false;
    s.advance();
    if (c == '}') return true;
  }
}
template <class F>
bool object(Scanner& s, Arena& a, const api::Type& type, F&& field_at) {
  if (!s.expect('{')) return false;
  std::size_t next = 0;
  s.space();
  if (s.peek() == '}') return s.advance(), true;
  for (;;) {
    std::string_view name;
    if (!s.string(name, a) || !s.expect(':')) return false;
    s.space();
    const api::Field* f =
        next < type.fields.size() && type.fields[next].name == name ? &type.fields[next] : type.find(name);
    if (f == nullptr ? !s.skip_value() : !field_at(f->index)) return false;
    if (f != nullptr) next = f->index + 1u;
    s.space();
    const char c = s.peek();
    if (c == '}') return s.advance(), true;
    if (c != ',') return false;
    s.advance();
    s.space();
  }
}

// ---- zero ----
inline bool is_zero(const std::string& o) {
  return o.empty();
}
template <class T>
  requires std::is_arithmetic_v<T>
bool is_zero(const T& o) {
  return o == T{};
}
inline bool is_zero(const Blob& o) {
  return o.text.empty();
}
inline bool is_zero(const RawText& o) {
  return o.text.empty();
}
inline bool is_zero(const Amount& o) {
  return o.text.empty();
}
inline bool is_zero(const NumberOrText& o) {
  return !o.is_text && o.number == 0;
}
template <bool m>
bool is_zero(const When<m>& o) {
  return o.time.is_zero();
}
template <class T>
bool is_zero(const std::optional<T>& o) {
  return !o;
}
template <class T>
bool is_zero(const std::unique_ptr<T>& o) {
  return !o;
}
template <class T>
bool left_out(const T& o) {
  return is_zero(o);
}
template <class T>
bool left_out(const std::optional<std::vector<T>>& o) {
  return !o || o->empty();
}
template <class T>
bool left_out(const std::optional<std::map<std::string, T, std::less<>>>& o) {
  return !o || o->empty();
}

// ---- JSON out ----
inline void write(std::string& out, const std::string& o) {
  api::append_json_string(out, o);
}
inline void write(std::string& out, bool o) {
  out.append(o ? "true" : "false");
}
template <class T>
  requires(std::is_arithmetic_v<T> && !std::is_same_v<T, bool>)
void write(std::string& out, T o) {
  char b[32];
  out.append(b, std::to_chars(b, b + sizeof b, o).ptr);
}
inline void write(std::string& out, const Blob& o) {
  out += '"' + base64_encode(o.text) + '"';
}
inline void write(std::string& out, const RawText& o) {
  o.text.empty() ? void(out.append("null")) : api::append_compact_json(out, o.text);
}
inline void write(std::string& out, const Amount& o) {
  api::append_json_string(out, o.text.empty() ? "0" : o.text);
}
inline void write(std::string& out, const NumberOrText& o) {
  o.is_text ? write(out, o.text) : write(out, o.number);
}
template <bool m>
void write(std::string& out, const When<m>& o) {
  if (o.time.is_zero())
    out.append("null");
  else
    out.append("\"").append(m ? api::format_micro_time(o.time) : api::format_time(o.time)).append("\"");
}
template <class T>
  requires requires(std::string& out, const T& o) { encode_json(out, o); }
void write(std::string& out, const T& o) {
  encode_json(out, o);
}
template <class T>
void write(std::string& out, const std::unique_ptr<T>& o) {
  if (o)
    write(out, *o);
  else
    out.append("null");
}
template <class T>
void write(std::string& out, const std::optional<std::vector<T>>& o);
template <class T>
void write(std::string& out, const std::optional<std::map<std::string, T, std::less<>>>& o);
template <class T>
void write(std::string& out, const std::optional<T>& o) {
  if (o)
    write(out, *o);
  else
    out.append("null");
}
template <class T>
void write(std::string& out, const std::optional<std::vector<T>>& o) {
  if (!o) return void(out.append("null"));
  out += '[';
  for (const T& x : *o) write(out, x), out += ',';
  if (out.back() == ',')
    out.back() = ']';
  else
    out += ']';
}
template <class T>
void write(std::string& out, const std::optional<std::map<std::string, T, std::less<>>>& o) {
  if (!o) return void(out.append("null"));
  out += '{';
  for (const auto& [k, x] : *o) write(out, k), out += ':', write(out, x), out += ',';
  if (out.back() == ',')
    out.back() = '}';
  else
    out += '}';
}

// ---- protobuf in ----
inline bool take(wire::Reader& r, std::string& o) {
  return o = r.bytes(), r.ok();
}
template <class T>
  requires std::is_arithmetic_v<T>
bool take(wire::Reader& r, T& o) {
  if constexpr (std::is_same_v<T, double>)
    o = r.real();
  else
    o = static_cast<T>(r.uint());
  return r.ok();
}
inline bool take(wire::Reader& r, Blob& o) {
  return take(r, o.text);
}
inline bool take_text(wire::Reader& outer, std::string& o) {
  wire::Reader r(outer.bytes());
  while (r.next())
    if (r.field() == 1) o = r.bytes();
  return outer.ok() && r.ok();
}
inline bool take(wire::Reader& r, RawText& o) {
  return take_text(r, o.text);
}
inline bool take(wire::Reader& r, Amount& o) {
  if (!take_text(r, o.text)) return false;
  auto q = api::Quantity::normalize(o.text.empty() ? "0" : std::string_view(o.text));
  if (!q) return false;
  o.text = std::move(*q);
  return true;
}
template <bool m>
bool take(wire::Reader& outer, When<m>& o) {
  const std::string_view bytes = outer.bytes();
  wire::Reader r(bytes);
  if (!bytes.empty()) o.time.seconds = 0;
  while (r.next()) {
    if (r.field() == 1)
      o.time.seconds = r.sint();
    else if (r.field() == 2)
      o.time.nanos = static_cast<std::int32_t>(r.sint());
  }
  return outer.ok() && r.ok();
}
inline bool take(wire::Reader& outer, NumberOrText& o) {
  wire::Reader r(outer.bytes());
  while (r.next()) {
    if (r.field() == 1)
      o.is_text = r.uint() == 1;
    else if (r.field() == 2)
      o.number = static_cast<std::int32_t>(r.uint());
    else if (r.field() == 3)
      o.text = r.bytes();
  }
  return outer.ok() && r.ok();
}
template <class T>
  requires requires(std::string_view b, T& o) { decode_pb(b, o); }
bool take(wire::Reader& r, T& o) {
  return decode_pb(r.bytes(), o) && r.ok();
}
template <class T>
bool take(wire::Reader& r, std::unique_ptr<T>& o) {
  if (!o) o = std::make_unique<T>();
  return take(r, *o);
}
template <class T>
bool take(wire::Reader& r, std::optional<std::vector<T>>& o);
template <class T>
bool take(wire::Reader& r, std::optional<std::map<std::string, T, std::less<>>>& o);
template <class T>
bool take(wire::Reader& r, std::optional<T>& o) {
  return take(r, o.emplace());
}
template <class T>
bool take(wire::Reader& r, std::optional<std::vector<T>>& o) {
  if (!o) o.emplace();
  return take(r, o->emplace_back());
}
template <class T>
bool take(wire::Reader& outer, std::optional<std::map<std::string, T, std::less<>>>& o) {
  if (!o) o.emplace();
  wire::Reader r(outer.bytes());
  std::string k;
  T v{};
  while (r.next()) {
    if (r.field() == 1)
      k = r.bytes();
    else if (r.field() == 2 && !take(r, v))
      return false;
  }
  o->insert_or_assign(std::move(k), std::move(v));
  return outer.ok() && r.ok();
}

// ---- protobuf out, back to front ----
inline void put(Back& w, std::uint32_t n, const std::string& o) {
  w.text(n, o);
}
template <class T>
  requires std::is_arithmetic_v<T>
void put(Back& w, std::uint32_t n, const T& o) {
  w.number(n, static_cast<std::int64_t>(o));
}
inline void put(Back& w, std::uint32_t n, const Blob& o) {
  w.text(n, o.text);
}
inline void put_text(Back& w, std::uint32_t n, std::string_view t) {
  const std::size_t before = w.written();
  w.text(1, t);
  w.close(n, before);
}
inline void put(Back& w, std::uint32_t n, const RawText& o) {
  put_text(w, n, o.text);
}
inline void put(Back& w, std::uint32_t n, const Amount& o) {
  put_text(w, n, o.text.empty() ? "0" : std::string_view(o.text));
}
template <bool m>
void put(Back& w, std::uint32_t n, const When<m>& o) {
  const std::size_t before = w.written();
  if (!o.time.is_zero()) {
    w.number(2, m ? o.time.nanos : 0);
    w.number(1, o.time.seconds);
  }
  w.close(n, before);
}
inline void put(Back& w, std::uint32_t n, const NumberOrText& o) {
  const std::size_t before = w.written();
  w.text(3, o.text);
  w.number(2, o.number);
  w.number(1, o.is_text ? 1 : 0);
  w.close(n, before);
}
template <class T>
  requires requires(Back& w, const T& o) { encode_pb(w, o); }
void put(Back& w, std::uint32_t n, const T& o) {
  const std::size_t before = w.written();
  encode_pb(w, o);
  w.close(n, before);
}
template <class T>
void put(Back& w, std::uint32_t n, const std::unique_ptr<T>& o) {
  if (o) put(w, n, *o);
}
template <class T>
void put(Back& w, std::uint32_t n, const std::optional<std::vector<T>>& o);
template <class T>
void put(Back& w, std::uint32_t n, const std::optional<std::map<std::string, T, std::less<>>>& o);
template <class T>
void put(Back& w, std::uint32_t n, const std::optional<T>& o) {
  if (o) put(w, n, *o);
}
template <class T>
void put(Back& w, std::uint32_t n, const std::optional<std::vector<T>>& o) {
  if (!o) return;
  for (std::size_t i = o->size(); i-- > 0;) put(w, n, (*o)[i]);
}
template <class T>
void put(Back& w, std::uint32_t n, const std::optional<std::map<std::string, T, std::less<>>>& o) {
  if (!o) return;
  for (auto at = o->rbegin(); at != o->rend(); ++at) {
    const std::size_t before = w.written();
    put(w, 2, at->second);
    put(w, 1, at->first);
    w.close(n, before);
  }
}

}  // namespace keelson::bench::plain
