// Tree: the in-memory copy-on-write B+tree key → newest Item (item.h). One writer changes it and publishes
// Snapshots; any number of readers walk a Snapshot without locks.
//
// Copy-on-write: a node made since the last publish() is changed in place, an older one is copied, so a batch
// of writes copies each node once. Nothing in the tree is reference-counted per node: what a publish()
// replaces is listed as garbage in the *previous* Snapshot, and each Snapshot holds its successor, so a
// Snapshot is destroyed only when nobody can reach it or anything older: exactly then its garbage is free. A
// reader that keeps a Snapshot keeps all garbage made since.
//
//   S1{garbage of S1→S2} ──▶ S2{garbage of S2→S3} ──▶ S3 (newest, held by the tree)
//
// Thread rule: Tree: the writer's thread only. Snapshot, View, Cursor: any thread; share Snapshots by
// shared_ptr.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "kvstore/mvcc/item.h"
#include "kvstore/mvcc/run_both.h"

namespace keelson::kvstore {

namespace tree {
struct Node;
struct Separator;
}  // namespace tree

// What becomes free at once: nodes, separators, Items (the tree's reference), version blocks.
struct Garbage {
  Garbage() = default;
  Garbage(Garbage&&) = default;
  Garbage& operator=(Garbage&&) = default;
  ~Garbage();
  std::vector<tree::Node*> nodes;
  std::vector<const tree::Separator*> separators;
  std::vector<const Item*> items;
  std::vector<VersionBlock*> blocks;
};

// A half-open range of keys in etcd's spelling (store.h): `end` empty is the one key, "\0" is "from key on".
struct KeyRange {
  std::string_view key;
  std::string_view end;
  bool single() const { return end.empty(); }
  bool unbounded() const { return end.size() == 1 && end[0] == '\0'; }
  bool contains(std::string_view k) const {
    if (single()) return k == key;
    return k >= key && (unbounded() || k < end);
  }
};

// A root to read from: of a Snapshot, or the writer's own working root. Does not own.
struct View {
  const tree::Node* root = nullptr;
  Revision revision = 0;

  // nullptr when the key was never there or is compacted away; may be a tombstone.
  const Item* find(std::string_view key) const;
  // Live (not deleted) keys of the range at the View's revision, in O(log n).
  std::int64_t count(const KeyRange& range) const;
};

class Snapshot {
 public:
  Snapshot(View view, std::uint64_t state_hash) : view_(view), state_hash_(state_hash) {}
  ~Snapshot();
  Snapshot(const Snapshot&) = delete;
  Snapshot& operator=(const Snapshot&) = delete;

  const View& view() const { return view_; }
  Revision revision() const { return view_.revision; }
  std::uint64_t state_hash() const { return state_hash_; }

 private:
  friend class Tree;
  const View view_;
  const std::uint64_t state_hash_;
  Garbage garbage_;
  std::shared_ptr<Snapshot> next_;
};
using SnapshotPtr = std::shared_ptr<const Snapshot>;

// Walks Items (tombstones too) in key order. The View must stay alive and unchanged.
class Cursor {
 public:
  // Stands on the first key >= `key`.
  Cursor(const View& view, std::string_view key);
  const Item* item() const { return item_; }  // nullptr at the end
  void next();

 private:
  struct Level {
    const tree::Node* node;
    unsigned index;
  };
  void settle();
  std::vector<Level> path_;
  const Item* item_ = nullptr;
};

class Tree {
 public:
  Tree();
  // REQUIRES: no reader still walks a Snapshot (they may still hold Items and Bytes).
  ~Tree();
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  // Puts `item` in the place of its key's newest version, which joins the chain. Returns the one replaced, or
  // nullptr. REQUIRES: item->rev() is newer than the one there, and item->follows() if there is one; the Item
  // is in no tree.
  ItemPtr put(ItemPtr item);
  // Drops from a key's chain what `keep(version)` refuses; the newest version is not asked about. Reports
  // each dropped revision to `dropped`.
  template <class Keep>
  void trim(const Item* item, Keep keep, std::vector<FullRevision>& dropped);
  // Forgets the key and its chain. REQUIRES: it is there.
  void erase(std::string_view key);
  // Makes the tree of these Items, whose references it takes over. REQUIRES: it is empty, their keys rise.
  void build(std::span<const Item* const> items, const RunBoth& run_both);
  // Adds `old`, with its chain, to the versions before `now`. REQUIRES: now->follows(), it has none yet and
  // is newer.
  static void chain(const Item* old, const Item* now);
  // Frees an Item that never came into a tree, and its chain.
  static void drop(const Item* item);

  // The writer's own newest state.
  View working(Revision revision) const { return {root_, revision}; }
  static ItemPtr share(const Item* item) { return ItemPtr(item); }
  // Makes everything written so far visible as one Snapshot.
  SnapshotPtr publish(Revision revision, std::uint64_t state_hash);
  std::size_t keys() const { return keys_; }
  // Those of them that are not deleted.
  std::int64_t live() const;

 private:
  struct PutResult;
  PutResult put_in(tree::Node* node, const Item* item, const Item** old);
  void erase_in(tree::Node*& node, std::string_view key);
  void fix_child(tree::Node* parent, unsigned index);
  template <class N>
  N* writable(N* node);
  void drop_node(tree::Node* node);
  void replace_chain(const Item* item, VersionBlock* chain);

  tree::Node* root_;
  std::uint64_t epoch_ = 1;
  std::size_t keys_ = 0;
  Garbage garbage_;
  std::shared_ptr<Snapshot> newest_;
};

template <class Keep>
void Tree::trim(const Item* item, Keep keep, std::vector<FullRevision>& dropped) {
  std::vector<VersionRef> kept;
  std::size_t before = dropped.size();
  std::vector<const VersionBlock*> blocks;
  for (const VersionBlock* b = item->older(); b != nullptr; b = b->prev) blocks.push_back(b);
  for (auto it = blocks.rbegin(); it != blocks.rend(); ++it) {
    const VersionRef* slots = (*it)->slots();
    for (std::uint32_t i = 0; i < (*it)->size.load(std::memory_order_relaxed); ++i) {
      if (keep(slots[i])) {
        kept.push_back(slots[i]);
      } else {
        dropped.push_back(slots[i].rev());
      }
    }
  }
  if (dropped.size() == before) return;
  VersionBlock* chain = nullptr;
  if (!kept.empty()) {
    chain = VersionBlock::make(static_cast<std::uint32_t>(kept.size()), nullptr);
    for (std::size_t i = 0; i < kept.size(); ++i) chain->slots()[i] = kept[i];
    chain->size.store(static_cast<std::uint32_t>(kept.size()), std::memory_order_release);
  }
  replace_chain(item, chain);
}

}  // namespace keelson::kvstore
