// Watches against the model: whatever happens around them (slow readers, overflow, compaction, restarts of
// the reader), the events of a watch are exactly the model's, in order, none lost or repeated, or the watch
// says why it ended.
#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>

#include "base/async.h"
#include "kvstore/server/watch_stream.h"
#include "tests/kvstore/mvcc_model.h"

namespace keelson::kvstore {
namespace {

struct Reader {
  WatchRequest request;
  Revision from = 0;
  std::unique_ptr<EmbeddedWatch> watch;
  std::vector<ModelEvent> seen;
  Revision progress = 0;
  std::optional<Error> ended;
  int budget = 0;  // how many batches it may still take: a slow reader has few
  AsyncEvent more;
};

ModelEvent to_model(const Event& e, bool with_prev) {
  auto value_of = [](const KeyValue& kv) {
    return ModelValue{std::string(kv.value.view()), kv.create_revision, kv.mod_revision, kv.version,
                      kv.lease};
  };
  ModelEvent m;
  m.revision = e.kv.mod_revision;
  m.key = e.kv.key.view();
  m.tombstone = e.type == Event::Type::kDelete;
  if (!m.tombstone) m.value = value_of(e.kv);
  m.had_prev = with_prev && e.prev_kv.has_value();
  if (m.had_prev) m.prev = value_of(*e.prev_kv);
  return m;
}

Task<> read_all(Reader* r) {
  for (;;) {
    while (r->budget <= 0) {
      r->more.reset();
      co_await r->more.wait();
    }
    --r->budget;
    auto batch = co_await r->watch->next();
    if (!batch) {
      r->ended = batch.error();
      co_return;
    }
    // Nothing after a batch may be at or below its revision.
    EXPECT_GE(batch->revision, r->progress);
    for (const auto& e : batch->events) {
      EXPECT_GT(e.kv.mod_revision, r->progress);
      EXPECT_LE(e.kv.mod_revision, batch->revision);
      r->seen.push_back(to_model(e, r->request.prev_kv));
    }
    r->progress = batch->revision;
  }
}

class World {
 public:
  explicit World(std::uint64_t seed) : rng(seed), make(rng) {}

  void write() {
    const TxnRequest t = make.txn(model.revision(), 1);
    if (!validate(t, 128)) return;
    auto want = model.txn(t);
    const std::size_t before = effects.changes.size();
    auto got = state.txn(t, effects);
    ASSERT_EQ(got.has_value(), want.has_value());
    // So that a later command of the same batch can read it as history, as the Replica does.
    for (std::size_t i = before; i < effects.changes.size(); ++i) values.stage(effects.changes[i].now);
    if (rng.below(3) != 0) commit();  // several commands are dispatched together
  }

  void commit() {
    for (const auto& r : effects.dropped) values.all.erase(r);
    state.publish();
    if (rng.below(4) == 0) add();  // between publish and dispatch: the race that add() is made for
    hub.dispatch(effects.changes, state.working_revision());
    effects = {};
  }

  void add() {
    auto r = std::make_unique<Reader>();
    std::tie(r->request.key, r->request.end) = make.range();
    r->request.prev_kv = rng.below(2) == 0;
    r->request.no_put = rng.below(6) == 0;
    r->request.no_delete = rng.below(6) == 0;
    if (rng.below(3) != 0) r->request.start_revision = rng.between(1, state.revision() + 6);
    r->from = r->request.start_revision > 0 ? r->request.start_revision : state.revision() + 1;
    EmbeddedWatch::Options options;
    options.buffer_events = 1 + rng.below(12);
    r->watch = std::make_unique<EmbeddedWatch>(state, hub, r->request, options);
    group.spawn(io.get_executor(), read_all(r.get()));
    readers.push_back(std::move(r));
  }

  void feed(Reader& r, int batches) {
    r.budget += batches;
    r.more.set();
  }

  void settle() {
    io.restart();
    io.poll();
  }

  // The model's events that `r` must have seen so far, up to the end or as many as it has.
  std::vector<ModelEvent> expected(const Reader& r) const {
    std::vector<ModelEvent> out;
    for (ModelEvent e : model.events) {
      if (e.revision < r.from || !KeyRange{r.request.key, r.request.end}.contains(e.key)) continue;
      if (e.tombstone ? r.request.no_delete : r.request.no_put) continue;
      if (!r.request.prev_kv) {
        e.had_prev = false;
        e.prev = {};
      }
      out.push_back(e);
    }
    return out;
  }

  void check(const Reader& r, bool all) const {
    auto want = expected(r);
    if (all && !r.ended) ASSERT_EQ(r.seen.size(), want.size());
    ASSERT_LE(r.seen.size(), want.size());
    for (std::size_t i = 0; i < r.seen.size(); ++i) {
      ModelEvent e = want[i];
      // A previous value may be compacted away.
      if (!r.seen[i].had_prev && e.had_prev && e.prev.mod <= model.compacted) {
        e.had_prev = false;
        e.prev = {};
      }
      ASSERT_EQ(r.seen[i].revision, e.revision);
      ASSERT_EQ(r.seen[i], e);
    }
    if (!r.ended) return;
    if (r.ended->code == Code::kOutOfRange) {
      ++compacted_ends;
      ASSERT_GT(r.watch->compacted(), r.from);
      ASSERT_LE(r.watch->compacted(), model.compacted);
    } else {
      ++slow_ends;
      ASSERT_EQ(r.ended->code, Code::kResourceExhausted);
    }
  }

  Rng rng;
  RequestMaker make;
  Model model;
  MapValues values;
  State state{&values};
  WatchHub hub;
  Effects effects;
  boost::asio::io_context io;
  TaskGroup group;
  std::vector<std::unique_ptr<Reader>> readers;
  mutable int compacted_ends = 0;
  mutable int slow_ends = 0;
};

TEST(WatchModel, EveryWatchSeesExactlyTheModelsEvents) {
  std::size_t events = 0;
  int compacted = 0;
  int slow = 0;
  for (std::uint64_t seed = 0; seed < 1500; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    World w(seed);
    for (int step = 0; step < 60; ++step) {
      switch (w.rng.below(13)) {
        case 0:
          w.add();
          break;
        case 1:
          w.commit();
          break;
        case 2:
          if (!w.readers.empty())
            w.feed(*w.readers[w.rng.below(w.readers.size())], 1 + static_cast<int>(w.rng.below(4)));
          break;
        case 3:
          for (auto& r : w.readers) w.feed(*r, 2);
          w.settle();
          break;
        case 4:
          if (w.rng.below(6) == 0) {
            const Revision at = w.rng.between(w.model.compacted, w.state.working_revision());
            if (w.state.compact(at)) w.model.compacted = at;
          }
          w.state.compact_step(3, w.effects);
          break;
        case 5:
          if (!w.readers.empty()) w.readers[w.rng.below(w.readers.size())]->watch->request_progress();
          break;
        case 6:  // as after an installed snapshot: nobody knows what was left out
          w.commit();
          w.hub.resync(w.state.revision(), true);
          break;
        default:
          w.write();
      }
    }
    w.commit();
    // Everybody drains; whoever was overrun while catching up catches up again.
    for (int i = 0; i < 3; ++i) {
      for (auto& r : w.readers) w.feed(*r, 1000000);
      w.settle();
    }
    for (auto& r : w.readers) {
      r->watch->request_progress();
    }
    w.settle();
    for (auto& r : w.readers) {
      w.check(*r, true);
      if (testing::Test::HasFatalFailure()) return;
      if (!r->ended) EXPECT_GE(r->progress, w.state.revision());
      events += r->seen.size();
    }
    compacted += w.compacted_ends;
    slow += w.slow_ends;
    w.group.cancel();
    w.settle();
    w.readers.clear();
  }
  EXPECT_GT(events, 20000u);
  EXPECT_GT(compacted, 50);
  EXPECT_GT(slow, 50);
}

// The interval tree against a list, with removals.
TEST(IntervalTree, StabsWhatAListStabs) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed);
    IntervalTree tree;
    struct One {
      std::uint64_t id;
      std::string start, end;
    };
    std::vector<std::unique_ptr<One>> list;
    auto word = [&] { return std::string(1 + rng.below(2), static_cast<char>('a' + rng.below(6))); };
    for (std::uint64_t step = 0; step < 200; ++step) {
      if (rng.below(3) == 0 && !list.empty()) {
        const auto at = rng.below(list.size());
        tree.remove(list[at]->id, list[at]->start);
        list.erase(list.begin() + static_cast<std::ptrdiff_t>(at));
      } else {
        auto one = std::make_unique<One>(One{step, word(), rng.below(6) == 0 ? "" : word()});
        tree.add(one->id, one->start, one->end, one.get());
        list.push_back(std::move(one));
      }
      const auto key = word();
      std::set<void*> got;
      tree.stab(key, [&](void* p) { EXPECT_TRUE(got.insert(p).second); });
      std::set<void*> want;
      for (auto& o : list) {
        if (key >= o->start && (o->end.empty() || key < o->end)) want.insert(o.get());
      }
      ASSERT_EQ(got, want);
    }
  }
}

}  // namespace
}  // namespace keelson::kvstore
