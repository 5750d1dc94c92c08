#include "kvstore/mvcc/item.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>

#include "base/check.h"

namespace keelson::kvstore {
namespace {

// Puts `extra` bytes behind the object (and allocate_shared's counts before it): one allocation for an Item,
// its key and its value.
template <class T>
struct TailAllocator {
  using value_type = T;
  explicit TailAllocator(std::size_t n) : extra(n) {}
  template <class U>
  TailAllocator(const TailAllocator<U>& other) : extra(other.extra) {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new(n * sizeof(T) + extra)); }
  void deallocate(T* p, std::size_t) { ::operator delete(p); }
  bool operator==(const TailAllocator&) const = default;
  std::size_t extra;
};

}  // namespace

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

ItemPtr Item::make(const ItemFields& fields, std::string_view key, std::string_view value) {
  CHECK(!fields.tombstone || value.empty());
  return std::allocate_shared<Item>(TailAllocator<Item>(key.size() + value.size()), Token{}, fields, key,
                                    value);
}

Item::Item(Token, const ItemFields& fields, std::string_view key, std::string_view value)
    : main_(fields.rev.main),
      create_(fields.create),
      lease_(fields.lease),
      version_(fields.version),
      sub_(fields.rev.sub),
      key_size_(static_cast<std::uint32_t>(key.size())),
      value_size_(static_cast<std::uint32_t>(value.size())),
      tombstone_(fields.tombstone) {
  char* to = reinterpret_cast<char*>(this + 1);
  if (!key.empty()) std::memcpy(to, key.data(), key.size());
  if (!value.empty()) std::memcpy(to + key.size(), value.data(), value.size());
}

KeyValue Item::to_key_value(const ItemPtr& item, bool keys_only) {
  KeyValue kv;
  kv.key = Bytes(item, item->key());
  kv.mod_revision = item->main_;
  if (item->tombstone_) return kv;
  if (!keys_only) kv.value = Bytes(item, item->value());
  kv.create_revision = item->create_;
  kv.version = item->version_;
  kv.lease = item->lease_;
  return kv;
}

VersionRef Item::as_version() const {
  VersionRef v;
  v.main = main_;
  v.create = create_;
  v.sub = sub_;
  v.version = static_cast<std::uint32_t>(version_) & 0x7fffffffU;
  v.tombstone = tombstone_ ? 1 : 0;
  v.value_size = value_size_;
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
