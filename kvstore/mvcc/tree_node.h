// The nodes of the B+tree (tree.h). Not a public header.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <new>
#include <string_view>

#include "kvstore/mvcc/item.h"

namespace keelson::kvstore::tree {

// So that a leaf takes 1 KiB and an inner node 1.5 KiB: sizes that an allocator has.
inline constexpr unsigned kFanout = 62;
inline constexpr unsigned kUnderflow = kFanout / 4;
inline constexpr unsigned kMergeMax = kFanout * 3 / 4;

static_assert(std::endian::native == std::endian::little);

inline std::size_t common_prefix(std::string_view a, std::string_view b) {
  const std::size_t max = std::min(a.size(), b.size());
  std::size_t n = 0;
  for (std::uint64_t x = 0, y = 0; n + 8 <= max; n += 8) {
    std::memcpy(&x, a.data() + n, 8);
    std::memcpy(&y, b.data() + n, 8);
    if (x != y) return n + static_cast<std::size_t>(std::countr_zero(x ^ y)) / 8;
  }
  while (n < max && a[n] == b[n]) ++n;
  return n;
}

// Asks for an Item's fields and the start of its key: two lines of the cache.
inline void prefetch(const Item* item) {
  __builtin_prefetch(item);
  __builtin_prefetch(reinterpret_cast<const char*>(item) + 64);
}

// A key that divides two children: left < separator <= right. Shortened to what is needed.
struct Separator {
  std::uint32_t size;
  std::string_view view() const { return {reinterpret_cast<const char*>(this + 1), size}; }
  static const Separator* between(std::string_view left, std::string_view right) {
    const auto size = static_cast<std::uint32_t>(std::min(common_prefix(left, right) + 1, right.size()));
    auto* s = new (::operator new(sizeof(Separator) + size)) Separator{size};
    std::memcpy(reinterpret_cast<char*>(s + 1), right.data(), size);
    return s;
  }
  static void destroy(const Separator* s) { ::operator delete(const_cast<Separator*>(s)); }
};

struct Node {
  std::uint64_t epoch;
  std::uint32_t live;  // Items below that are not tombstones
  std::uint16_t n;
  const bool leaf;
};

// Keys live behind pointers, and each look at one is a cache miss. So a node keeps eight bytes of each key
// beside the pointers: those behind the `skip` bytes that all keys of the node share. A search looks at whole
// keys only where these are equal.
template <unsigned kSlots>
struct Heads {
  std::uint32_t skip = 0;
  std::uint64_t at[kSlots] = {};
};

// The eight bytes of `key` from `skip` on, zeros behind its end: in the order of the keys.
inline std::uint64_t head_of(std::string_view key, std::size_t skip) {
  unsigned char bytes[8] = {};
  if (key.size() > skip) std::memcpy(bytes, key.data() + skip, std::min<std::size_t>(8, key.size() - skip));
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, 8);
  return __builtin_bswap64(word);
}
struct Leaf : Node {
  const Item* items[kFanout];
  Heads<kFanout> heads;
  static constexpr unsigned kFirst = 0;
  std::string_view key(unsigned i) const { return items[i]->key(); }
};

// sep[i] divides child[i-1] and child[i]; sep[0] is unused. One spare slot holds the overflow until the
// split.
struct Inner : Node {
  Node* child[kFanout + 1];
  const Separator* sep[kFanout + 1];
  Heads<kFanout + 1> heads;
  static constexpr unsigned kFirst = 1;
  std::string_view key(unsigned i) const { return sep[i]->view(); }
};
static_assert(sizeof(Leaf) <= 1024 && sizeof(Inner) <= 1536);

// Computes the heads anew; keys [kFirst, n) are in order.
template <class N>
void reindex(N* node) {
  if (node->n <= N::kFirst) return;
  node->heads.skip = static_cast<std::uint32_t>(common_prefix(node->key(N::kFirst), node->key(node->n - 1U)));
  for (unsigned i = N::kFirst; i < node->n; ++i) node->heads.at[i] = head_of(node->key(i), node->heads.skip);
}

// After the key at `pos` was put in, those behind it moved up by one: the heads follow.
template <class N>
void index_inserted(N* node, unsigned pos) {
  const unsigned other = pos == N::kFirst ? pos + 1 : N::kFirst;
  const bool alone = node->n == N::kFirst + 1U;
  if (alone || common_prefix(node->key(pos), node->key(other)) < node->heads.skip) {
    reindex(node);
    return;
  }
  auto* at = node->heads.at;
  std::copy_backward(at + pos, at + node->n - 1, at + node->n);
  at[pos] = head_of(node->key(pos), node->heads.skip);
}

// The first position whose key is not below `key` (`or_equal`: is above it).
template <class N>
unsigned search(const N* node, std::string_view key, bool or_equal) {
  if (node->n <= N::kFirst) return N::kFirst;
  const auto& heads = node->heads;
  const int side = key.substr(0, heads.skip).compare(node->key(N::kFirst).substr(0, heads.skip));
  if (side != 0) return side < 0 ? N::kFirst : node->n;
  const std::uint64_t head = head_of(key, heads.skip);
  unsigned low = N::kFirst;
  unsigned high = node->n;
  while (low < high) {
    const unsigned mid = (low + high) / 2;
    bool right = heads.at[mid] < head;
    if (heads.at[mid] == head) {
      const int c = node->key(mid).compare(key);
      right = c < 0 || (or_equal && c == 0);
    }
    if (right) {
      low = mid + 1;
    } else {
      high = mid;
    }
  }
  return low;
}

inline Leaf* leaf(Node* n) {
  return static_cast<Leaf*>(n);
}
inline const Leaf* leaf(const Node* n) {
  return static_cast<const Leaf*>(n);
}
inline Inner* inner(Node* n) {
  return static_cast<Inner*>(n);
}
inline const Inner* inner(const Node* n) {
  return static_cast<const Inner*>(n);
}

inline Leaf* new_leaf(std::uint64_t epoch) {
  return new Leaf{{epoch, 0, 0, true}, {}, {}};
}
inline Inner* new_inner(std::uint64_t epoch) {
  return new Inner{{epoch, 0, 0, false}, {}, {}, {}};
}

inline void free_node(Node* n) {
  if (n->leaf) {
    delete leaf(n);
  } else {
    delete inner(n);
  }
}

inline unsigned lower_bound(const Leaf* l, std::string_view key) {
  return search(l, key, false);
}
// The child that holds `key`: the last one whose separator is not above it.
inline unsigned child_index(const Inner* in, std::string_view key) {
  return search(in, key, true) - 1;
}

// Live Items with key < `key`.
inline std::int64_t rank(const Node* n, std::string_view key) {
  std::int64_t before = 0;
  while (!n->leaf) {
    const Inner* in = inner(n);
    const unsigned at = child_index(in, key);
    for (unsigned i = 0; i < at; ++i) before += in->child[i]->live;
    n = in->child[at];
  }
  const unsigned end = lower_bound(leaf(n), key);
  for (unsigned i = 0; i < end; ++i) before += leaf(n)->items[i]->tombstone() ? 0 : 1;
  return before;
}

}  // namespace keelson::kvstore::tree
