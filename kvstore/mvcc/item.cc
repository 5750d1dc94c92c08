#include "kvstore/mvcc/item.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <new>

#include "base/check.h"

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

ItemPtr Item::make(const ItemFields& fields, std::string_view key, std::string_view value) {
  CHECK(!fields.tombstone || value.empty());
  CHECK(value.size() < std::size_t{1} << 31);
  void* memory = ::operator new(sizeof(Item) + key.size() + value.size());
  return ItemPtr(new (memory) Item(fields, key, value));
}

void Item::destroy() const {
  this->~Item();
  ::operator delete(const_cast<Item*>(this));
}

Item::Item(const ItemFields& fields, std::string_view key, std::string_view value)
    : sub_(fields.rev.sub),
      main_(fields.rev.main),
      create_(fields.create),
      lease_(fields.lease),
      version_(fields.version),
      key_size_(static_cast<std::uint32_t>(key.size())),
      value_size_(static_cast<std::uint32_t>(value.size()) & 0x7fffffffU),
      tombstone_(fields.tombstone ? 1 : 0) {
  char* to = reinterpret_cast<char*>(this + 1);
  if (!key.empty()) std::memcpy(to, key.data(), key.size());
  if (!value.empty()) std::memcpy(to + key.size(), value.data(), value.size());
}

KeyValue Item::to_key_value(const ItemPtr& item, bool keys_only) {
  KeyValue kv;
  auto owner = std::make_shared<const ItemPtr>(item);
  kv.mod_revision = item->main_;
  if (!item->tombstone() && !keys_only) kv.value = Bytes(owner, item->value());
  kv.key = Bytes(std::move(owner), item->key());
  if (item->tombstone()) return kv;
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
  v.tombstone = tombstone_;
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
