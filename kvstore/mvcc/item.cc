#include "kvstore/mvcc/item.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "base/check.h"
#include "base/slab_pool.h"

namespace keelson::kvstore {

VersionBlock* VersionBlock::make(std::uint32_t capacity, VersionBlock* prev) {
  void* memory = ::operator new(sizeof(VersionBlock) + capacity * sizeof(VersionRef));
  auto* block = new (memory) VersionBlock;
  block->prev = prev;
  block->capacity = capacity;
  std::uninitialized_default_construct_n(block->slots(), capacity);
  return block;
}

void VersionBlock::destroy(VersionBlock* block) {
  block->~VersionBlock();
  ::operator delete(block);
}

// Under AddressSanitizer each Item is malloc's, so that a use after its end is found.
#if defined(__SANITIZE_ADDRESS__)
#define KEELSON_ITEMS_BY_MALLOC 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEELSON_ITEMS_BY_MALLOC 1
#endif
#endif

#ifdef KEELSON_ITEMS_BY_MALLOC
static void* allocate_item(std::size_t bytes) {
  return ::operator new(bytes);
}
static void free_item(void* item, std::size_t) {
  ::operator delete(item);
}
#else
// Never destroyed: what outlives main() may hold Items.
static SlabPool& pool() {
  static SlabPool* const made = new SlabPool;
  return *made;
}
static void* allocate_item(std::size_t bytes) {
  return pool().allocate(bytes);
}
static void free_item(void* item, std::size_t bytes) {
  pool().free(item, bytes);
}
#endif

unsigned Item::flags_for(const ItemFields& f, std::string_view key, std::string_view value) {
  const auto fits = [](auto n, unsigned bits) { return static_cast<std::uint64_t>(n) >> bits == 0; };
  unsigned flags = 0;
  if (f.follows || f.tombstone || f.version > 1) flags |= kFollows;
  if (f.create != (f.tombstone ? 0 : f.rev.main) || f.version != (f.tombstone ? 0 : 1)) flags |= kCounted;
  if (f.lease != 0) flags |= kLeased;
  if (f.tombstone) flags |= kTombstone;
  const bool narrow = fits(f.rev.main, kMainBits) && fits(f.rev.sub, kSubBits) &&
                      fits(key.size(), kKeyBits) && fits(value.size(), kValueBits) &&
                      fits(f.create, kMainBits) && fits(f.version, kVersionBits);
  return narrow ? flags : (flags & ~unsigned{kCounted}) | kWide;
}

ItemPtr Item::make(const ItemFields& fields, std::string_view key, std::string_view value) {
  CHECK(!fields.tombstone || value.empty());
  CHECK(value.size() < std::size_t{1} << 31);
  CHECK(key.size() <= UINT32_MAX);
  const unsigned flags = flags_for(fields, key, value);
  const std::size_t head = sizeof(Item) + words(flags) * sizeof(std::uint64_t);
  void* memory = allocate_item(head + key.size() + value.size());
  return ItemPtr(new (memory) Item(flags, fields, key, value));
}

void Item::destroy() const {
  const std::size_t size = bytes();
  this->~Item();
  free_item(const_cast<Item*>(this), size);
}

Item::Item(unsigned flags, const ItemFields& f, std::string_view key, std::string_view value)
    : flags_(flags & 31U),
      value_size_(static_cast<std::uint32_t>(value.size()) & ((1U << kValueBits) - 1)),
      main_(static_cast<std::uint64_t>(f.rev.main) & ((std::uint64_t{1} << kMainBits) - 1)),
      sub_(f.rev.sub & ((1U << kSubBits) - 1)),
      key_size_(key.size() & ((1U << kKeyBits) - 1)) {
  auto* at = reinterpret_cast<std::uint64_t*>(this + 1);
  if ((flags & kFollows) != 0) new (at++) std::atomic<VersionBlock*>(nullptr);
  if ((flags & kCounted) != 0) {
    *at++ = static_cast<std::uint64_t>(f.create) | static_cast<std::uint64_t>(f.version) << kMainBits;
  }
  if ((flags & kLeased) != 0) *at++ = static_cast<std::uint64_t>(f.lease);
  char* to = reinterpret_cast<char*>(at);
  if ((flags & kWide) != 0) {
    new (at) Wide{f.rev.main,  f.create, f.version, f.rev.sub, static_cast<std::uint32_t>(key.size()),
                  value.size()};
    to += sizeof(Wide);
  }
  if (!key.empty()) std::memcpy(to, key.data(), key.size());
  if (!value.empty()) std::memcpy(to + key.size(), value.data(), value.size());
}

Revision Item::create() const {
  if ((flags_ & kWide) != 0) return wide()->create;
  if ((flags_ & kCounted) != 0) {
    return static_cast<Revision>(*word(kCounted) & ((std::uint64_t{1} << kMainBits) - 1));
  }
  return tombstone() ? 0 : rev().main;
}

std::int64_t Item::version() const {
  if ((flags_ & kWide) != 0) return wide()->version;
  if ((flags_ & kCounted) != 0) return static_cast<std::int64_t>(*word(kCounted) >> kMainBits);
  return tombstone() ? 0 : 1;
}

ItemFields Item::fields() const {
  return {rev(), create(), version(), lease(), tombstone(), follows()};
}

KeyValue Item::to_key_value(const ItemPtr& item, bool keys_only) {
  KeyValue kv;
  auto owner = std::make_shared<const ItemPtr>(item);
  kv.mod_revision = item->rev().main;
  if (!item->tombstone() && !keys_only) kv.value = Bytes(owner, item->value());
  kv.key = Bytes(std::move(owner), item->key());
  if (item->tombstone()) return kv;
  kv.create_revision = item->create();
  kv.version = item->version();
  kv.lease = item->lease();
  return kv;
}

VersionRef Item::as_version() const {
  VersionRef v;
  v.main = rev().main;
  v.create = create();
  v.sub = rev().sub;
  v.version = static_cast<std::uint32_t>(version()) & 0x7fffffffU;
  v.tombstone = tombstone() ? 1 : 0;
  v.value_size = static_cast<std::uint32_t>(value().size());
  return v;
}

const VersionRef* Item::older_at(Revision at) const {
  const FullRevision mine = rev();
  for (const VersionBlock* block = older(); block != nullptr; block = block->prev) {
    const VersionRef* begin = block->slots();
    const VersionRef* end = begin + block->size.load(std::memory_order_acquire);
    const VersionRef* it =
        std::partition_point(begin, end, [&](const VersionRef& v) { return v.main <= at && v.rev() < mine; });
    if (it != begin) return it - 1;
  }
  return nullptr;
}

}  // namespace keelson::kvstore
