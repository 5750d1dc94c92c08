// Three Replicas in one thread: what only a cluster does.
#include <gtest/gtest.h>

#include <algorithm>

#include "kvstore/server/errors.h"
#include "tests/kvstore/replica_cluster.h"

namespace keelson::kvstore {
namespace {

using namespace std::chrono_literals;
using Id = ReplicaCluster::Id;
using Op = MemberChange::Op;

TEST(ReplicaTest, WritesAndReadsThroughEveryMember) {
  ReplicaCluster c(3);
  const Id leader = c.leader();
  int n = 0;
  for (Id through : {Id{1}, Id{2}, Id{3}, leader, c.follower()}) {
    const std::string v = std::to_string(++n);
    Outcome o = c.put(through, "k", v);
    ASSERT_FALSE(o.error) << o.error->message;
    EXPECT_EQ(o.txn.revision, n + 1);
    for (Id id : {1, 2, 3}) EXPECT_EQ(c.get(id, "k"), v) << "member " << id;
  }
  for (Id id : {1, 2, 3}) {
    EXPECT_TRUE(c.run_until([&] { return c.at(id).ready(); })) << "member " << id;
    EXPECT_FALSE(c.at(id).published().alone());
  }
  c.expect_agreement();
  const auto members = c.at(1).published().cluster()->list();
  ASSERT_EQ(members.size(), 3u);
  for (const auto& m : members) EXPECT_EQ(m.name, "m" + std::to_string(m.id));
}

TEST(ReplicaTest, NoQuorumNoAnswer) {
  ReplicaCluster c(3);
  const Id leader = c.leader();
  ASSERT_FALSE(c.put(leader, "k", "1").error);
  c.cut(leader);
  auto write = c.submit(leader, ReplicaCluster::put_request("k", "2"));
  auto read = c.submit(leader, ReplicaCluster::request(Pending::Op::kRead));
  const Id next = c.leader();
  EXPECT_NE(next, leader);
  ASSERT_FALSE(c.put(next, "k", "3").error);
  ASSERT_TRUE(c.run_until([&] { return write->claimed.load() && read->claimed.load(); }));
  EXPECT_EQ(write->outcome.error->code, Code::kUnavailable);
  EXPECT_EQ(read->outcome.error->code, Code::kUnavailable);
  EXPECT_EQ(c.peek(leader, "k"), "1");
  c.heal();
  EXPECT_EQ(c.get(leader, "k"), "3");
  c.expect_agreement();
}

TEST(ReplicaTest, LeaderGoneAnotherTakesOver) {
  ReplicaCluster c(3);
  for (int life = 0; life < 6; ++life) {
    const Id leader = c.leader();
    const std::string v = std::to_string(life);
    ASSERT_FALSE(c.put(leader, "k", v).error);
    c.crash(leader);
    EXPECT_NE(c.leader(), leader);
    for (Id id : c.ids()) EXPECT_EQ(c.get(id, "k"), v);
    c.start(leader);
    EXPECT_EQ(c.get(leader, "k"), v);
  }
  c.expect_agreement();
}

TEST(ReplicaTest, PowerLossOfAllLosesNothing) {
  ReplicaCluster c(3);
  for (int life = 0; life < 5; ++life) {
    const std::string v = std::to_string(life);
    ASSERT_FALSE(c.put(c.follower(), "k" + v, v).error);
    for (Id id : {1, 2, 3}) c.crash(id);
    for (Id id : {1, 2, 3}) c.start(id);
    for (int i = 0; i <= life; ++i)
      EXPECT_EQ(c.get(c.follower(), "k" + std::to_string(i)), std::to_string(i));
    ASSERT_TRUE(c.run_until([&] { return c.at(1).ready() && c.at(2).ready() && c.at(3).ready(); }));
  }
  c.expect_agreement();
}

// A write that is lost with its connection to the leader is answered soon, and never sent again; one that got
// through is answered as ever.
TEST(ReplicaTest, WritesLostWithTheConnectionAreAnsweredSoon) {
  ReplicaCluster c(3);
  const Id leader = c.leader();
  const Id f = c.follower();
  ASSERT_FALSE(c.put(f, "k", "1").error);
  bool lose = true;
  c.drop = [&](const raft::Message& m) { return lose && m.type == raft::MessageType::kPropose; };
  auto write = c.submit(f, ReplicaCluster::put_request("k", "2"));
  c.settle();
  lose = false;
  c.at(f).proposals_lost(raft::NodeId(leader));
  const MonoTime begin = c.clock().now();
  ASSERT_TRUE(c.run_until([&] { return write->claimed.load(); }));
  EXPECT_LT(c.clock().now() - begin, 2s);
  EXPECT_EQ(write->outcome.error->message, timeout_connection_lost_error().message);
  EXPECT_EQ(write->outcome.error->code, Code::kUnavailable);
  c.run_for(3s);
  EXPECT_EQ(c.get(f, "k"), "1");

  c.drop = [&](const raft::Message& m) {
    return m.to == raft::NodeId(f) && m.type == raft::MessageType::kAppend;  // it does not hear of it
  };
  write = c.submit(f, ReplicaCluster::put_request("k", "3"));
  c.settle();
  c.at(f).proposals_lost(raft::NodeId(leader));
  c.run_for(300ms);
  EXPECT_FALSE(write->claimed.load());
  c.drop = nullptr;
  ASSERT_TRUE(c.run_until([&] { return write->claimed.load(); }));
  EXPECT_FALSE(write->outcome.error);
  EXPECT_EQ(c.get(f, "k"), "3");
}

// ---- Leases

TEST(ReplicaTest, LeasesThroughFollowers) {
  ReplicaCluster c(3);
  const Id f = c.follower();
  Outcome grant = c.call(f, ReplicaCluster::command(encode_lease_grant(5, 10)));
  ASSERT_FALSE(grant.error);
  EXPECT_EQ(grant.lease.granted_ttl_s, 10);
  ASSERT_FALSE(c.put(f, "leased", "v", 5).error);
  c.run_for(6s);
  auto ttl = ReplicaCluster::request(Pending::Op::kTimeToLive, 5);
  ttl->lease_keys = true;
  Outcome left = c.call(f, ttl);
  ASSERT_FALSE(left.error);
  EXPECT_LE(left.lease.remaining_ttl_s, 4);
  EXPECT_GE(left.lease.remaining_ttl_s, 2);
  EXPECT_EQ(left.lease.keys, std::vector<std::string>{"leased"});
  for (int i = 0; i < 5; ++i) {
    Outcome kept = c.call(f, ReplicaCluster::request(Pending::Op::kKeepAlive, 5));
    ASSERT_FALSE(kept.error) << kept.error->message;
    EXPECT_EQ(kept.lease.remaining_ttl_s, 10);
    c.run_for(5s);
    EXPECT_EQ(c.get(f, "leased"), "v");
  }
  // A new leader gives it its whole time again, and ends it then.
  const Id old = c.leader();
  c.crash(old);
  c.leader();
  c.run_for(5s);
  const Id any = c.ids().front();
  EXPECT_EQ(c.get(any, "leased"), "v");
  c.run_for(8s);
  for (Id id : c.ids()) EXPECT_EQ(c.get(id, "leased"), "none");
  Outcome gone = c.call(any, ReplicaCluster::request(Pending::Op::kKeepAlive, 5));
  ASSERT_TRUE(gone.error);
  EXPECT_EQ(gone.error->code, Code::kNotFound);
  c.start(old);
  c.expect_agreement();
}

// ---- Members

TEST(ReplicaTest, MoveLeader) {
  ReplicaCluster c(3);
  const Id leader = c.leader();
  const Id target = c.follower();
  auto p = ReplicaCluster::request(Pending::Op::kMoveLeader);
  p->target = target;
  Outcome elsewhere = c.call(target, p);
  ASSERT_TRUE(elsewhere.error);
  EXPECT_EQ(elsewhere.error->message, not_leader_error().message);
  p = ReplicaCluster::request(Pending::Op::kMoveLeader);
  p->target = target;
  Outcome moved = c.call(leader, p);
  ASSERT_FALSE(moved.error) << moved.error->message;
  EXPECT_EQ(c.leader(), target);
  p = ReplicaCluster::request(Pending::Op::kMoveLeader);
  p->target = 99;
  EXPECT_EQ(c.call(target, p).error->message, bad_transferee_error().message);
}

// Writes that meet a handing over of leadership all succeed, soon, whether it succeeds or is given up.
TEST(ReplicaTest, WritesDuringMoveLeaderSucceed) {
  for (const int lost : {0, 1, 2, 15}) {
    ReplicaCluster c(3);
    const Id leader = c.leader();
    const Id target = c.follower();
    const Id other = 6 - leader - target;
    // The transferee lags, so the transfer takes a while.
    int dropped = 0;
    c.drop = [&](const raft::Message& m) {
      return m.to.value() == target && m.type == raft::MessageType::kAppend && ++dropped <= lost;
    };
    ASSERT_FALSE(c.put(other, "a", "1").error);
    auto move = ReplicaCluster::request(Pending::Op::kMoveLeader);
    move->target = target;
    c.submit(leader, move);
    std::vector<PendingPtr> writes;
    for (Id id : {1, 2, 3, 1, 2, 3}) {
      writes.push_back(c.submit(id, ReplicaCluster::put_request("b", std::to_string(id))));
      c.at(id).step();
    }
    const MonoTime begin = c.clock().now();
    ASSERT_TRUE(c.run_until(
        [&] { return std::ranges::all_of(writes, [](const auto& p) { return p->claimed.load(); }); }));
    EXPECT_LT(c.clock().now() - begin, 4s) << lost << " lost";
    for (auto& p : writes) EXPECT_FALSE(p->outcome.error) << lost << " lost: " << p->outcome.error->message;
    c.drop = nullptr;
    c.expect_agreement();
    if (lost < 15) EXPECT_EQ(c.leader(), target);
  }
}

TEST(ReplicaTest, MembersAddedPromotedUpdatedRemoved) {
  ReplicaCluster c(3);
  const Id f = c.follower();
  c.run_for(6s);  // etcd's rule: members must have been connected for a while
  ASSERT_FALSE(c.put(f, "k", "1").error);
  Outcome added = c.change(f, {Op::kAddLearner, 0, {"http://new"}});
  ASSERT_FALSE(added.error) << added.error->message;
  const Id id = c.new_member;
  ASSERT_NE(id, 0u);
  ASSERT_EQ(added.members.size(), 4u);
  EXPECT_TRUE(c.change(f, {Op::kAdd, 0, {"http://new"}}).error) << "the same URL twice";
  EXPECT_EQ(c.change(f, {Op::kPromote, id, {}}).error->message, learner_not_ready_error().message);
  c.join(id, added.members);
  ASSERT_TRUE(c.run_until([&] { return c.at(id).ready(); }));
  EXPECT_TRUE(c.at(id).published().learner());
  EXPECT_EQ(c.peek(id, "k"), "1");
  Outcome promoted = c.change(f, {Op::kPromote, id, {}});
  ASSERT_FALSE(promoted.error) << promoted.error->message;
  ASSERT_TRUE(c.run_until([&] { return !c.at(id).published().learner(); }));
  Outcome updated = c.change(id, {Op::kUpdate, id, {"http://elsewhere"}});
  ASSERT_FALSE(updated.error) << updated.error->message;
  c.expect_agreement();
  for (Id m : c.ids()) {
    EXPECT_EQ(c.at(m).published().cluster()->members.at(id).peer_urls.at(0), "http://elsewhere");
  }
  // The new one is removed, the rest goes on; it ends by itself.
  c.run_for(6s);
  Outcome removed = c.change(f, {Op::kRemove, id, {}});
  ASSERT_FALSE(removed.error) << removed.error->message;
  EXPECT_EQ(removed.members.size(), 3u);
  EXPECT_TRUE(c.run_until([&] { return c.at(id).removed(); }));
  auto refused = c.submit(id, ReplicaCluster::put_request("k", "2"));
  EXPECT_TRUE(refused->claimed.load() && refused->outcome.error);
  ASSERT_FALSE(c.put(f, "k", "3").error);
  c.crash(id);
  c.expect_agreement();
}

TEST(ReplicaTest, RemovedLeaderEndsAndAnotherLeads) {
  ReplicaCluster c(3);
  const Id leader = c.leader();
  const Id f = c.follower();
  c.run_for(6s);
  ASSERT_FALSE(c.put(f, "k", "1").error);
  Outcome removed = c.change(f, {Op::kRemove, leader, {}});
  ASSERT_FALSE(removed.error) << removed.error->message;
  EXPECT_TRUE(c.run_until([&] { return c.at(leader).removed(); }));
  EXPECT_NE(c.leader(), leader);
  ASSERT_FALSE(c.put(f, "k", "2").error);
  EXPECT_EQ(c.get(f, "k"), "2");
}

// A removed member that was away when it happened is told when it comes back.
TEST(ReplicaTest, RemovedWhileAwayEndsByItself) {
  ReplicaCluster c(3);
  const Id leader = c.leader();
  const Id f = c.follower();
  c.run_for(6s);
  c.crash(f);
  c.run_for(6s);
  Outcome removed = c.change(leader, {Op::kRemove, f, {}});
  ASSERT_FALSE(removed.error) << removed.error->message;
  c.run_for(1s);
  c.start(f);
  EXPECT_TRUE(c.run_until([&] { return c.at(f).removed(); }));
}

TEST(ReplicaTest, GrowsFromOneAndShrinksBack) {
  ReplicaCluster c(1);
  EXPECT_EQ(c.leader(), 1u);
  EXPECT_TRUE(c.at(1).published().alone());
  ASSERT_FALSE(c.put(1, "k", "1").error);
  ASSERT_TRUE(c.run_until([&] { return c.at(1).ready(); }));
  std::vector<Id> added;
  for (int i = 0; i < 2; ++i) {
    c.run_for(6s);
    Outcome o = c.change(1, {Op::kAdd, 0, {"http://new-" + std::to_string(i)}});
    ASSERT_FALSE(o.error) << o.error->message;
    added.push_back(c.new_member);
    c.join(c.new_member, o.members);
    ASSERT_TRUE(c.run_until([&] { return c.at(added.back()).ready(); }));
    EXPECT_FALSE(c.at(1).published().alone());
  }
  ASSERT_FALSE(c.put(added[1], "k", "2").error);
  c.expect_agreement();
  for (Id id : added) {
    c.run_for(6s);
    Outcome o = c.change(1, {Op::kRemove, id, {}});
    ASSERT_FALSE(o.error) << o.error->message;
    ASSERT_TRUE(c.run_until([&] { return c.at(id).removed(); }));
    c.crash(id);
  }
  // What it has acted on it knows after a power loss: it is alone.
  c.crash(1);
  c.start(1);
  EXPECT_EQ(c.leader(), 1u);
  EXPECT_TRUE(c.at(1).published().alone());
  EXPECT_EQ(c.get(1, "k"), "2");
}

// ---- Quota

TEST(ReplicaTest, QuotaRefusesPutsUntilThereIsRoom) {
  ReplicaCluster::Options o;
  o.replica.quota_bytes = 100 << 10;
  ReplicaCluster c(3, o);
  const std::string value(10 << 10, 'v');
  std::optional<Error> refused;
  for (int i = 0; i < 100 && !refused; ++i) {
    refused = c.put(c.follower(), "k", value).error;
    c.tick();
  }
  ASSERT_TRUE(refused);
  EXPECT_EQ(refused->message, no_space_error().message);
  ASSERT_TRUE(c.run_until([&] { return c.at(1).published().cluster()->has_alarm(AlarmType::kNoSpace); }));
  // Compaction makes room; nobody has to disarm anything.
  const Revision newest = c.at(c.leader()).published().mvcc()->state->revision();
  ASSERT_FALSE(c.call(c.follower(), ReplicaCluster::command(encode_compact(newest))).error);
  ASSERT_TRUE(c.run_until([&] { return c.at(1).published().cluster()->alarms.empty(); }));
  EXPECT_FALSE(c.put(c.follower(), "k", "small").error);
  c.expect_agreement();
}

// ---- Snapshots

TEST(ReplicaTest, LaggingMemberGetsASnapshot) {
  ReplicaCluster::Options o;
  o.replica.keep_entries = 20;
  o.replica.wal_segment_bytes = 16 << 10;
  ReplicaCluster c(3, o);
  ASSERT_FALSE(c.call(1, ReplicaCluster::command(encode_lease_grant(7, 600))).error);
  const Id f = c.follower();
  c.crash(f);
  for (int i = 0; i < 300; ++i) {
    ASSERT_FALSE(c.put(c.leader(), "k" + std::to_string(i % 50), std::to_string(i), 7).error);
  }
  c.run_for(2s);
  EXPECT_GT(c.at(c.leader()).node().first_index().value(), 100u);
  c.start(f);
  c.expect_agreement();
  EXPECT_EQ(c.get(f, "k49"), "299");
  ASSERT_FALSE(c.put(f, "k0", "after").error);
  // What it got is durable.
  c.crash(f);
  c.start(f);
  EXPECT_EQ(c.get(f, "k0"), "after");
  c.expect_agreement();
}

// A snapshot that comes too late is of no use, and does not stand in the way of the next one.
TEST(ReplicaTest, SnapshotThatNobodyNeedsIsDropped) {
  ReplicaCluster c(3);
  const Id leader = c.leader();
  const Id f = c.follower();
  for (int i = 0; i < 10; ++i) ASSERT_FALSE(c.put(leader, "k", std::to_string(i)).error);
  c.run_for(1s);
  c.expect_agreement();
  const auto picture = *c.at(leader).published().mvcc()->backend->snapshot();
  const raft::Message m{.type = raft::MessageType::kSnapshot,
                        .from = raft::NodeId(leader),
                        .to = raft::NodeId(f),
                        .term = c.at(leader).node().term(),
                        .snapshot = raft::SnapshotMeta{raft::Index(picture->meta().applied_index),
                                                       raft::Term(picture->meta().applied_term),
                                                       c.at(leader).node().membership()}};
  for (int i = 0; i < 2; ++i) {
    auto sink = c.at(f).receive_snapshot(m);
    ASSERT_TRUE(sink) << sink.error().message;
    SnapshotStream stream(picture);
    for (std::uint64_t at = (*sink)->received();;) {
      const std::string piece = *stream.read(at, 1000);
      if (piece.empty()) break;
      ASSERT_TRUE((*sink)->write(piece));
      at += piece.size();
    }
    ASSERT_TRUE((*sink)->finish());
    c.at(f).receive(m);
    c.settle();
  }
  ASSERT_FALSE(c.put(f, "k", "after").error);
  c.expect_agreement();
}

// ---- Agreement

TEST(ReplicaTest, DivergedMemberIsFenced) {
  ReplicaCluster c(3);
  for (const bool as_leader : {false, true}) {
    ReplicaCluster d(3);
    const Id bad = as_leader ? d.leader() : d.follower();
    ASSERT_FALSE(d.put(bad, "k", "1").error);
    d.at(bad).plant_divergence("k");
    ASSERT_TRUE(d.run_until([&] { return d.at(bad).fenced(); }));
    EXPECT_TRUE(d.at(bad).published().refusal());
    ASSERT_TRUE(d.run_until([&] { return d.leader_now() != 0 && d.leader_now() != bad; }));
    const Id good = d.leader();
    ASSERT_FALSE(d.put(good, "k", "2").error);
    EXPECT_EQ(d.get(good, "k"), "2");
  }
}

}  // namespace
}  // namespace keelson::kvstore
