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
  // The key may have older versions already: told by a tombstone or a version above 1 too.
  bool follows = false;
};

class Item {
 public:
  // REQUIRES: a tombstone has no value; the value has less than 2 GiB.
  static ItemPtr make(const ItemFields& fields, std::string_view key, std::string_view value);
  Item(const Item&) = delete;
  Item& operator=(const Item&) = delete;

  std::string_view key() const {
    return {tail(), (flags_ & kWide) == 0 ? key_size_ : static_cast<std::size_t>(wide()->key_size)};
  }
  std::string_view value() const {
    const std::string_view k = key();
    return {k.data() + k.size(),
            (flags_ & kWide) == 0 ? value_size_ : static_cast<std::size_t>(wide()->value_size)};
  }
  FullRevision rev() const {
    if ((flags_ & kWide) != 0) return {wide()->main, wide()->sub};
    return {static_cast<Revision>(main_), static_cast<std::uint32_t>(sub_)};
  }
  Revision create() const;
  std::int64_t version() const;
  LeaseId lease() const { return (flags_ & kLeased) == 0 ? 0 : static_cast<LeaseId>(*word(kLeased)); }
  bool tombstone() const { return (flags_ & kTombstone) != 0; }
  ItemFields fields() const;

  // Shares this Item's memory. For a tombstone: key and mod_revision only.
  static KeyValue to_key_value(const ItemPtr& item, bool keys_only = false);
  // The newest version with main revision <= `at` that is older than this Item; nullptr when there is none.
  const VersionRef* older_at(Revision at) const;
  // Newest block of the chain; nullptr without history.
  VersionBlock* older() const { return follows() ? chain().load(std::memory_order_acquire) : nullptr; }
  // Whether it may have older versions.
  bool follows() const { return (flags_ & kFollows) != 0; }
  VersionRef as_version() const;

 private:
  friend class ItemPtr;
  friend class Tree;
  // Every key in the store costs a header, so it has only what is not as usual: after 16 bytes come, where
  // the flags say so and in their order, the chain of older versions, the create revision with the version
  // (of a key's first version they are its revision and 1), the lease, and all that does not fit the 16
  // bytes; then key and value.
  enum Flag : std::uint8_t {
    kFollows = 1,
    kCounted = 2,
    kLeased = 4,
    kWide = 8,
    kTombstone = 16,
  };
  struct Wide {
    Revision main;
    Revision create;
    std::int64_t version;
    std::uint32_t sub;
    std::uint32_t key_size;
    std::uint64_t value_size;
  };
  Item(unsigned flags, const ItemFields& fields, std::string_view key, std::string_view value);
  ~Item() = default;
  static unsigned flags_for(const ItemFields& fields, std::string_view key, std::string_view value);
  // Of the words behind the 16 bytes.
  static std::size_t words(unsigned flags) {
    return (flags & 1) + (flags >> 1 & 1) + (flags >> 2 & 1) +
           ((flags & kWide) != 0 ? sizeof(Wide) / sizeof(std::uint64_t) : 0);
  }
  // The first word of what `flag` stands for.
  const std::uint64_t* word(Flag flag) const {
    return reinterpret_cast<const std::uint64_t*>(this + 1) + words(flags_ & (flag - 1U));
  }
  const Wide* wide() const { return reinterpret_cast<const Wide*>(word(kWide)); }
  // REQUIRES: follows().
  std::atomic<VersionBlock*>& chain() const {
    return *reinterpret_cast<std::atomic<VersionBlock*>*>(const_cast<std::uint64_t*>(word(kFollows)));
  }
  const char* tail() const {
    return reinterpret_cast<const char*>(this + 1) + words(flags_) * sizeof(std::uint64_t);
  }
  std::size_t bytes() const {
    return static_cast<std::size_t>(value().data() + value().size() - reinterpret_cast<const char*>(this));
  }
  void retain() const { references_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) destroy();
  }
  void destroy() const;

  static constexpr unsigned kMainBits = 40;
  static constexpr unsigned kSubBits = 12;
  static constexpr unsigned kKeyBits = 12;
  static constexpr unsigned kValueBits = 27;
  static constexpr unsigned kVersionBits = 64 - kMainBits;  // beside the create revision

  mutable std::atomic<std::uint32_t> references_{0};
  const std::uint32_t flags_ : 5;
  const std::uint32_t value_size_ : kValueBits;
  const std::uint64_t main_ : kMainBits;
  const std::uint64_t sub_ : kSubBits;
  const std::uint64_t key_size_ : kKeyBits;
};
static_assert(sizeof(Item) == 16);

inline ItemPtr::ItemPtr(const Item* item) : item_(item) {
  if (item_ != nullptr) item_->retain();
}
inline ItemPtr::~ItemPtr() {
  if (item_ != nullptr) item_->release();
}

}  // namespace keelson::kvstore
