// IntervalTree: which of many key ranges contain a key, in O(log n + matches). A treap ordered by start whose
// nodes know the greatest end below them; priorities come from the ids, so that equal contents give equal
// shapes. Thread rule: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace keelson::kvstore {

class IntervalTree {
 public:
  // Adds [start, end); an empty `end` has no bound above. REQUIRES: `id` is new.
  void add(std::uint64_t id, std::string start, std::string end, void* payload);
  // REQUIRES: it was added with this start.
  void remove(std::uint64_t id, std::string_view start);
  // Calls visit(payload) for every range that contains `key`, by rising (start, id).
  template <class Visit>
  void stab(std::string_view key, Visit&& visit) const {
    stab_in(root_.get(), key, visit);
  }
  std::size_t size() const { return size_; }

 private:
  struct Node {
    std::uint64_t id;
    std::uint64_t priority;
    std::string start;
    std::string end;
    std::string_view max_end;  // of a node's subtree; views some node's `end`, empty is no bound
    void* payload;
    std::unique_ptr<Node> left;
    std::unique_ptr<Node> right;
  };
  using Link = std::unique_ptr<Node>;

  static bool reaches(std::string_view end, std::string_view key) { return end.empty() || key < end; }
  static void update(Node* n);
  static void rotate(Link& top, bool left_up);
  static void add_in(Link& top, Link added);
  static void remove_in(Link& top, std::uint64_t id, std::string_view start);

  template <class Visit>
  static void stab_in(const Node* n, std::string_view key, Visit& visit) {
    if (n == nullptr || !reaches(n->max_end, key)) return;
    stab_in(n->left.get(), key, visit);
    if (key < n->start) return;
    if (reaches(n->end, key)) visit(n->payload);
    stab_in(n->right.get(), key, visit);
  }

  Link root_;
  std::size_t size_ = 0;
};

}  // namespace keelson::kvstore
