#include "kvstore/mvcc/bulk_load.h"

#include <algorithm>
#include <span>
#include <utility>

#include "base/check.h"
#include "kvstore/mvcc/tree.h"
#include "kvstore/mvcc/tree_node.h"

namespace keelson::kvstore {
namespace {

constexpr std::size_t kSlotsMin = 1024;
constexpr std::size_t kSmall = 24;  // keys that are compared whole
constexpr std::size_t kAhead = 16;
constexpr std::size_t kShareMin = 1 << 16;  // keys that are sorted in two parts at once

struct Entry {
  std::uint64_t head = 0;
  const Item* item = nullptr;
};

void sort_whole(std::span<Entry> entries) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.item->key() < b.item->key(); });
}

void sort_keys(std::span<Entry> entries, std::size_t depth, const RunBoth& run_both);

bool by_head(const Entry& a, const Entry& b) {
  return a.head < b.head;
}

// REQUIRES: the keys share their first `depth` bytes, which the heads follow; not all heads are equal.
void sort_by_heads(std::span<Entry> entries, std::size_t depth, const RunBoth& run_both) {
  std::sort(entries.begin(), entries.end(), by_head);
  for (std::size_t begin = 0; begin < entries.size();) {
    std::size_t end = begin + 1;
    while (end < entries.size() && entries[end].head == entries[begin].head) ++end;
    if (end - begin > 1) sort_keys(entries.subspan(begin, end - begin), depth, run_both);
    begin = end;
  }
}

// As sort_by_heads(), in two parts at once.
void share_by_heads(std::span<Entry> entries, std::size_t depth, const RunBoth& run_both) {
  const auto middle = entries.begin() + static_cast<std::ptrdiff_t>(entries.size() / 2);
  std::nth_element(entries.begin(), middle, entries.end(), by_head);
  // Equal heads stay together: the lower part ends with the middle's.
  const auto upper =
      std::partition(middle, entries.end(), [head = middle->head](const Entry& e) { return e.head == head; });
  run_both([&] { sort_by_heads({entries.begin(), upper}, depth, run_both); },
           [&] {
             if (upper != entries.end()) sort_by_heads({upper, entries.end()}, depth, run_both);
           });
}

// Sorts keys that share their first `depth` bytes.
void sort_keys(std::span<Entry> entries, std::size_t depth, const RunBoth& run_both) {
  if (entries.size() <= kSmall) {
    sort_whole(entries);
    return;
  }
  const std::string_view first = entries[0].item->key();
  std::size_t shared = first.size();
  for (std::size_t i = 1; i < entries.size() && shared > depth; ++i) {
    if (i + kAhead < entries.size()) tree::prefetch(entries[i + kAhead].item);
    shared = depth +
             tree::common_prefix(first.substr(depth, shared - depth), entries[i].item->key().substr(depth));
  }
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i + kAhead < entries.size()) tree::prefetch(entries[i + kAhead].item);
    entries[i].head = tree::head_of(entries[i].item->key(), shared);
  }
  const auto equal = [head = entries[0].head](const Entry& e) { return e.head == head; };
  if (std::all_of(entries.begin(), entries.end(), equal)) {  // they differ in zeros and ends only
    sort_whole(entries);
  } else if (entries.size() < kShareMin) {
    sort_by_heads(entries, shared, run_both);
  } else {
    share_by_heads(entries, shared, run_both);
  }
}

}  // namespace

BulkLoad::~BulkLoad() {
  for (const Item* item : take_sorted(run_in_turn)) Tree::drop(item);
}

void BulkLoad::grow() {
  std::vector<Slot> wider(std::max(kSlotsMin, slots_.size() * 2));
  for (std::size_t i = 0; i < items_.size(); ++i) {
    std::size_t at = slot_of(hashes_[i], wider.size());
    while (wider[at].item != 0) at = (at + 1) & (wider.size() - 1);
    wider[at] = {static_cast<std::uint32_t>(hashes_[i] >> 32), static_cast<std::uint32_t>(i + 1)};
  }
  slots_ = std::move(wider);
}

BulkLoad::Put BulkLoad::put(ItemPtr item, std::uint64_t hash) {
  if (items_.size() * 4 >= slots_.size() * 3) grow();
  const auto tag = static_cast<std::uint32_t>(hash >> 32);
  std::size_t at = slot_of(hash, slots_.size());
  for (; slots_[at].item != 0; at = (at + 1) & (slots_.size() - 1)) {
    const Item*& there = items_[slots_[at].item - 1];
    if (slots_[at].tag != tag || there->key() != item->key()) continue;
    CHECK(there->rev() < item->rev());
    if (!item->follows()) {  // a key that was deleted and is there again
      ItemFields fields = item->fields();
      fields.follows = true;
      item = Item::make(fields, item->key(), item->value());
    }
    Tree::chain(there, item.get());
    const Item* const before = std::exchange(there, item.take());
    return {there, ItemPtr::adopt(before)};
  }
  CHECK(items_.size() < UINT32_MAX);
  items_.push_back(item.take());
  hashes_.push_back(hash);
  slots_[at] = {tag, static_cast<std::uint32_t>(items_.size())};
  return {items_.back(), nullptr};
}

std::vector<const Item*> BulkLoad::take_sorted(const RunBoth& run_both) {
  slots_ = {};
  hashes_ = {};
  std::vector<Entry> entries(items_.size());
  for (std::size_t i = 0; i < items_.size(); ++i) entries[i].item = items_[i];
  sort_keys(entries, 0, run_both);
  std::vector<const Item*> out = std::exchange(items_, {});
  for (std::size_t i = 0; i < entries.size(); ++i) out[i] = entries[i].item;
  return out;
}

}  // namespace keelson::kvstore
