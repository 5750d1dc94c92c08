// Tree::build: the whole tree at once, level by level: what the start of a store with many keys needs.
#include <numeric>

#include "base/check.h"
#include "kvstore/mvcc/tree.h"
#include "kvstore/mvcc/tree_node.h"

namespace keelson::kvstore {
namespace {

using tree::Inner;
using tree::Leaf;
using tree::Node;
using tree::Separator;

// Some room for what comes: a full node is split by the first key that it gets.
constexpr std::size_t kFill = tree::kFanout * 7 / 8;
// Items lie all over the memory: their lines are asked for this many ahead.
constexpr std::size_t kAhead = 64;
constexpr std::size_t kShareMin = 1 << 16;  // Items of which both halves are built at once

struct Part {
  Node* node = nullptr;
  const Item* first = nullptr;  // below it
  const Item* last = nullptr;
};

// The sizes of the fewest parts of at most kFill, differing by one at most.
std::vector<std::size_t> shares(std::size_t n) {
  const std::size_t parts = (n + kFill - 1) / kFill;
  std::vector<std::size_t> out(parts, n / parts);
  for (std::size_t i = 0; i < n % parts; ++i) ++out[i];
  return out;
}

// Leaf `size` long of the items from `at` on.
Part build_leaf(std::span<const Item* const> items, std::size_t at, std::size_t size, std::uint64_t epoch) {
  Leaf* l = tree::new_leaf(epoch);
  for (std::size_t i = 0; i < size; ++i, ++at) {
    if (at + kAhead < items.size()) tree::prefetch(items[at + kAhead]);
    l->items[i] = items[at];
    l->live += items[at]->tombstone() ? 0 : 1;
  }
  l->n = static_cast<std::uint16_t>(size);
  tree::reindex(l);
  return {l, l->items[0], l->items[size - 1]};
}

std::vector<Part> build_leaves(std::span<const Item* const> items, std::uint64_t epoch,
                               const RunBoth& run_both) {
  const auto sizes = shares(items.size());
  std::vector<Part> out(sizes.size());
  const auto build = [&](std::size_t from, std::size_t to, std::size_t at) {
    for (std::size_t i = from; i < to; at += sizes[i++]) out[i] = build_leaf(items, at, sizes[i], epoch);
  };
  if (items.size() < kShareMin) {
    build(0, sizes.size(), 0);
    return out;
  }
  const std::size_t half = sizes.size() / 2;
  const auto middle =
      std::accumulate(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(half), std::size_t{0});
  run_both([&] { build(0, half, 0); }, [&] { build(half, sizes.size(), middle); });
  return out;
}

std::vector<Part> build_inner(const std::vector<Part>& below, std::uint64_t epoch) {
  std::vector<Part> out;
  std::size_t at = 0;
  for (std::size_t size : shares(below.size())) {
    Inner* in = tree::new_inner(epoch);
    for (std::size_t i = 0; i < size; ++i) {
      const Part& part = below[at + i];
      in->child[i] = part.node;
      in->live += part.node->live;
      if (i > 0) in->sep[i] = Separator::between(below[at + i - 1].last->key(), part.first->key());
    }
    in->n = static_cast<std::uint16_t>(size);
    tree::reindex(in);
    out.push_back({in, below[at].first, below[at + size - 1].last});
    at += size;
  }
  return out;
}

}  // namespace

void Tree::build(std::span<const Item* const> items, const RunBoth& run_both) {
  CHECK(keys_ == 0);
  if (items.empty()) return;
  std::vector<Part> parts = build_leaves(items, epoch_, run_both);
  while (parts.size() > 1) parts = build_inner(parts, epoch_);
  drop_node(root_);
  root_ = parts[0].node;
  keys_ = items.size();
}

}  // namespace keelson::kvstore
