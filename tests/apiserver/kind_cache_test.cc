// The cache of one kind: snapshots, windows, indexed watchers, and many watchers against one feeder.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "api/gen/core_v1.h"
#include "apiserver/object_meta.h"
#include "apiserver/strategy.h"
#include "apiserver/watch_cache.h"

namespace keelson::apiserver {
namespace {

VersionPtr pod(std::string ns, std::string name, std::int64_t revision, std::string node = "") {
  auto object = api::Object::make(api::core_v1::Pod::kind_info());
  auto p = api::core_v1::PodMut::of(*object);
  p.mutable_metadata().set_namespace(ns);
  p.mutable_metadata().set_name(name);
  if (!node.empty()) p.mutable_spec().set_node_name(node);
  set_resource_version(*object, revision);
  return make_version(api::freeze(std::move(object)), revision);
}

std::vector<std::int64_t> revisions(Watcher& watcher) {
  std::vector<std::int64_t> out;
  for (auto& e : watcher.take().events) out.push_back(e->revision);
  return out;
}

class KindCacheTest : public ::testing::Test {
 protected:
  std::atomic<std::int64_t> applied_{0};
  KindCache cache_{api::core_v1::Pod::kind_info(), "/registry/pods/", &pod_node_name, applied_, 4};
};

TEST_F(KindCacheTest, SnapshotsAreByNamespaceAndInKeyOrder) {
  cache_.put("b/x", pod("b", "x", 1));
  cache_.put("a/z", pod("a", "z", 2));
  cache_.put("a/y", pod("a", "y", 3));
  auto all = cache_.list("");
  ASSERT_EQ(all.items.size(), 3u);
  EXPECT_EQ(all.items[0]->object()->name(), "y");
  EXPECT_EQ(all.revision, 3);
  EXPECT_EQ(cache_.list("b/").items.size(), 1u);
  cache_.erase("a/y", 4);
  EXPECT_EQ(cache_.get("a/y"), nullptr);
  EXPECT_EQ(cache_.list("a/").items.size(), 1u);
}

TEST_F(KindCacheTest, WatchersGetOnlyWhatConcernsThem) {
  auto everything = cache_.watch({}, 0, nullptr);
  auto in_a = cache_.watch({"a", "", ""}, 0, nullptr);
  auto only_x = cache_.watch({"a", "x", ""}, 0, nullptr);
  auto on_n = cache_.watch({"", "", "n"}, 0, nullptr);
  cache_.put("a/x", pod("a", "x", 1));
  cache_.put("b/x", pod("b", "x", 2));
  cache_.put("a/y", pod("a", "y", 3, "n"));
  cache_.put("a/y", pod("a", "y", 4, "m"));  // leaves n: its watcher must hear of it
  EXPECT_EQ(revisions(*everything), (std::vector<std::int64_t>{1, 2, 3, 4}));
  EXPECT_EQ(revisions(*in_a), (std::vector<std::int64_t>{1, 3, 4}));
  EXPECT_EQ(revisions(*only_x), (std::vector<std::int64_t>{1}));
  EXPECT_EQ(revisions(*on_n), (std::vector<std::int64_t>{3, 4}));
}

TEST_F(KindCacheTest, OldRevisionsAreServedFromTheWindowOrRefused) {
  for (int i = 1; i <= 6; ++i) cache_.put("a/x", pod("a", "x", i));
  EXPECT_EQ(cache_.window_low(), 2);
  EXPECT_EQ(cache_.watch({}, 1, nullptr), nullptr);
  auto w = cache_.watch({}, 4, nullptr);
  ASSERT_NE(w, nullptr);
  EXPECT_EQ(revisions(*w), (std::vector<std::int64_t>{5, 6}));
  w.reset();
  EXPECT_EQ(cache_.watchers(), 0u);
}

TEST_F(KindCacheTest, DeletionCarriesItsRevisionAndTheLastState) {
  cache_.put("a/x", pod("a", "x", 1, "n"));
  auto w = cache_.watch({}, 1, nullptr);
  cache_.erase("a/x", 9);
  auto batch = w->take();
  ASSERT_EQ(batch.events.size(), 1u);
  EXPECT_EQ(batch.events[0]->type, CacheEvent::Type::kDeleted);
  EXPECT_EQ(batch.events[0]->object->object()->resource_version(), "9");
  EXPECT_EQ(pod_node_name(*batch.events[0]->object->object()), "n");
}

TEST_F(KindCacheTest, SlowWatcherEndsAfterWhatItHas) {
  auto w = cache_.watch({}, 0, nullptr);
  for (int i = 1; i <= 10; ++i) cache_.put("a/x", pod("a", "x", i));
  auto first = w->take();
  EXPECT_EQ(first.events.size(), 4u);
  EXPECT_FALSE(first.ended);
  EXPECT_TRUE(w->take().ended);
}

// Invariant 3 with a feeder on another thread: a snapshot and the events after it are gapless.
TEST_F(KindCacheTest, SnapshotAndEventsJoinWithoutGaps) {
  std::atomic<std::int64_t> applied{0};
  KindCache cache(api::core_v1::Pod::kind_info(), "/registry/pods/", &pod_node_name, applied, 100000);
  constexpr int kEvents = 2000;
  std::thread feeder([&] {
    for (int i = 1; i <= kEvents; ++i) {
      cache.put("a/x", pod("a", "x", i));
      applied = i;
    }
  });
  for (int round = 0; round < 20; ++round) {
    KindCache::Snapshot snapshot;
    auto w = cache.watch({}, 0, &snapshot);
    std::int64_t last = snapshot.items.empty() ? 0 : snapshot.items[0]->revision();
    EXPECT_LE(last, snapshot.revision);
    while (last < kEvents && last < snapshot.revision + 50) {
      for (auto& e : w->take().events) {
        if (e->revision <= snapshot.revision) continue;
        ASSERT_EQ(e->revision, last + 1);
        last = e->revision;
      }
    }
  }
  feeder.join();
}

}  // namespace
}  // namespace keelson::apiserver
