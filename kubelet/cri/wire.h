// A protobuf codec for plain structs that list their fields: `visit(v, s)` calls `v(number, s.member)` for
// each. Serves string, bool, integers, enums, structs, optional<struct>, vector of those, map<string,string>.
// proto3 rules: zero scalars are not written, unknown fields are skipped. Field numbers are the CRI's own.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/error.h"

namespace keelson::kubelet::cri {

using StringMap = std::map<std::string, std::string>;

class Encoder {
 public:
  template <class T>
  static std::string encode(const T& message) {
    Encoder e;
    visit(e, message);
    return std::move(e.out_);
  }

  void operator()(std::uint32_t n, const std::string& s) {
    if (!s.empty()) bytes(n, s);
  }
  void operator()(std::uint32_t n, const StringMap& m) {
    for (const auto& [k, v] : m) {
      Encoder entry;
      entry.bytes(1, k);
      entry.bytes(2, v);
      bytes(n, entry.out_);
    }
  }
  template <class T>
  void operator()(std::uint32_t n, const std::vector<T>& list) {
    if constexpr (std::is_integral_v<T>) {
      Encoder packed;
      for (auto v : list) packed.varint(static_cast<std::uint64_t>(v));
      if (!list.empty()) bytes(n, packed.out_);
    } else if constexpr (std::is_same_v<T, std::string>) {
      for (const auto& s : list) bytes(n, s);
    } else {
      for (const auto& m : list) bytes(n, encode(m));
    }
  }
  template <class T>
  void operator()(std::uint32_t n, const std::optional<T>& m) {
    if (m) bytes(n, encode(*m));
  }
  template <class T>
  void operator()(std::uint32_t n, const T& v) {
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      if (v == T{}) return;
      varint(std::uint64_t{n} << 3);
      varint(static_cast<std::uint64_t>(static_cast<std::int64_t>(v)));
    } else {
      std::string inner = encode(v);
      if (!inner.empty()) bytes(n, inner);
    }
  }

 private:
  void varint(std::uint64_t v) {
    for (; v >= 0x80; v >>= 7) out_ += static_cast<char>(v | 0x80);
    out_ += static_cast<char>(v);
  }
  void bytes(std::uint32_t n, std::string_view s) {
    varint(std::uint64_t{n} << 3 | 2);
    varint(s.size());
    out_.append(s);
  }
  std::string out_;
};

class Decoder {
 public:
  // kInternal on malformed bytes.
  template <class T>
  static Result<T> decode(std::string_view in) {
    T out{};
    if (!decode_into(in, out))
      return fail(Code::kInternal, "malformed protobuf message from the container runtime");
    return out;
  }

  void operator()(std::uint32_t n, std::string& s) {
    if (n == number_ && wire_ == 2) s = bytes_;
  }
  void operator()(std::uint32_t n, StringMap& m) {
    if (n != number_ || wire_ != 2) return;
    MapEntry e;
    ok_ &= decode_into(bytes_, e);
    m[std::move(e.key)] = std::move(e.value);
  }
  template <class T>
  void operator()(std::uint32_t n, std::vector<T>& list) {
    if (n != number_) return;
    if constexpr (std::is_integral_v<T>) {
      if (wire_ == 0) list.push_back(static_cast<T>(varint_));
      for (std::string_view in = bytes_; wire_ == 2 && !in.empty() && ok_;) {
        std::uint64_t v = 0;
        ok_ &= read_varint(in, v);
        list.push_back(static_cast<T>(v));
      }
    } else if constexpr (std::is_same_v<T, std::string>) {
      list.emplace_back(bytes_);
    } else {
      ok_ &= decode_into(bytes_, list.emplace_back());
    }
  }
  template <class T>
  void operator()(std::uint32_t n, std::optional<T>& m) {
    if (n == number_ && wire_ == 2) ok_ &= decode_into(bytes_, m.emplace());
  }
  template <class T>
  void operator()(std::uint32_t n, T& v) {
    if (n != number_) return;
    if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      if (wire_ == 0) v = static_cast<T>(varint_);
    } else {
      if (wire_ == 2) ok_ &= decode_into(bytes_, v);
    }
  }

 private:
  struct MapEntry {
    std::string key, value;
    friend void visit(Decoder& v, MapEntry& e) {
      v(1, e.key);
      v(2, e.value);
    }
  };

  template <class T>
  static bool decode_into(std::string_view in, T& out) {
    Decoder d;
    while (!in.empty()) {
      if (!d.next(in)) return false;
      visit(d, out);
      if (!d.ok_) return false;
    }
    return true;
  }
  static bool read_varint(std::string_view& in, std::uint64_t& v) {
    v = 0;
    for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
      const auto c = static_cast<unsigned char>(in.front());
      in.remove_prefix(1);
      v |= std::uint64_t{c & 0x7fu} << shift;
      if (c < 0x80) return true;
    }
    return false;
  }
  bool next(std::string_view& in) {
    std::uint64_t key = 0;
    if (!read_varint(in, key)) return false;
    number_ = static_cast<std::uint32_t>(key >> 3);
    wire_ = static_cast<int>(key & 7);
    bytes_ = {};
    std::uint64_t n = 0;
    switch (wire_) {
      case 0:
        return read_varint(in, varint_);
      case 1:
        n = 8;
        break;
      case 5:
        n = 4;
        break;
      case 2:
        if (!read_varint(in, n)) return false;
        break;
      default:
        return false;
    }
    if (n > in.size()) return false;
    bytes_ = in.substr(0, n);
    in.remove_prefix(n);
    return true;
  }

  std::uint32_t number_ = 0;
  int wire_ = 0;
  std::uint64_t varint_ = 0;
  std::string_view bytes_;
  bool ok_ = true;
};

}  // namespace keelson::kubelet::cri
