// Item: the newest version of one key, value included, in one counted allocation; and what is remembered of
// its older versions: 32 bytes each, no value (DESIGN.md §4). KeyValues, events and replies share the Item's
// memory through Bytes.
//
//   tree ──▶ Item{rev 9} ──older──▶ block{5, 7, 8} ──prev──▶ block{2, 3}         values of 2…8: in the
//   backend
//
// Invariants: an Item's fields never change once made. Its chain holds versions in rising order and may also
// hold versions as new as the Item or newer (its successors append to the same block): readers look only at
// versions before the Item's. Compaction replaces the chain of the newest Item by one without the dropped
// versions; readers below the compacted revision notice by the compacted revision, not by the chain.
//
// Thread rule: one writer (the tree's); readers hold a Snapshot (tree.h), which keeps every Item and block
// they can reach.
#pragma once

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "base/bytes.h"
#include "kvstore/types.h"

namespace keelson::kvstore {

// A revision with the position of the change inside its transaction.
struct FullRevision {
  Revision main = 0;
  std::uint32_t sub = 0;
  auto operator<=>(const FullRevision&) const = default;
};

struct VersionRef {
  Revision main = 0;
  Revision create = 0;
  std::uint32_t sub = 0;
  std::uint32_t version : 31 = 0;
  std::uint32_t tombstone : 1 = 0;
  std::uint32_t value_size = 0;
  FullRevision rev() const { return {main, sub}; }
};
static_assert(sizeof(VersionRef) <= 32);

// An append-only run of versions, oldest first. The writer appends in place; `size` publishes.
struct VersionBlock {
  static VersionBlock* make(std::uint32_t capacity, VersionBlock* prev);
  static void destroy(VersionBlock* block);
  VersionRef* slots() { return reinterpret_cast<VersionRef*>(this + 1); }
  const VersionRef* slots() const { return reinterpret_cast<const VersionRef*>(this + 1); }

  VersionBlock* prev = nullptr;
  std::uint32_t capacity = 0;
  std::atomic<std::uint32_t> size{0};
};

class Item;

// One counted reference to an Item; as a shared_ptr<const Item>, but found again from the Item itself.
class ItemPtr {
 public:
  ItemPtr() = default;
  ItemPtr(std::nullptr_t) {}
  explicit ItemPtr(const Item* item);  // counts itself
  ItemPtr(const ItemPtr& o) : ItemPtr(o.item_) {}
  ItemPtr(ItemPtr&& o) noexcept : item_(std::exchange(o.item_, nullptr)) {}
  ItemPtr& operator=(ItemPtr o) noexcept {
    std::swap(item_, o.item_);
    return *this;
  }
  ~ItemPtr();

  const Item* get() const { return item_; }
  const Item* operator->() const { return item_; }
  const Item& operator*() const { return *item_; }
  explicit operator bool() const { return item_ != nullptr; }
  // Leaves the reference to the caller, who gives it back by adopt().
  const Item* take() { return std::exchange(item_, nullptr); }
  static ItemPtr adopt(const Item* item) {
    ItemPtr p;
    p.item_ = item;
    return p;
  }

 private:
  const Item* item_ = nullptr;
};

struct ItemFields {
  FullRevision rev;
  Revision create = 0;
  std::int64_t version = 0;
  LeaseId lease = 0;
  bool tombstone = false;
};

class Item {
 public:
  // REQUIRES: a tombstone has no value; the value has less than 2 GiB.
  static ItemPtr make(const ItemFields& fields, std::string_view key, std::string_view value);
  Item(const Item&) = delete;
  Item& operator=(const Item&) = delete;

  std::string_view key() const { return {tail(), key_size_}; }
  std::string_view value() const { return {tail() + key_size_, value_size_}; }
  FullRevision rev() const { return {main_, sub_}; }
  Revision create() const { return create_; }
  std::int64_t version() const { return version_; }
  LeaseId lease() const { return lease_; }
  bool tombstone() const { return tombstone_ != 0; }

  // Shares this Item's memory. For a tombstone: key and mod_revision only.
  static KeyValue to_key_value(const ItemPtr& item, bool keys_only = false);
  // The newest version with main revision <= `at` that is older than this Item; nullptr when there is none.
  const VersionRef* older_at(Revision at) const;
  // Newest block of the chain; nullptr without history.
  VersionBlock* older() const { return older_.load(std::memory_order_acquire); }
  VersionRef as_version() const;

 private:
  friend class ItemPtr;
  friend class Tree;
  Item(const ItemFields& fields, std::string_view key, std::string_view value);
  ~Item() = default;
  const char* tail() const { return reinterpret_cast<const char*>(this + 1); }
  void retain() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }
  void destroy() const;

  // Every key in the store costs this much: no padding.
  mutable std::atomic<std::uint32_t> references_{0};
  const std::uint32_t sub_;
  mutable std::atomic<VersionBlock*> older_{nullptr};
  const Revision main_;
  const Revision create_;
  const LeaseId lease_;
  const std::int64_t version_;
  const std::uint32_t key_size_;
  const std::uint32_t value_size_ : 31;
  const std::uint32_t tombstone_ : 1;
};
static_assert(sizeof(Item) == 56);

inline ItemPtr::ItemPtr(const Item* item) : item_(item) {
  if (item_ != nullptr) item_->retain();
}
inline ItemPtr::~ItemPtr() {
  if (item_ != nullptr) item_->release();
}

}  // namespace keelson::kvstore
