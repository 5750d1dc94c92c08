// The MVCC state machine against a std::map per revision: 10,000 random sequences, every historical revision
// compared.
#include "tests/kvstore/mvcc_model.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cstdlib>

#include "kvstore/server/command.h"

namespace keelson::kvstore {
namespace {

void same_kv(const KeyValue& a, const KeyValue& b) {
  RC_ASSERT(a.key.view() == b.key.view());
  RC_ASSERT(a.value.view() == b.value.view());
  RC_ASSERT(a.create_revision == b.create_revision);
  RC_ASSERT(a.mod_revision == b.mod_revision);
  RC_ASSERT(a.version == b.version);
  RC_ASSERT(a.lease == b.lease);
}

void same_kvs(const std::vector<KeyValue>& a, const std::vector<KeyValue>& b) {
  RC_ASSERT(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) same_kv(a[i], b[i]);
}

void same_range(const RangeResult& a, const RangeResult& b) {
  RC_ASSERT(a.revision == b.revision);
  RC_ASSERT(a.count == b.count);
  RC_ASSERT(a.more == b.more);
  same_kvs(a.kvs, b.kvs);
}

void same_ops(const std::vector<TxnOpResult>& a, const std::vector<TxnOpResult>& b) {
  RC_ASSERT(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    RC_ASSERT(a[i].kind == b[i].kind);
    RC_ASSERT(a[i].deleted == b[i].deleted);
    RC_ASSERT(a[i].prev_kv.has_value() == b[i].prev_kv.has_value());
    if (a[i].prev_kv) same_kv(*a[i].prev_kv, *b[i].prev_kv);
    same_kvs(a[i].prev_kvs, b[i].prev_kvs);
    same_range(a[i].range, b[i].range);
    RC_ASSERT(a[i].succeeded == b[i].succeeded);
    same_ops(a[i].responses, b[i].responses);
  }
}

// One store under test beside the model; `values` stands for the backend, so restart() can rebuild from it.
struct Both {
  Model model;
  MapValues values;
  std::unique_ptr<State> state = std::make_unique<State>(&values);
  Effects effects;
  std::map<LeaseId, std::int64_t> durable_leases;
  bool compaction_done = true;

  void commit() {
    for (const auto& c : effects.changes) values.stage(c.now);
    for (const auto& r : effects.dropped) {
      RC_ASSERT(values.all.erase(r) == 1U);
    }
    for (const auto& l : effects.leases) {
      if (l.ttl_s == 0) {
        durable_leases.erase(l.id);
      } else {
        durable_leases[l.id] = l.ttl_s;
      }
    }
    effects = {};
    state->publish();
  }

  void restart() {
    const auto hash = state->state_hash();
    const auto revision = state->working_revision();
    const auto compacted = state->compacted().load();
    const bool done = !state->compacting();
    state = std::make_unique<State>(&values);
    for (const auto& [id, ttl] : durable_leases) state->load_lease(id, ttl, {});
    for (const auto& [rev, item] : values.all) {
      ItemFields f{rev, item->create(), item->version(), item->lease(), item->tombstone()};
      state->load_version(f, item->key(), item->value());
    }
    state->finish_load(revision, compacted, done);
    RC_ASSERT(state->state_hash() == hash);
  }

  void txn(RequestMaker& make) {
    const TxnRequest t = make.txn(model.revision(), 2);
    if (!validate(t, 128)) return;
    const auto command = decode_command(Bytes(encode_txn(t)));
    RC_ASSERT(command.has_value());
    auto want = model.txn(t);
    auto got = state->txn(command->txn, effects);
    commit();
    RC_ASSERT(got.has_value() == want.has_value());
    if (!got) {
      RC_ASSERT(got.error().message == want.error().message);
      return;
    }
    RC_ASSERT(got->revision == want->revision);
    RC_ASSERT(got->succeeded == want->succeeded);
    same_ops(got->responses, want->responses);
  }

  void range(RequestMaker& make, const SnapshotPtr& snapshot) {
    const RangeRequest r = make.range_request(snapshot->revision());
    auto got = read_range(snapshot->view(), state->read_context(), r);
    if (r.revision > snapshot->revision()) {
      RC_ASSERT(got.error().message == future_revision_error().message);
    } else if (r.revision > 0 && r.revision < model.compacted && r.revision != snapshot->revision()) {
      RC_ASSERT(got.error().message == compacted_error().message);
    } else {
      const Revision at = r.revision > 0 ? r.revision : snapshot->revision();
      same_range(*got, model.range(r, model.at(at), snapshot->revision()));
    }
  }

  void compact(Rng& rng) {
    const Revision at = rng.between(0, model.revision() + 1);
    auto r = state->compact(at);
    RC_ASSERT(r.has_value() == (at > model.compacted && at <= model.revision()));
    if (r) model.compacted = at;
    commit();
  }

  void check_history() {
    const auto snapshot = state->snapshot();
    RC_ASSERT(snapshot->revision() == model.revision());
    RangeRequest all;
    all.key = std::string(1, '\0');
    all.end = std::string(1, '\0');
    for (Revision at = std::max<Revision>(1, model.compacted); at <= model.revision(); ++at) {
      all.revision = at;
      auto got = read_range(snapshot->view(), state->read_context(), all);
      RC_ASSERT(got.has_value());
      same_range(*got, model.range(all, model.at(at), model.revision()));
    }
    // Deleted keys that nothing needs are gone from the index too.
    if (model.compacted == model.revision() && !state->compacting()) {
      std::size_t tombstones = 0;
      for (const auto& [rev, item] : values.all) tombstones += item->tombstone() ? 1 : 0;
      RC_ASSERT(state->keys() == model.now().size() + tombstones);
      RC_ASSERT(values.all.size() == model.now().size() + tombstones);
    }
  }
};

// What all sequences did, so that a run that tests nothing is noticed.
struct Totals {
  std::size_t sequences = 0, steps = 0, revisions = 0, versions_dropped = 0, restarts = 0;
} totals;

void run_sequence(const std::vector<std::uint32_t>& steps) {
  Both both;
  ++totals.sequences;
  totals.steps += steps.size();
  std::vector<std::pair<SnapshotPtr, Revision>> held;  // readers that keep old roots
  for (std::uint32_t step : steps) {
    Rng rng(step);
    RequestMaker make(rng);
    switch (rng.below(20)) {
      default:
        both.txn(make);
        break;
      case 0:
        both.compact(rng);
        break;
      case 1:
        both.state->compact_step(1 + rng.below(5), both.effects);
        both.commit();
        break;
      case 2: {
        const auto id = static_cast<LeaseId>(1 + rng.below(4));
        RC_ASSERT(both.state->lease_grant(id, 10, {}, both.effects).has_value() ==
                  both.model.leases.insert(id).second);
        both.commit();
        break;
      }
      case 3: {
        const auto id = static_cast<LeaseId>(1 + rng.below(4));
        const bool there = both.model.leases.contains(id);
        RC_ASSERT(both.state->lease_revoke(id, both.effects).has_value() == there);
        both.commit();
        if (there) both.model.lease_revoke(id);
        break;
      }
      case 4:
        ++totals.restarts;
        held.clear();  // Snapshots belong to the State that goes
        both.restart();
        break;
      case 5:
        held.emplace_back(both.state->snapshot(), both.model.revision());
        break;
      case 6:
      case 7:
        both.range(make, both.state->snapshot());
        if (!held.empty()) both.range(make, held[rng.below(held.size())].first);
        break;
    }
    RC_ASSERT(both.state->working_revision() == both.model.revision());
  }
  while (!both.state->compact_step(3, both.effects)) both.commit();
  both.commit();
  both.check_history();
  totals.revisions += static_cast<std::size_t>(both.model.revision());
  totals.versions_dropped += both.model.events.size() - both.values.all.size();
  for (const auto& [snapshot, revision] : held) RC_ASSERT(snapshot->revision() == revision);
}

TEST(MvccModel, TenThousandRandomSequences) {
  // RC_PARAMS may ask for more, or for a seed again.
  if (std::getenv("RC_PARAMS") == nullptr) setenv("RC_PARAMS", "max_success=10000 max_size=200", 1);
  EXPECT_TRUE(rc::check("every revision of the store equals the model's",
                        [](const std::vector<std::uint32_t>& steps) { run_sequence(steps); }));
  EXPECT_GE(totals.sequences, 10000u);
  EXPECT_GT(totals.steps, 400000u);
  EXPECT_GT(totals.revisions, 100000u);
  EXPECT_GT(totals.versions_dropped, 30000u);
  EXPECT_GT(totals.restarts, 5000u);
}

// Longer and wider than what rapidcheck makes: many keys, so that nodes split and merge.
TEST(MvccModel, TreeSplitsAndMerges) {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    Rng rng(seed);
    MapValues values;
    State state(&values);
    Effects effects;
    std::map<std::string, std::string> want;
    std::vector<std::pair<SnapshotPtr, std::map<std::string, std::string>>> held;
    const int rounds = 60;
    for (int round = 0; round < rounds; ++round) {
      const bool growing = round < rounds / 2;
      for (int i = 0; i < 300; ++i) {
        const auto n = seed % 2 == 0 ? static_cast<std::uint64_t>(round * 300 + i) : rng.below(1 << 13);
        // Prefixes of several lengths, keys that are prefixes of others, zero bytes at the end.
        static const std::string prefixes[] = {"key/", "/registry/pods/some-long-namespace/", "k",
                                               "/registry/pods/"};
        const std::string key =
            prefixes[n % 7 % 4] + std::to_string(n % 8192) + std::string(n % 5, n % 11 == 0 ? '\0' : 'x');
        TxnRequest t;
        TxnOp& op = t.success.emplace_back();
        if (growing || rng.below(10) == 0) {
          op.kind = TxnOp::Kind::kPut;
          op.put.key = key;
          op.put.value = Bytes(std::to_string(i));
          want[key] = std::to_string(i);
        } else {
          op.kind = TxnOp::Kind::kDelete;
          op.del.key = key;
          if (rng.below(20) == 0) op.del.end = key + "~";
          want.erase(want.lower_bound(key),
                     op.del.end.empty() ? want.upper_bound(key) : want.lower_bound(op.del.end));
        }
        ASSERT_TRUE(state.txn(t, effects));
      }
      for (const auto& c : effects.changes) values.stage(c.now);
      effects = {};
      if (round % 7 == 3) {
        ASSERT_TRUE(state.compact(state.working_revision()));
        while (!state.compact_step(500, effects)) {
        }
      }
      state.publish();
      if (round % 9 == 0) held.emplace_back(state.snapshot(), want);
      if (held.size() > 3) held.erase(held.begin());
      const auto snapshot = state.snapshot();
      ASSERT_EQ(snapshot->view().count({"\x01", std::string_view("\0", 1)}),
                static_cast<std::int64_t>(want.size()));
      const std::string a = "key/" + std::to_string(rng.below(8192));
      const std::string b = a + "z";
      ASSERT_EQ(snapshot->view().count({a, b}), std::distance(want.lower_bound(a), want.lower_bound(b)));
    }
    held.emplace_back(state.snapshot(), want);
    for (const auto& [snapshot, map] : held) {
      auto it = map.begin();
      for (Cursor c(snapshot->view(), ""); c.item() != nullptr; c.next()) {
        if (c.item()->tombstone()) continue;
        ASSERT_NE(it, map.end());
        ASSERT_EQ(c.item()->key(), it->first);
        ASSERT_EQ(c.item()->value(), it->second);
        ASSERT_EQ(snapshot->view().find(it->first), c.item());
        ++it;
      }
      ASSERT_EQ(it, map.end());
    }
  }
}

}  // namespace
}  // namespace keelson::kvstore
