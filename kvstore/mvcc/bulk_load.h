// BulkLoad: gathers the newest version of each key while all versions are read in revision order, and hands
// them over sorted: what a store does at start instead of a search through the tree for each version.
//
// A hash table finds a key's version so far; the keys are sorted once, by eight bytes at a time, which are
// taken down while a key is at hand; many of them in two parts at once.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/mapped_allocator.h"
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
    if (!slots_.empty()) __builtin_prefetch(&slots_[slot_of(tag_of(hash))]);
  }
  // All newest versions in the order of their keys; their references are the caller's. Empty afterwards.
  using Items = std::vector<const Item*, MappedAllocator<const Item*>>;
  Items take_sorted(const RunBoth& run_both);

  // A key that is being sorted: eight of its bytes, in their order (tree_node.h: head_of()).
  struct Entry {
    std::uint64_t head = 0;
    const Item* item = nullptr;
  };

 private:
  struct Slot {
    std::uint32_t tag = 0;    // of the hash; its first bits are the slot's number, if that is free
    std::uint32_t entry = 0;  // its position in entries_ + 1; 0: free
  };
  static std::uint32_t tag_of(std::uint64_t hash) { return static_cast<std::uint32_t>(hash >> 32); }
  std::size_t slot_of(std::uint32_t tag) const { return tag >> shift_; }
  void add(const Item* item);
  void grow();

  std::vector<Entry, MappedAllocator<Entry>> entries_;  // in order of their keys' first version
  std::vector<Slot, MappedAllocator<Slot>> slots_;      // a power of two, at most 3/4 taken
  unsigned shift_ = 32;                                 // 32 - log2 of the slots
  // What all keys begin with. The heads are of what follows; those before position stale_ are not yet.
  std::string prefix_;
  std::size_t stale_ = 0;
};

}  // namespace keelson::kvstore
