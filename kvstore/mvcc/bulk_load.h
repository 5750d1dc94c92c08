// BulkLoad: gathers the newest version of each key while all versions are read in revision order, and hands
// them over sorted: what a store does at start instead of a search through the tree for each version.
//
// A hash table finds a key's version so far; the keys are sorted once, by eight bytes at a time; many of them
// in two parts at once.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "kvstore/mvcc/item.h"
#include "kvstore/mvcc/run_both.h"

namespace keelson::kvstore {

class BulkLoad {
 public:
  BulkLoad() = default;
  ~BulkLoad();
  BulkLoad(const BulkLoad&) = delete;
  BulkLoad& operator=(const BulkLoad&) = delete;

  struct Put {
    const Item* now;
    ItemPtr before;  // nullptr: the key is new
  };
  // `item` becomes its key's newest version, the one before it joins its chain. `hash` is of the key. What is
  // kept is another Item with the same content if this one was not made to follow one. REQUIRES: the item is
  // newer than all before.
  Put put(ItemPtr item, std::uint64_t hash);
  // The key of this hash will be put soon.
  void prefetch(std::uint64_t hash) const {
    if (!slots_.empty()) __builtin_prefetch(&slots_[slot_of(hash, slots_.size())]);
  }
  // All newest versions in the order of their keys; their references are the caller's. Empty afterwards.
  std::vector<const Item*> take_sorted(const RunBoth& run_both);

 private:
  struct Slot {
    std::uint32_t tag = 0;   // of the hash
    std::uint32_t item = 0;  // its position in items_ + 1; 0: free
  };
  static std::size_t slot_of(std::uint64_t hash, std::size_t slots) { return hash & (slots - 1); }
  void grow();
  std::vector<const Item*> items_;     // in order of their keys' first version
  std::vector<std::uint64_t> hashes_;  // of items_
  std::vector<Slot> slots_;            // a power of two, at most 3/4 taken
};

}  // namespace keelson::kvstore
