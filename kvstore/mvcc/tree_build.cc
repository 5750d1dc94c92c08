// Tree::build: the whole tree at once, level by level: what the start of a store with many keys needs.
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

struct Part {
  Node* node;
  const Item* first;  // below it
  const Item* last;
};

// The sizes of the fewest parts of at most kFill, differing by one at most.
std::vector<std::size_t> shares(std::size_t n) {
  const std::size_t parts = (n + kFill - 1) / kFill;
  std::vector<std::size_t> out(parts, n / parts);
  for (std::size_t i = 0; i < n % parts; ++i) ++out[i];
  return out;
}

std::vector<Part> build_leaves(const std::vector<const Item*>& items, std::uint64_t epoch) {
  std::vector<Part> out;
  std::size_t at = 0;
  for (std::size_t size : shares(items.size())) {
    Leaf* l = tree::new_leaf(epoch);
    for (std::size_t i = 0; i < size; ++i, ++at) {
      if (at + kAhead < items.size()) tree::prefetch(items[at + kAhead]);
      l->items[i] = items[at];
      l->live += items[at]->tombstone() ? 0 : 1;
    }
    l->n = static_cast<std::uint16_t>(size);
    tree::reindex(l);
    out.push_back({l, l->items[0], l->items[size - 1]});
  }
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

void Tree::build(const std::vector<const Item*>& items) {
  CHECK(keys_ == 0);
  if (items.empty()) return;
  std::vector<Part> parts = build_leaves(items, epoch_);
  while (parts.size() > 1) parts = build_inner(parts, epoch_);
  drop_node(root_);
  root_ = parts[0].node;
  keys_ = items.size();
}

}  // namespace keelson::kvstore
