#include "kvstore/mvcc/interval_tree.h"

#include <tuple>
#include <utility>

#include "base/check.h"

namespace keelson::kvstore {
namespace {

std::uint64_t scramble(std::uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
  return x ^ (x >> 31);
}

}  // namespace

void IntervalTree::update(Node* n) {
  n->max_end = n->end;
  for (const Node* child : {n->left.get(), n->right.get()}) {
    if (child == nullptr || n->max_end.empty()) continue;
    if (child->max_end.empty() || child->max_end > n->max_end) n->max_end = child->max_end;
  }
}

void IntervalTree::rotate(Link& top, bool left_up) {
  Link up = std::move(left_up ? top->left : top->right);
  Link& inner = left_up ? up->right : up->left;
  (left_up ? top->left : top->right) = std::move(inner);
  update(top.get());
  inner = std::move(top);
  update(up.get());
  top = std::move(up);
}

void IntervalTree::add_in(Link& top, Link added) {
  if (top == nullptr) {
    top = std::move(added);
    update(top.get());
    return;
  }
  const bool left = std::tie(added->start, added->id) < std::tie(top->start, top->id);
  add_in(left ? top->left : top->right, std::move(added));
  if ((left ? top->left : top->right)->priority > top->priority) {
    rotate(top, left);
  } else {
    update(top.get());
  }
}

void IntervalTree::remove_in(Link& top, std::uint64_t id, std::string_view start) {
  CHECK(top != nullptr);
  if (top->id == id) {
    if (top->left == nullptr || top->right == nullptr) {
      Link rest = std::move(top->left ? top->left : top->right);
      top = std::move(rest);
      return;
    }
    const bool left_up = top->left->priority > top->right->priority;
    rotate(top, left_up);
    remove_in(left_up ? top->right : top->left, id, start);
  } else {
    const bool left = std::pair(start, id) < std::pair<std::string_view, std::uint64_t>(top->start, top->id);
    remove_in(left ? top->left : top->right, id, start);
  }
  update(top.get());
}

void IntervalTree::add(std::uint64_t id, std::string start, std::string end, void* payload) {
  auto node = std::make_unique<Node>();
  node->id = id;
  node->priority = scramble(id + 1);
  node->start = std::move(start);
  node->end = std::move(end);
  node->payload = payload;
  add_in(root_, std::move(node));
  ++size_;
}

void IntervalTree::remove(std::uint64_t id, std::string_view start) {
  remove_in(root_, id, start);
  --size_;
}

}  // namespace keelson::kvstore
