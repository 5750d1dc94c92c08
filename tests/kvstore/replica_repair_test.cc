// Replicas whose log is damaged in the middle: mended from the others where that is safe, refused where not.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/kvstore/replica_cluster.h"

namespace keelson::kvstore {
namespace {

using namespace std::chrono_literals;
using Id = ReplicaCluster::Id;

std::string value_of(int i) {
  return "<value " + std::to_string(i) + ">" + std::string(40, 'v');
}

void put_many(ReplicaCluster& c, Id through, int from, int to) {
  for (int i = from; i < to; ++i) {
    ASSERT_FALSE(c.put(through, "k" + std::to_string(i), value_of(i)).error) << i;
  }
}

// Flips a bit in the logged entry of put `i`. REQUIRES: the member is down.
void rot(ReplicaCluster& c, Id id, int i) {
  for (const auto& name : *c.disk(id).list("/data/wal")) {
    std::string& bytes = c.disk(id).content("/data/wal/" + name);
    const auto at = bytes.find(value_of(i));
    if (at == std::string::npos) continue;
    bytes[at + 20] = static_cast<char>(bytes[at + 20] ^ 4);
    auto file = *c.disk(id).open("/data/wal/" + name, OpenMode::kReadWrite);
    ASSERT_TRUE(file->datasync());
    ASSERT_TRUE(c.disk(id).sync_dir("/data/wal"));
    return;
  }
  FAIL() << "put " << i << " is not in the log of member " << id;
}

void expect_all(ReplicaCluster& c, int n) {
  c.expect_agreement();
  for (Id id : c.ids()) {
    for (int i = 0; i < n; ++i)
      ASSERT_EQ(c.peek(id, "k" + std::to_string(i)), value_of(i)) << "member " << id;
  }
}

bool any_repairing(ReplicaCluster& c) {
  return std::ranges::any_of(c.ids(), [&](Id id) { return c.at(id).repairing(); });
}

TEST(ReplicaRepair, AMemberIsMendedByTheOthers) {
  ReplicaCluster c(3);
  for (const bool leader : {false, true}) {
    const Id bad = leader ? c.leader() : c.follower();
    const int from = leader ? 30 : 0;
    put_many(c, bad, from, from + 30);
    c.crash(bad);
    rot(c, bad, from + 10);
    c.start(bad);
    ASSERT_TRUE(c.at(bad).repairing());
    ASSERT_TRUE(c.run_until([&] { return !c.at(bad).repairing(); }));
    EXPECT_EQ(c.at(bad).repairs(), 1u);
    EXPECT_EQ(c.at(bad).installs(), 0u);
    expect_all(c, from + 30);
    ASSERT_FALSE(c.put(bad, "after", "1").error);
    // It is sound for good.
    c.crash(bad);
    c.start(bad);
    EXPECT_FALSE(c.at(bad).repairing());
    EXPECT_EQ(c.get(bad, "after"), "1");
  }
}

// Alone with its damage it neither votes nor leads, however often it dies and whatever else breaks.
TEST(ReplicaRepair, UntilThenItTakesNoPart) {
  ReplicaCluster c(3);
  put_many(c, c.leader(), 0, 30);
  const Id bad = c.leader();
  const Id other = bad % 3 + 1;
  for (Id id : {1, 2, 3}) c.crash(id);
  rot(c, bad, 10);
  c.start(bad);
  const raft::Term term = c.at(bad).node().term();
  auto write = c.submit(bad, ReplicaCluster::put_request("k", "lost"));
  c.run_for(20s);
  EXPECT_TRUE(c.at(bad).repairing());
  EXPECT_EQ(c.at(bad).node().term(), term);
  EXPECT_EQ(c.at(bad).node().role(), raft::Role::kFollower);
  ASSERT_TRUE(write->claimed.load());
  EXPECT_EQ(write->outcome.error->code, Code::kUnavailable);
  c.crash(bad);
  rot(c, bad, 20);
  c.start(bad);
  EXPECT_TRUE(c.at(bad).repairing());
  c.run_for(1s);
  // Another one knows what was committed, also before anybody leads.
  c.start(other);
  ASSERT_TRUE(c.run_until([&] { return !c.at(bad).repairing(); }));
  expect_all(c, 30);
}

TEST(ReplicaRepair, MembersDamagedAtDifferentPlacesMendOneAnother) {
  ReplicaCluster c(3);
  put_many(c, c.leader(), 0, 40);
  for (Id id : {1, 2, 3}) c.crash(id);
  for (Id id : {1, 2, 3}) {
    rot(c, id, static_cast<int>(5 * id));
    rot(c, id, static_cast<int>(5 * id) + 12);
  }
  for (Id id : {1, 2, 3}) c.start(id);
  EXPECT_TRUE(c.at(1).repairing() && c.at(2).repairing() && c.at(3).repairing());
  ASSERT_TRUE(c.run_until([&] { return !any_repairing(c); }));
  expect_all(c, 40);
}

TEST(ReplicaRepair, WhatAllHaveLostIsRefused) {
  ReplicaCluster c(3);
  put_many(c, c.leader(), 0, 30);
  for (Id id : {1, 2, 3}) c.crash(id);
  for (Id id : {1, 2, 3}) rot(c, id, 10);
  for (Id id : {1, 2, 3}) c.start(id);
  std::optional<Error> why;
  ASSERT_TRUE(c.run_until([&] {
    for (Id id : c.ids()) {
      if (c.at(id).failed()) why = c.at(id).failed();
    }
    return why.has_value();
  }));
  EXPECT_EQ(why->code, Code::kDataLoss);
  EXPECT_NE(why->message.find("no other member has entry"), std::string::npos) << why->message;
  EXPECT_NE(why->message.find(" at offset "), std::string::npos) << why->message;
  for (Id id : c.ids()) EXPECT_EQ(c.at(id).node().role(), raft::Role::kFollower);
}

// Entries that were never committed are not to be had; what took their place proves them void.
TEST(ReplicaRepair, AnUncommittedTailGivesWay) {
  ReplicaCluster c(3);
  const Id old = c.leader();
  put_many(c, old, 0, 5);
  c.cut(old);
  std::vector<PendingPtr> lost;
  for (int i = 5; i < 25; ++i) {
    lost.push_back(c.submit(old, ReplicaCluster::put_request("k" + std::to_string(i), value_of(i))));
    while (c.at(old).step()) {
    }
  }
  const raft::Index end = c.at(old).node().last_index();
  Id next = 0;
  ASSERT_TRUE(c.run_until([&] { return (next = c.leader_now()) != 0 && next != old; }));
  // It still hears of the new term, and writes that down behind its entries.
  c.drop = [&](const raft::Message& m) {
    return m.to.value() == old && m.type == raft::MessageType::kAppend;
  };
  c.heal();
  ASSERT_TRUE(c.run_until([&] { return c.at(old).node().term() == c.at(next).node().term(); }));
  ASSERT_GE(c.at(old).node().last_index(), end);
  c.crash(old);
  c.drop = nullptr;
  ASSERT_LT(c.at(next).node().last_index(), end);
  rot(c, old, 12);
  c.start(old);
  ASSERT_TRUE(c.at(old).repairing());
  ASSERT_TRUE(c.run_until([&] { return !c.at(old).repairing(); }));
  expect_all(c, 5);
  EXPECT_EQ(c.peek(old, "k6"), "none");
}

ReplicaCluster::Options short_logs() {
  ReplicaCluster::Options o;
  o.replica.keep_entries = 20;
  o.replica.wal_segment_bytes = 16 << 10;
  return o;
}

TEST(ReplicaRepair, WhereTheEntriesAreGoneASnapshotMends) {
  ReplicaCluster c(3, short_logs());
  const Id bad = c.follower();
  put_many(c, c.leader(), 0, 30);
  c.crash(bad);
  rot(c, bad, 10);
  for (int i = 30; i < 300; ++i) {
    ASSERT_FALSE(c.put(c.leader(), "k" + std::to_string(i), value_of(i)).error);
  }
  c.run_for(2s);
  c.start(bad);
  ASSERT_TRUE(c.at(bad).repairing());
  ASSERT_TRUE(c.run_until([&] { return !c.at(bad).repairing(); }));
  EXPECT_EQ(c.at(bad).repairs(), 1u);
  EXPECT_EQ(c.at(bad).installs(), 1u);
  expect_all(c, 300);
  c.crash(bad);
  c.start(bad);
  EXPECT_FALSE(c.at(bad).repairing());
  expect_all(c, 300);
}

// Power is lost at every write of the repair in turn.
TEST(ReplicaRepair, ACrashInTheMiddleBeginsAnew) {
  for (const bool snapshot : {false, true}) {
    int crashed = 0;
    bool mended = false;
    for (std::uint64_t syncs = 0; syncs < 100 && !mended; ++syncs) {
      ReplicaCluster c(3, snapshot ? short_logs() : ReplicaCluster::Options());
      const Id bad = c.follower();
      put_many(c, c.leader(), 0, 30);
      c.crash(bad);
      rot(c, bad, 10);
      if (snapshot) put_many(c, c.leader(), 30, 120);
      c.run_for(1s);
      c.start(bad);
      ASSERT_TRUE(c.at(bad).repairing());
      c.disk(bad).fail_datasync_after(syncs, "power");
      (void)c.run_until([&] { return c.at(bad).failed() || c.at(bad).repairs() == 1; }, 5s);
      if (c.at(bad).failed()) ++crashed;
      mended = c.at(bad).repairs() == 1 && !c.at(bad).failed();
      c.crash(bad);
      c.disk(bad).fail_datasync("");
      c.start(bad);
      ASSERT_TRUE(c.run_until([&] { return !c.at(bad).repairing(); }));
      expect_all(c, snapshot ? 120 : 30);
    }
    EXPECT_TRUE(mended);
    EXPECT_GT(crashed, 1) << (snapshot ? "snapshot" : "entries");
  }
}

// ---- A member that is alone

TEST(ReplicaRepair, AMemberThatIsAloneRefuses) {
  ReplicaCluster c(1);
  put_many(c, c.leader(), 0, 30);
  c.crash(1);
  rot(c, 1, 10);
  auto r = c.try_start(1);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Code::kDataLoss);
  EXPECT_NE(r.error().message.find(" at offset "), std::string::npos) << r.error().message;
  EXPECT_NE(r.error().message.find("restore the data from a snapshot"), std::string::npos)
      << r.error().message;
}

TEST(ReplicaRepair, WhatIsAppliedNobodyHasToGive) {
  ReplicaCluster c(1);
  put_many(c, c.leader(), 0, 30);
  c.run_for(1s);  // flushed
  put_many(c, 1, 30, 40);
  c.crash(1);
  rot(c, 1, 10);
  c.start(1);
  EXPECT_EQ(c.at(1).repairs(), 1u);
  EXPECT_FALSE(c.at(1).repairing());
  expect_all(c, 40);
}

// Where the log ended is not known: it may have acknowledged more.
TEST(ReplicaRepair, ADamagedEndIsRefusedAndSaysWhatToDo) {
  ReplicaCluster c(3);
  const Id bad = c.follower();
  put_many(c, c.leader(), 0, 30);
  c.crash(bad, false);
  rot(c, bad, 29);
  auto r = c.try_start(bad);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Code::kDataLoss);
  EXPECT_NE(r.error().message.find("remove this member"), std::string::npos) << r.error().message;
}

}  // namespace
}  // namespace keelson::kvstore
