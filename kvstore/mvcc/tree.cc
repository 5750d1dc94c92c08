#include "kvstore/mvcc/tree.h"

#include <algorithm>

#include "base/check.h"
#include "kvstore/mvcc/tree_node.h"

namespace keelson::kvstore {

using tree::Inner;
using tree::Leaf;
using tree::Node;
using tree::Separator;

Garbage::~Garbage() {
  for (auto* n : nodes) tree::free_node(n);
  for (const auto* s : separators) Separator::destroy(s);
  for (auto* b : blocks) VersionBlock::destroy(b);
  for (const auto* i : items) ItemPtr::adopt(i);
}

const Item* View::find(std::string_view key) const {
  const Node* n = root;
  while (!n->leaf) n = tree::inner(n)->child[tree::child_index(tree::inner(n), key)];
  const Leaf* l = tree::leaf(n);
  const unsigned at = tree::lower_bound(l, key);
  return at < l->n && l->items[at]->key() == key ? l->items[at] : nullptr;
}

std::int64_t View::count(const KeyRange& range) const {
  if (range.single()) {
    const Item* item = find(range.key);
    return item != nullptr && !item->tombstone() ? 1 : 0;
  }
  const std::int64_t to = range.unbounded() ? root->live : tree::rank(root, range.end);
  return std::max<std::int64_t>(0, to - tree::rank(root, range.key));
}

Snapshot::~Snapshot() {
  // Destroying a long chain by recursion would overflow the stack: successors that die with us wait here.
  static thread_local std::vector<std::shared_ptr<Snapshot>>* waiting = nullptr;
  if (!next_) return;
  if (waiting != nullptr) {
    waiting->push_back(std::move(next_));
    return;
  }
  std::vector<std::shared_ptr<Snapshot>> chain;
  waiting = &chain;
  chain.push_back(std::move(next_));
  while (!chain.empty()) {
    auto next = std::move(chain.back());
    chain.pop_back();
    next.reset();
  }
  waiting = nullptr;
}

Cursor::Cursor(const View& view, std::string_view key) {
  const Node* n = view.root;
  while (!n->leaf) {
    const unsigned at = tree::child_index(tree::inner(n), key);
    path_.push_back({n, at});
    n = tree::inner(n)->child[at];
  }
  path_.push_back({n, tree::lower_bound(tree::leaf(n), key)});
  settle();
}

void Cursor::next() {
  ++path_.back().index;
  settle();
}

// From a leaf position that may be past its end to the Item there, through the parents if need be.
void Cursor::settle() {
  while (path_.back().index >= path_.back().node->n) {
    path_.pop_back();
    if (path_.empty()) {
      item_ = nullptr;
      path_.push_back({nullptr, 0});
      return;
    }
    ++path_.back().index;
    while (path_.back().index < path_.back().node->n && !path_.back().node->leaf) {
      path_.push_back({tree::inner(path_.back().node)->child[path_.back().index], 0});
    }
  }
  item_ = tree::leaf(path_.back().node)->items[path_.back().index];
}

struct Tree::PutResult {
  Node* node = nullptr;
  Node* right = nullptr;
  const Separator* sep = nullptr;
};

Tree::Tree() : root_(tree::new_leaf(1)) {
  newest_ = std::make_shared<Snapshot>(View{root_, 0}, 0);
  ++epoch_;
}

Tree::~Tree() {
  // Everything reachable becomes garbage of the newest Snapshot, so that it goes when the last Snapshot does.
  Garbage& g = garbage_;
  std::vector<Node*> todo{root_};
  while (!todo.empty()) {
    Node* n = todo.back();
    todo.pop_back();
    g.nodes.push_back(n);
    if (n->leaf) {
      for (unsigned i = 0; i < n->n; ++i) {
        const Item* item = tree::leaf(n)->items[i];
        g.items.push_back(item);
        for (VersionBlock* b = item->older(); b != nullptr; b = b->prev) g.blocks.push_back(b);
      }
      continue;
    }
    for (unsigned i = 0; i < n->n; ++i) {
      if (i > 0) g.separators.push_back(tree::inner(n)->sep[i]);
      todo.push_back(tree::inner(n)->child[i]);
    }
  }
  newest_->garbage_ = std::move(garbage_);
}

SnapshotPtr Tree::publish(Revision revision, std::uint64_t state_hash) {
  auto made = std::make_shared<Snapshot>(View{root_, revision}, state_hash);
  newest_->garbage_ = std::move(garbage_);
  garbage_ = Garbage();
  newest_->next_ = made;
  newest_ = made;
  ++epoch_;
  return made;
}

template <class N>
N* Tree::writable(N* node) {
  if (node->epoch == epoch_) return node;
  N* copy = new N(*node);
  copy->epoch = epoch_;
  garbage_.nodes.push_back(node);
  return copy;
}

void Tree::drop_node(Node* node) {
  if (node->epoch == epoch_) {
    tree::free_node(node);
  } else {
    garbage_.nodes.push_back(node);
  }
}

void Tree::replace_chain(const Item* item, VersionBlock* chain) {
  VersionBlock* old = item->chain().exchange(chain, std::memory_order_acq_rel);
  for (; old != nullptr; old = old->prev) garbage_.blocks.push_back(old);
}

ItemPtr Tree::put(ItemPtr item) {
  const Item* raw = item.take();
  const Item* old = nullptr;
  PutResult r = put_in(root_, raw, &old);
  root_ = r.node;
  if (r.right != nullptr) {
    Inner* top = tree::new_inner(epoch_);
    top->n = 2;
    top->child[0] = r.node;
    top->child[1] = r.right;
    top->sep[1] = r.sep;
    top->live = r.node->live + r.right->live;
    tree::reindex(top);
    root_ = top;
  }
  if (old == nullptr) {
    ++keys_;
    return nullptr;
  }
  CHECK(old->rev() < raw->rev());
  chain(old, raw);
  garbage_.items.push_back(old);
  return ItemPtr(old);
}

void Tree::chain(const Item* old, const Item* now) {
  CHECK(now->follows());
  VersionBlock* block = old->older();
  if (block == nullptr || block->size.load(std::memory_order_relaxed) == block->capacity) {
    const std::uint32_t capacity = block == nullptr ? 3 : std::min<std::uint32_t>(block->capacity * 2, 256);
    block = VersionBlock::make(capacity, block);
  }
  const std::uint32_t n = block->size.load(std::memory_order_relaxed);
  block->slots()[n] = old->as_version();
  block->size.store(n + 1, std::memory_order_release);
  now->chain().store(block, std::memory_order_release);
}

void Tree::drop(const Item* item) {
  Garbage all;
  all.items.push_back(item);
  for (VersionBlock* b = item->older(); b != nullptr; b = b->prev) all.blocks.push_back(b);
}

Tree::PutResult Tree::put_in(Node* node, const Item* item, const Item** old) {
  if (node->leaf) {
    Leaf* l = writable(tree::leaf(node));
    const unsigned at = tree::lower_bound(l, item->key());
    if (at < l->n && l->items[at]->key() == item->key()) {
      *old = l->items[at];
      l->live += ((*old)->tombstone() ? 1U : 0U) - (item->tombstone() ? 1U : 0U);
      l->items[at] = item;
      return {l, nullptr, nullptr};
    }
    Leaf* to = l;
    unsigned pos = at;
    PutResult r{l, nullptr, nullptr};
    if (l->n == tree::kFanout) {
      Leaf* right = tree::new_leaf(epoch_);
      // Keys that come in rising order leave full leaves behind.
      const unsigned keep = at == l->n ? l->n : l->n / 2;
      for (unsigned i = keep; i < l->n; ++i) {
        right->items[right->n++] = l->items[i];
        right->live += l->items[i]->tombstone() ? 0 : 1;
      }
      l->n = static_cast<std::uint16_t>(keep);
      l->live -= right->live;
      tree::reindex(l);
      tree::reindex(right);
      if (at >= keep) {
        to = right;
        pos = at - keep;
      }
      r.right = right;
    }
    std::copy_backward(to->items + pos, to->items + to->n, to->items + to->n + 1);
    to->items[pos] = item;
    ++to->n;
    to->live += item->tombstone() ? 0 : 1;
    tree::index_inserted(to, pos);
    if (r.right != nullptr)
      r.sep = Separator::between(l->items[l->n - 1]->key(), tree::leaf(r.right)->items[0]->key());
    return r;
  }
  Inner* in = writable(tree::inner(node));
  const unsigned at = tree::child_index(in, item->key());
  in->live -= in->child[at]->live;
  PutResult below = put_in(in->child[at], item, old);
  in->child[at] = below.node;
  in->live += below.node->live;
  if (below.right == nullptr) return {in, nullptr, nullptr};
  in->live += below.right->live;
  std::copy_backward(in->child + at + 1, in->child + in->n, in->child + in->n + 1);
  std::copy_backward(in->sep + at + 1, in->sep + in->n, in->sep + in->n + 1);
  in->child[at + 1] = below.right;
  in->sep[at + 1] = below.sep;
  ++in->n;
  tree::index_inserted(in, at + 1);
  if (in->n <= tree::kFanout) return {in, nullptr, nullptr};
  Inner* right = tree::new_inner(epoch_);
  const unsigned keep = at + 2 == in->n ? in->n - 1U : in->n / 2U;
  for (unsigned i = keep; i < in->n; ++i) {
    right->child[right->n] = in->child[i];
    right->sep[right->n++] = in->sep[i];
    right->live += in->child[i]->live;
  }
  const Separator* up = right->sep[0];
  right->sep[0] = nullptr;
  in->n = static_cast<std::uint16_t>(keep);
  in->live -= right->live;
  tree::reindex(in);
  tree::reindex(right);
  return {in, right, up};
}

std::int64_t Tree::live() const {
  return root_->live;
}

void Tree::erase(std::string_view key) {
  erase_in(root_, key);
  while (!root_->leaf && root_->n == 1) {
    Node* only = tree::inner(root_)->child[0];
    drop_node(root_);
    root_ = only;
  }
  --keys_;
}

void Tree::erase_in(Node*& node, std::string_view key) {
  if (node->leaf) {
    Leaf* l = writable(tree::leaf(node));
    node = l;
    const unsigned at = tree::lower_bound(l, key);
    CHECK(at < l->n && l->items[at]->key() == key);
    const Item* item = l->items[at];
    std::copy(l->items + at + 1, l->items + l->n, l->items + at);
    std::copy(l->heads.at + at + 1, l->heads.at + l->n, l->heads.at + at);
    --l->n;
    l->live -= item->tombstone() ? 0 : 1;
    for (VersionBlock* b = item->older(); b != nullptr; b = b->prev) garbage_.blocks.push_back(b);
    garbage_.items.push_back(item);
    return;
  }
  Inner* in = writable(tree::inner(node));
  node = in;
  const unsigned at = tree::child_index(in, key);
  in->live -= in->child[at]->live;
  erase_in(in->child[at], key);
  in->live += in->child[at]->live;
  if (in->child[at]->n < tree::kUnderflow) fix_child(in, at);
}

// Merges a child that has become small into a neighbour where both fit in one node.
void Tree::fix_child(Node* parent, unsigned index) {
  Inner* in = tree::inner(parent);
  if (in->n < 2) return;
  unsigned left = index + 1 < in->n ? index : index - 1;
  if (in->child[left]->n + in->child[left + 1]->n > static_cast<int>(tree::kMergeMax)) {
    if (index == 0 || left != index) return;
    left = index - 1;
    if (in->child[left]->n + in->child[left + 1]->n > static_cast<int>(tree::kMergeMax)) return;
  }
  Node* from = in->child[left + 1];
  if (from->leaf) {
    Leaf* to = writable(tree::leaf(in->child[left]));
    std::copy(tree::leaf(from)->items, tree::leaf(from)->items + from->n, to->items + to->n);
    in->child[left] = to;
    garbage_.separators.push_back(in->sep[left + 1]);
  } else {
    Inner* to = writable(tree::inner(in->child[left]));
    std::copy(tree::inner(from)->child, tree::inner(from)->child + from->n, to->child + to->n);
    std::copy(tree::inner(from)->sep, tree::inner(from)->sep + from->n, to->sep + to->n);
    to->sep[to->n] = in->sep[left + 1];
    in->child[left] = to;
  }
  Node* merged = in->child[left];
  merged->n = static_cast<std::uint16_t>(merged->n + from->n);
  merged->live += from->live;
  if (merged->leaf) {
    tree::reindex(tree::leaf(merged));
  } else {
    tree::reindex(tree::inner(merged));
  }
  drop_node(from);
  std::copy(in->child + left + 2, in->child + in->n, in->child + left + 1);
  std::copy(in->sep + left + 2, in->sep + in->n, in->sep + left + 1);
  std::copy(in->heads.at + left + 2, in->heads.at + in->n, in->heads.at + left + 1);
  --in->n;
}

}  // namespace keelson::kvstore
