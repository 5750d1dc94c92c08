#include "kvstore/mvcc/bulk_load.h"

#include <algorithm>
#include <array>
#include <bit>
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
constexpr std::size_t kRadixMin = 4096;
constexpr std::size_t kShareMin = 1 << 16;  // keys that are sorted in two parts at once

using Entry = BulkLoad::Entry;

void sort_whole(std::span<Entry> entries) {
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.item->key() < b.item->key(); });
}

void sort_keys(std::span<Entry> entries, std::size_t depth, const RunBoth& run_both);

bool by_head(const Entry& a, const Entry& b) {
  return a.head < b.head;
}

// Sorts by one byte of the heads after the other, the last one first; those that are the same in all are left
// out.
void radix_sort(std::span<Entry> entries) {
  constexpr std::size_t kBytes = sizeof(std::uint64_t);
  const auto byte_of = [](const Entry& e, std::size_t i) { return (e.head >> (8 * i)) & 0xff; };
  std::array<std::array<std::uint32_t, 256>, kBytes> counts{};
  for (const Entry& e : entries) {
    for (std::size_t i = 0; i < kBytes; ++i) ++counts[i][byte_of(e, i)];
  }
  std::vector<Entry, MappedAllocator<Entry>> other(entries.size());
  std::span<Entry> from = entries;
  std::span<Entry> to = other;
  for (std::size_t i = 0; i < kBytes; ++i) {
    if (counts[i][byte_of(from[0], i)] == entries.size()) continue;
    std::uint32_t at = 0;
    for (std::uint32_t& count : counts[i]) at += std::exchange(count, at);
    for (const Entry& e : from) to[counts[i][byte_of(e, i)]++] = e;
    std::swap(from, to);
  }
  if (from.data() != entries.data()) std::ranges::copy(from, entries.begin());
}

// REQUIRES: the keys share their first `depth` bytes, which the heads follow; not all heads are equal.
void sort_by_heads(std::span<Entry> entries, std::size_t depth, const RunBoth& run_both) {
  if (entries.size() < kRadixMin) {
    std::sort(entries.begin(), entries.end(), by_head);
  } else {
    radix_sort(entries);
  }
  for (std::size_t begin = 0; begin < entries.size();) {
    std::size_t end = begin + 1;
    while (end < entries.size() && entries[end].head == entries[begin].head) ++end;
    if (end - begin > 1) sort_keys(entries.subspan(begin, end - begin), depth, run_both);
    begin = end;
  }
}

// As sort_by_heads(), in two parts at once.
void share_by_heads(std::span<Entry> entries, std::size_t depth, const RunBoth& run_both) {
  // About the middle: equal heads stay together.
  std::array<std::uint64_t, 255> sample;
  for (std::size_t i = 0; i < sample.size(); ++i)
    sample[i] = entries[i * (entries.size() / sample.size())].head;
  std::ranges::nth_element(sample, sample.begin() + sample.size() / 2);
  const std::uint64_t middle = sample[sample.size() / 2];
  const auto upper =
      std::partition(entries.begin(), entries.end(), [&](const Entry& e) { return e.head <= middle; });
  run_both([&] { sort_by_heads({entries.begin(), upper}, depth, run_both); },
           [&] {
             if (upper != entries.end()) sort_by_heads({upper, entries.end()}, depth, run_both);
           });
}

// Sorts keys that share their first `depth` bytes, which the heads follow.
void sort_with_heads(std::span<Entry> entries, std::size_t depth, const RunBoth& run_both) {
  const auto equal = [head = entries[0].head](const Entry& e) { return e.head == head; };
  if (std::all_of(entries.begin(), entries.end(), equal)) {  // they differ in zeros and ends only
    sort_whole(entries);
  } else if (entries.size() < kShareMin) {
    sort_by_heads(entries, depth, run_both);
  } else {
    share_by_heads(entries, depth, run_both);
  }
}

void set_heads(std::span<Entry> entries, std::size_t depth) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (i + kAhead < entries.size()) tree::prefetch(entries[i + kAhead].item);
    entries[i].head = tree::head_of(entries[i].item->key(), depth);
  }
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
  set_heads(entries, shared);
  sort_with_heads(entries, shared, run_both);
}

}  // namespace

BulkLoad::~BulkLoad() {
  for (const Item* item : take_sorted(run_in_turn)) Tree::drop(item);
}

void BulkLoad::grow() {
  const std::size_t slots = std::max(kSlotsMin, slots_.size() * 2);
  shift_ = static_cast<unsigned>(32 - std::countr_zero(slots));
  std::vector<Slot, MappedAllocator<Slot>> wider(slots);
  for (const Slot& slot : slots_) {
    if (slot.entry == 0) continue;
    std::size_t at = slot_of(slot.tag);
    while (wider[at].entry != 0) at = (at + 1) & (slots - 1);
    wider[at] = slot;
  }
  slots_ = std::move(wider);
}

void BulkLoad::add(const Item* item) {
  const std::string_view key = item->key();
  if (entries_.empty()) {
    prefix_ = key;
  } else if (const std::size_t shared = tree::common_prefix(prefix_, key); shared < prefix_.size()) {
    prefix_.resize(shared);
    stale_ = entries_.size();
  }
  entries_.push_back({tree::head_of(key, prefix_.size()), item});
}

BulkLoad::Put BulkLoad::put(ItemPtr item, std::uint64_t hash) {
  if (entries_.size() * 4 >= slots_.size() * 3) grow();
  const std::uint32_t tag = tag_of(hash);
  std::size_t at = slot_of(tag);
  for (; slots_[at].entry != 0; at = (at + 1) & (slots_.size() - 1)) {
    if (slots_[at].tag != tag) continue;
    const Item*& there = entries_[slots_[at].entry - 1].item;
    if (there->key() != item->key()) continue;
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
  CHECK(slots_.size() <= std::size_t{1} << 31);
  add(item.take());
  slots_[at] = {tag, static_cast<std::uint32_t>(entries_.size())};
  return {entries_.back().item, nullptr};
}

BulkLoad::Items BulkLoad::take_sorted(const RunBoth& run_both) {
  slots_ = {};
  auto entries = std::exchange(entries_, {});
  if (!entries.empty()) {
    set_heads(std::span(entries).first(std::exchange(stale_, 0)), prefix_.size());
    sort_with_heads(entries, prefix_.size(), run_both);
  }
  Items out(entries.size());
  for (std::size_t i = 0; i < entries.size(); ++i) out[i] = entries[i].item;
  return out;
}

}  // namespace keelson::kvstore
