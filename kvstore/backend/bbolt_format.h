// The layout of a bbolt file (go.etcd.io/bbolt, format version 2), as bbolt_reader.h and bbolt_writer.h use
// it. All numbers are little endian.
//
//   page         id u64 · flags u16 · count u16 · overflow u32 (pages that follow and belong to it) ·
//   elements · data meta         in pages 0 and 1; the valid one with the higher txid counts:
//                magic u32 · version u32 · page size u32 · flags u32 · root bucket {root page u64, sequence
//                u64} · freelist page u64 · pages in use u64 · txid u64 · FNV-1a of all before it u64
//   leaf         elements: flags u32 (1: a bucket) · pos u32 (of the key, from the element) · ksize u32 ·
//   vsize u32 branch       elements: pos u32 · ksize u32 · page u64 freelist     page ids u64; count 0xffff:
//   the first one is the count a bucket     as a value: root page u64 · sequence u64; root page 0: an inline
//   leaf page follows
//
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace keelson::kvstore::bbolt {

inline constexpr std::uint32_t kMagic = 0xED0CDAED;
inline constexpr std::uint32_t kVersion = 2;
inline constexpr std::uint64_t kNoFreelist = ~std::uint64_t{0};
inline constexpr std::size_t kPageHeader = 16;
inline constexpr std::size_t kLeafElement = 16;
inline constexpr std::size_t kBranchElement = 16;
inline constexpr std::size_t kBucketHeader = 16;
inline constexpr std::size_t kMetaBytes = 64;  // with its checksum
inline constexpr std::size_t kKeyMax = 32768;
inline constexpr std::uint16_t kBranchPage = 0x01;
inline constexpr std::uint16_t kLeafPage = 0x02;
inline constexpr std::uint16_t kMetaPage = 0x04;
inline constexpr std::uint16_t kFreelistPage = 0x10;
inline constexpr std::uint32_t kBucketFlag = 0x01;

template <class T>
T get(std::string_view s, std::size_t at) {
  T v = 0;
  for (std::size_t i = sizeof(T); i-- > 0;)
    v = static_cast<T>(static_cast<std::uint64_t>(v) << 8 | static_cast<unsigned char>(s[at + i]));
  return v;
}

template <class T>
void put(std::string& out, T v) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(v) >> (8 * i)));
}

inline std::uint64_t fnv1a(std::string_view s) {
  std::uint64_t h = 0xcbf29ce484222325ULL;
  for (char c : s) h = (h ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return h;
}

}  // namespace keelson::kvstore::bbolt
