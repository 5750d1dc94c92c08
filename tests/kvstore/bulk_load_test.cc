// What a store loads at once must be the very tree that it would have grown.
#include <gtest/gtest.h>

#include "base/rng.h"
#include "kvstore/mvcc/state.h"
#include "tests/kvstore/mvcc_model.h"

namespace keelson::kvstore {
namespace {

// Keys that share long prefixes, are prefixes of one another, and differ in zeros and ends only.
std::string some_key(Rng& rng) {
  switch (rng.below(4)) {
    case 0:
      return "k" + std::string(rng.below(60), '\0');
    case 1:
      return "/registry/pods/ns-" + std::to_string(rng.below(50)) + "/a-pod-of-a-deployment-" +
             std::to_string(rng.below(2000));
    case 2:
      return std::string(1 + rng.below(40), static_cast<char>(rng.below(2) * 255));
    default:
      return std::string(1, static_cast<char>(rng.below(256))) + std::to_string(rng.below(5000));
  }
}

std::string dump(const State& state, Revision compacted) {
  std::string out;
  const auto snapshot = state.snapshot();
  for (Cursor c(snapshot->view(), ""); c.item() != nullptr; c.next()) {
    const Item& i = *c.item();
    out += std::string(i.key()) + '=' + std::string(i.value()) + '@' + std::to_string(i.rev().main);
    for (Revision r = i.rev().main - 1; r > compacted;) {
      const VersionRef* v = i.older_at(r);
      if (v == nullptr) break;
      out += ',' + std::to_string(v->main) + (v->tombstone != 0 ? "t" : "");
      r = v->main - 1;
    }
    out += '\n';
  }
  return out;
}

TEST(BulkLoad, MakesTheSameTreeAsWriting) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    Rng rng(seed);
    MapValues values;
    State written(&values);
    Effects effects;
    // The last has so many keys that two threads share them.
    const std::size_t writes = seed == 12 ? 250000 : rng.below(seed % 3 == 0 ? 60 : 20000);
    for (std::size_t i = 0; i < writes; ++i) {
      TxnRequest t;
      auto& op = t.success.emplace_back();
      op.kind = rng.below(8) == 0 ? TxnOp::Kind::kDelete : TxnOp::Kind::kPut;
      op.put.key = op.del.key = some_key(rng);
      op.put.value = Bytes(std::to_string(i));
      ASSERT_TRUE(written.txn(t, effects));
    }
    written.publish();
    State loaded(&values);
    for (const Change& c : effects.changes) {
      const Item& i = *c.now;
      loaded.load_version({i.rev(), i.create(), i.version(), i.lease(), i.tombstone()}, i.key(), i.value());
    }
    EXPECT_EQ(loaded.state_hash(), written.state_hash());
    loaded.finish_load(written.revision(), 0, true);
    EXPECT_EQ(loaded.keys(), written.keys());
    EXPECT_EQ(loaded.stored_bytes(), written.stored_bytes());
    ASSERT_EQ(dump(loaded, 0), dump(written, 0)) << "seed " << seed;
    // Both go on alike: counts, splits and merges stand on what was built.
    for (int i = 0; i < 3000; ++i) {
      TxnRequest t;
      auto& op = t.success.emplace_back();
      op.kind = rng.below(2) == 0 ? TxnOp::Kind::kDelete : TxnOp::Kind::kPut;
      op.put.key = op.del.key = some_key(rng);
      effects = {};
      ASSERT_TRUE(written.txn(t, effects));
      ASSERT_TRUE(loaded.txn(t, effects));
    }
    written.publish();
    loaded.publish();
    for (State* s : {&written, &loaded}) {
      ASSERT_TRUE(s->compact(written.revision()));
      while (!s->compact_step(100, effects)) {
      }
      s->publish();
    }
    EXPECT_EQ(dump(loaded, written.revision()), dump(written, written.revision()));
    const KeyRange range{"/", "0"};
    EXPECT_EQ(loaded.snapshot()->view().count(range), written.snapshot()->view().count(range));
    EXPECT_EQ(loaded.state_hash(), written.state_hash());
  }
}

TEST(BulkLoad, IsDroppedUnfinished) {
  MapValues values;
  State state(&values);
  for (Revision r = 2; r < 100; ++r) state.load_version({{r, 0}, 2, r, 0, false}, r % 2 == 0 ? "a" : "b", "v");
}

}  // namespace
}  // namespace keelson::kvstore
