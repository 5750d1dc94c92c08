// ReplicaCluster: several Replicas on one thread, in virtual time, on disks in memory, joined by a transport
// that delivers in order and at once unless a member is cut off. What fails here fails the same way every
// time.
//
//   ReplicaCluster c(3);                      members 1 2 3, started
//   c.leader();                               runs until there is one
//   Outcome o = c.put(2, "k", "v");           through member 2; runs until it is answered
//   c.run_until([&] { return …; });           or fails within a minute of virtual time
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "base/mem_file.h"
#include "base/virtual_clock.h"
#include "kvstore/server/command.h"
#include "kvstore/server/replica.h"

namespace keelson::kvstore {

class ReplicaCluster {
 public:
  using Id = std::uint64_t;
  struct Options {
    Options() { replica.wal_segment_bytes = 64 << 10; }
    ReplicaOptions replica;  // of every member; data dir, name, ids and members are filled in
    bool logs = std::getenv("REPLICA_LOGS") != nullptr;
  };

  explicit ReplicaCluster(std::size_t members) : ReplicaCluster(members, Options()) {}
  ReplicaCluster(std::size_t members, Options options) : options_(std::move(options)) {
    std::vector<MemberInfo> infos;
    for (Id id = 1; id <= members; ++id) infos.push_back({.id = id, .peer_urls = {url(id)}});
    for (Id id = 1; id <= members; ++id) {
      make(id, infos, false);
      start(id);
    }
    settle();
  }
  ~ReplicaCluster() {
    for (auto& [id, n] : nodes_) end(*n);
  }

  static std::string url(Id id) { return "http://member-" + std::to_string(id); }

  Replica& at(Id id) { return *nodes_.at(id)->replica; }
  bool up(Id id) { return nodes_.contains(id) && nodes_.at(id)->replica != nullptr; }
  MemFileSystem& disk(Id id) { return nodes_.at(id)->fs; }
  VirtualClock& clock() { return clock_; }
  // Members that are up.
  std::vector<Id> ids() {
    std::vector<Id> out;
    for (auto& [id, n] : nodes_) {
      if (n->replica) out.push_back(id);
    }
    return out;
  }

  // A process for a member that was added to the running cluster.
  void join(Id id, std::vector<MemberInfo> members) {
    make(id, std::move(members), true);
    start(id);
    settle();
  }
  Result<void> try_start(Id id) {
    Node& n = *nodes_.at(id);
    ReplicaDeps deps;
    deps.fs = &n.fs;
    deps.clock = &clock_;
    deps.rng = &n.rng;
    deps.metrics = &metrics_;
    if (options_.logs) deps.logger = Logger::to_stderr().named("m" + std::to_string(id));
    n.replica = TRY(Replica::open(std::move(deps), n.options));
    n.up_since = clock_.now();
    n.replica->set_transport(&n.link);
    return {};
  }
  void start(Id id) {
    auto r = try_start(id);
    ASSERT_TRUE(r) << "member " << id << ": " << r.error().message;
  }
  // The process dies; with `power` what was not synced is lost too.
  void crash(Id id, bool power = true) {
    Node& n = *nodes_.at(id);
    n.replica.reset();
    if (power) n.fs.crash(rng_);
    for (auto& [other, o] : nodes_) {
      if (o->replica && other != id) o->replica->unreachable(raft::NodeId(id), true);
    }
  }
  void cut(Id id) { cut_.insert(id); }
  void heal() {
    for (Id id : std::exchange(cut_, {})) nodes_.at(id)->up_since = clock_.now();
  }
  // What comes for `to` from now on is dropped when it says so.
  std::function<bool(const raft::Message&)> drop;

  // ---- Time

  // Does everything that needs no time.
  void settle() {
    for (int round = 0; round < 100000; ++round) {
      bool busy = false;
      for (auto& [id, n] : nodes_) {
        if (!n->replica) continue;
        for (int i = 0; i < 1000 && n->replica->step(); ++i) {
          if (n->replica->flush_due()) n->replica->flush_now();
        }
        if (n->replica->flush_due()) n->replica->flush_now();
      }
      for (std::size_t k = network_.size(); k > 0; --k) {
        auto deliver = std::move(network_.front());
        network_.pop_front();
        deliver();
        busy = true;
      }
      if (!busy) return;
    }
    FAIL() << "the cluster never comes to rest";
  }
  void tick() {
    clock_.advance(options_.replica.tick);
    for (auto& [id, n] : nodes_) {
      if (!n->replica) continue;
      n->replica->tick();
      if (++n->ticks % 5 == 0) n->replica->flush_now();
    }
    settle();
  }
  void run_for(Duration d) {
    for (const MonoTime end = clock_.now() + d; clock_.now() < end;) tick();
  }
  [[nodiscard]] bool run_until(const std::function<bool()>& done, Duration limit = std::chrono::minutes(1)) {
    settle();
    for (const MonoTime end = clock_.now() + limit; clock_.now() < end && !done();) tick();
    return done();
  }

  // ---- Requests

  Id leader() {
    Id found = 0;
    EXPECT_TRUE(run_until([&] { return (found = leader_now()) != 0; })) << "no leader";
    return found;
  }
  // Who leads, and is followed by all who are up and not cut off.
  Id leader_now() {
    Id found = 0;
    for (Id id : ids()) {
      if (cut_.contains(id) || at(id).removed()) continue;
      const Id l = at(id).published().leader();
      if (l == 0 || (found != 0 && l != found)) return 0;
      found = l;
    }
    if (found == 0 || !up(found) || cut_.contains(found) || at(found).removed()) return 0;
    return at(found).node().role() == raft::Role::kLeader ? found : 0;
  }
  Id follower() {
    const Id l = leader();
    for (Id id : ids()) {
      if (id != l && !cut_.contains(id)) return id;
    }
    return 0;
  }

  PendingPtr submit(Id id, PendingPtr p) {
    at(id).submit(p);
    return p;
  }
  Outcome call(Id id, PendingPtr p) {
    submit(id, p);
    EXPECT_TRUE(run_until([&] { return p->claimed.load(); })) << "member " << id << " does not answer";
    return p->outcome;
  }
  static PendingPtr command(std::string bytes) {
    auto p = std::make_shared<Pending>();
    p->command = std::move(bytes);
    return p;
  }
  static PendingPtr request(Pending::Op op, LeaseId lease = 0) {
    auto p = std::make_shared<Pending>();
    p->op = op;
    p->lease = lease;
    return p;
  }
  static PendingPtr put_request(const std::string& key, const std::string& value, LeaseId lease = 0) {
    TxnRequest t;
    auto& op = t.success.emplace_back();
    op.kind = TxnOp::Kind::kPut;
    op.put.key = key;
    op.put.value = Bytes(std::string(value));
    op.put.lease = lease;
    auto p = command(encode_txn(t));
    p->grows = true;
    return p;
  }
  Outcome put(Id id, const std::string& key, const std::string& value, LeaseId lease = 0) {
    return call(id, put_request(key, value, lease));
  }
  Outcome change(Id id, MemberChange c) {
    auto p = request(Pending::Op::kMember);
    p->change = std::move(c);
    Outcome o = call(id, p);
    new_member = p->new_member;
    return o;
  }
  Id new_member = 0;  // of the last change
  // A linearizable read at `id`.
  std::string get(Id id, const std::string& key) {
    Outcome o = call(id, request(Pending::Op::kRead));
    return o.error ? "error: " + o.error->message : peek(id, key);
  }
  // What `id` has now.
  std::string peek(Id id, const std::string& key) {
    const MvccPtr mvcc = at(id).published().mvcc();
    RangeRequest r;
    r.key = key;
    auto got = read_range(mvcc->state->snapshot()->view(), mvcc->state->read_context(), r);
    if (!got) return "error: " + got.error().message;
    return got->kvs.empty() ? "none" : std::string(got->kvs[0].value.view());
  }
  // All who are up have applied the same, and agree on it.
  void expect_agreement() {
    const Id l = leader();
    EXPECT_TRUE(run_until([&] {
      for (Id id : ids()) {
        if (!at(id).removed() && at(id).applied() != at(l).applied()) return false;
      }
      return true;
    })) << "not all members apply everything";
    for (Id id : ids()) {
      if (!at(id).removed()) EXPECT_EQ(at(id).agreement_hash(), at(l).agreement_hash()) << "member " << id;
    }
  }

 private:
  struct Node;
  class Link final : public raft::Transport {
   public:
    Link(ReplicaCluster& cluster, Id id) : cluster_(cluster), id_(id) {}
    void send(std::vector<raft::Message> messages) override {
      for (auto& m : messages) {
        const Id to = m.to.value();
        cluster_.post(id_, to, [this, to, m = std::move(m)]() mutable {
          if (cluster_.drop && cluster_.drop(m)) return;
          if (cluster_.up(to)) cluster_.at(to).receive(std::move(m));
        });
      }
    }
    void send_app(raft::NodeId to, Bytes payload) override {
      cluster_.post(id_, to.value(), [this, to, payload] {
        if (cluster_.up(to.value())) cluster_.at(to.value()).receive_app(raft::NodeId(id_), payload);
      });
    }
    void send_snapshot(raft::Message m, std::unique_ptr<raft::SnapshotSource> source) override {
      const Id to = m.to.value();
      std::shared_ptr<raft::SnapshotSource> from = std::move(source);
      // Not through post(): its end is always reported.
      cluster_.network_.push_back([this, to, m = std::move(m), from]() mutable {
        const bool ok = cluster_.joined(id_, to) && stream(to, m, *from);
        if (ok) cluster_.at(to).receive(std::move(m));
        if (cluster_.up(id_)) cluster_.at(id_).snapshot_sent(raft::NodeId(to), ok);
      });
    }
    void set_peer(raft::NodeId id, std::vector<std::string> urls) override { peers[id.value()] = urls; }
    void remove_peer(raft::NodeId id) override { peers.erase(id.value()); }
    std::optional<MonoTime> active_since(raft::NodeId id) const override {
      if (!cluster_.joined(id_, id.value())) return std::nullopt;
      return std::max(cluster_.nodes_.at(id_)->up_since, cluster_.nodes_.at(id.value())->up_since);
    }
    std::map<Id, std::vector<std::string>> peers;

   private:
    bool stream(Id to, const raft::Message& m, raft::SnapshotSource& source) {
      auto sink = cluster_.at(to).receive_snapshot(m);
      if (!sink) return false;
      for (std::uint64_t at = (*sink)->received();;) {
        auto piece = source.read(at, 1000);
        if (!piece) return false;
        if (piece->empty()) return (*sink)->finish().has_value();
        if (!(*sink)->write(*piece)) return false;
        at += piece->size();
      }
    }
    ReplicaCluster& cluster_;
    const Id id_;
  };
  struct Node {
    Node(ReplicaCluster& c, Id id, std::uint64_t seed) : rng(seed), link(c, id) {}
    ReplicaOptions options;
    MemFileSystem fs;
    Rng rng;
    Link link;
    std::unique_ptr<Replica> replica;
    MonoTime up_since{};
    int ticks = 0;
  };

  void make(Id id, std::vector<MemberInfo> members, bool join) {
    auto n = std::make_unique<Node>(*this, id, rng_.next());
    n->options = options_.replica;
    n->options.data_dir = "/data";
    n->options.name = "m" + std::to_string(id);
    n->options.client_urls = {"http://client-" + std::to_string(id)};
    n->options.id = id;
    n->options.cluster_id = 77;
    n->options.members = std::move(members);
    n->options.join = join;
    n->options.background = BackgroundWork::kDrained;
    nodes_[id] = std::move(n);
  }
  static void end(Node& n) {
    if (n.replica) n.replica->stop({Code::kUnavailable, "the test ends"});
    n.replica.reset();
  }
  bool joined(Id a, Id b) { return up(a) && up(b) && !cut_.contains(a) && !cut_.contains(b); }
  void post(Id from, Id to, std::move_only_function<void()> deliver) {
    network_.push_back([this, from, to, deliver = std::move(deliver)]() mutable {
      if (!cut_.contains(from) && !cut_.contains(to)) deliver();
    });
  }

  const Options options_;
  VirtualClock clock_;
  Rng rng_{1};
  StoreMetrics metrics_{nullptr};
  std::deque<std::move_only_function<void()>> network_;
  std::set<Id> cut_;
  std::map<Id, std::unique_ptr<Node>> nodes_;
};

}  // namespace keelson::kvstore
