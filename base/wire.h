// Protobuf wire primitives (protobuf.dev "Encoding"): what our hand-written codecs are made of. No messages,
// no reflection; a Writer appends fields to a string, a Reader walks the fields of a byte range.
//
//   wire::Writer w(out);              wire::Reader r(bytes);
//   w.uint(1, index);                 while (r.next()) switch (r.field()) {
//   w.bytes(2, name);                   case 1: index = r.uint(); break;
//   auto m = w.begin(3);                case 2: name = r.bytes(); break; }
//   …fields of the submessage…        if (!r.ok()) return fail(Code::kDataLoss, "…");
//   w.end(m);
//
// Thread rule: as any value type.
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace keelson::wire {

enum class Type : std::uint8_t {
  kVarint = 0,
  kFixed64 = 1,
  kBytes = 2,
  kStartGroup = 3,
  kEndGroup = 4,
  kFixed32 = 5
};

inline constexpr std::size_t varint_size(std::uint64_t v) {
  return static_cast<std::size_t>((std::bit_width(v | 1) + 6) / 7);
}
inline constexpr std::uint64_t zigzag(std::int64_t v) {
  return (static_cast<std::uint64_t>(v) << 1) ^ static_cast<std::uint64_t>(v >> 63);
}
inline constexpr std::int64_t unzigzag(std::uint64_t v) {
  return static_cast<std::int64_t>(v >> 1) ^ -static_cast<std::int64_t>(v & 1);
}

inline void append_varint(std::string& out, std::uint64_t v) {
  char buf[10];
  std::size_t n = 0;
  while (v >= 0x80) {
    buf[n++] = static_cast<char>(v | 0x80);
    v >>= 7;
  }
  buf[n++] = static_cast<char>(v);
  out.append(buf, n);
}

// Appends fields to a string it does not own. Values are written even when they are zero or empty: leaving
// out is the caller's decision.
class Writer {
 public:
  explicit Writer(std::string& out) : out_(out) {}

  void tag(std::uint32_t field, Type type) {
    append_varint(out_, (std::uint64_t{field} << 3) | static_cast<std::uint64_t>(type));
  }
  void uint(std::uint32_t field, std::uint64_t v) {
    tag(field, Type::kVarint);
    append_varint(out_, v);
  }
  // int32 and int64 of protobuf: two's complement, negative numbers take ten bytes.
  void sint(std::uint32_t field, std::int64_t v) { uint(field, static_cast<std::uint64_t>(v)); }
  void boolean(std::uint32_t field, bool v) { uint(field, v ? 1 : 0); }
  void bytes(std::uint32_t field, std::string_view v) {
    tag(field, Type::kBytes);
    append_varint(out_, v.size());
    out_.append(v);
  }
  // The length of a submessage whose size is known, between its tag() and its fields.
  void length(std::uint64_t n) { append_varint(out_, n); }
  void fixed64(std::uint32_t field, std::uint64_t v) {
    tag(field, Type::kFixed64);
    append_little_endian(v, 8);
  }
  void fixed32(std::uint32_t field, std::uint32_t v) {
    tag(field, Type::kFixed32);
    append_little_endian(v, 4);
  }
  void real(std::uint32_t field, double v) { fixed64(field, std::bit_cast<std::uint64_t>(v)); }

  // Opens a submessage; end() puts its length before what was written since. Nested ones must end first.
  std::size_t begin(std::uint32_t field) {
    tag(field, Type::kBytes);
    return out_.size();
  }
  void end(std::size_t mark) {
    std::uint64_t n = out_.size() - mark;
    char buf[10];
    std::size_t len = 0;
    while (n >= 0x80) {
      buf[len++] = static_cast<char>(n | 0x80);
      n >>= 7;
    }
    buf[len++] = static_cast<char>(n);
    out_.insert(mark, buf, len);
  }

 private:
  void append_little_endian(std::uint64_t v, int n) {
    for (int i = 0; i < n; ++i) out_.push_back(static_cast<char>(v >> (8 * i)));
  }
  std::string& out_;
};

// Walks the fields of `data`, which must outlive the Reader and the views it hands out. Malformed input makes
// next() return false and ok() false, for good; it never reads outside of `data`.
class Reader {
 public:
  explicit Reader(std::string_view data) : p_(data.data()), end_(data.data() + data.size()) {}

  // Moves to the next field. False at the end of the data or at malformed data.
  bool next() {
    if (!ok_ || p_ == end_) return false;
    const char* start = p_;
    std::uint64_t key = 0;
    if (!varint(key) || (key >> 3) == 0 || (key >> 3) > 0x1fffffff) return bad();
    field_ = static_cast<std::uint32_t>(key >> 3);
    type_ = static_cast<Type>(key & 7);
    if (!value()) return bad();
    whole_ = std::string_view(start, static_cast<std::size_t>(p_ - start));
    return true;
  }
  bool ok() const { return ok_; }
  std::uint32_t field() const { return field_; }
  Type type() const { return type_; }

  // The value of the current field; a wrong wire type makes the Reader not ok() and answers zero or empty.
  std::uint64_t uint() { return expect(Type::kVarint) ? number_ : 0; }
  std::int64_t sint() { return static_cast<std::int64_t>(uint()); }
  bool boolean() { return uint() != 0; }
  std::uint64_t fixed64() { return expect(Type::kFixed64) ? number_ : 0; }
  std::uint32_t fixed32() { return expect(Type::kFixed32) ? static_cast<std::uint32_t>(number_) : 0; }
  double real() { return std::bit_cast<double>(fixed64()); }
  std::string_view bytes() { return expect(Type::kBytes) ? bytes_ : std::string_view(); }
  // Tag and value of the current field, for fields that are passed through.
  std::string_view whole() const { return whole_; }

 private:
  bool bad() {
    ok_ = false;
    return false;
  }
  bool expect(Type t) {
    if (type_ != t) ok_ = false;
    return type_ == t;
  }
  bool varint(std::uint64_t& v) {
    v = 0;
    for (int shift = 0; shift < 70; shift += 7) {
      if (p_ == end_) return false;
      auto b = static_cast<unsigned char>(*p_++);
      if (shift == 63 && b > 1) return false;
      v |= std::uint64_t{b & 0x7fU} << shift;
      if ((b & 0x80) == 0) return true;
    }
    return false;
  }
  bool little_endian(int n) {
    if (end_ - p_ < n) return false;
    number_ = 0;
    for (int i = 0; i < n; ++i) number_ |= std::uint64_t{static_cast<unsigned char>(p_[i])} << (8 * i);
    p_ += n;
    return true;
  }
  bool value() {
    switch (type_) {
      case Type::kVarint:
        return varint(number_);
      case Type::kFixed64:
        return little_endian(8);
      case Type::kFixed32:
        return little_endian(4);
      case Type::kBytes: {
        std::uint64_t n = 0;
        if (!varint(n) || n > static_cast<std::uint64_t>(end_ - p_)) return false;
        bytes_ = std::string_view(p_, n);
        p_ += n;
        return true;
      }
      case Type::kStartGroup:
      case Type::kEndGroup:
        break;
    }
    return false;  // groups are not used by anything we speak
  }

  const char* p_;
  const char* end_;
  bool ok_ = true;
  std::uint32_t field_ = 0;
  Type type_ = Type::kVarint;
  std::uint64_t number_ = 0;
  std::string_view bytes_;
  std::string_view whole_;
};

}  // namespace keelson::wire
