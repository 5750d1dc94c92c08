// Three ReplicatedStores with all their threads, joined by a transport in this process: for TSan, and for
// what a single thread cannot show.
#include <gtest/gtest.h>

#include <boost/asio/thread_pool.hpp>
#include <functional>
#include <map>
#include <mutex>
#include <shared_mutex>

#include "kvstore/server/replicated_store.h"
#include "tests/kvstore/store_fixture.h"

namespace keelson::kvstore {
namespace {

using namespace std::chrono_literals;
using Id = std::uint64_t;

std::vector<raft::Message> one(raft::Message m) {
  std::vector<raft::Message> out;
  out.push_back(std::move(m));
  return out;
}

// Hands messages over on the sender's thread, or on one that each receiver has for them; snapshots on one of
// their own.
class Hub {
 public:
  explicit Hub(bool apart) : apart_(apart) {}
  class Link final : public raft::Transport {
   public:
    Link(Hub& hub, Id id) : hub_(hub), id_(id) {}
    void send(std::vector<raft::Message> messages) override {
      for (auto& m : messages) {
        hub_.carry(std::move(m));
      }
    }
    void send_app(raft::NodeId to, Bytes payload) override {
      hub_.with(to.value(), [&](raft::TransportSink& s) { s.on_app(raft::NodeId(id_), payload); });
    }
    void send_snapshot(raft::Message m, std::unique_ptr<raft::SnapshotSource> source) override {
      auto carry = [&hub = hub_, id = id_, m = std::move(m),
                    from = std::shared_ptr<raft::SnapshotSource>(std::move(source))]() mutable {
        bool ok = false;
        const raft::NodeId to = m.to;
        hub.with(to.value(), [&](raft::TransportSink& s) {
          ok = stream(s, m, *from);
          if (ok) s.on_messages(one(std::move(m)));
        });
        hub.with(id, [&](raft::TransportSink& s) { s.on_snapshot_sent(to, ok); });
      };
      boost::asio::post(hub_.snapshots_, std::move(carry));
    }
    void set_peer(raft::NodeId, std::vector<std::string>) override {}
    void remove_peer(raft::NodeId) override {}
    std::optional<MonoTime> active_since(raft::NodeId) const override { return MonoTime{}; }

   private:
    static bool stream(raft::TransportSink& s, const raft::Message& m, raft::SnapshotSource& source) {
      auto sink = s.on_snapshot(m);
      if (!sink) return false;
      for (std::uint64_t at = (*sink)->received();;) {
        auto piece = source.read(at, 4096);
        if (!piece) return false;
        if (piece->empty()) return (*sink)->finish().has_value();
        if (!(*sink)->write(*piece)) return false;
        at += piece->size();
      }
    }
    Hub& hub_;
    const Id id_;
  };

  ~Hub() {
    snapshots_.join();
    for (auto& [id, thread] : receiving_) thread.join();
  }
  // Null: it is gone, and not used any more when this returns.
  void set(Id id, raft::TransportSink* sink) {
    std::lock_guard lock(mu_);
    sinks_[id] = sink;
  }

 private:
  void carry(raft::Message m) {
    const Id to = m.to.value();
    auto hand_over = [this, to, m = std::move(m)]() mutable {
      with(to, [&](raft::TransportSink& s) { s.on_messages(one(std::move(m))); });
    };
    if (apart_) {
      boost::asio::post(receiving_.at(to), std::move(hand_over));
    } else {
      hand_over();
    }
  }
  template <class F>
  void with(Id id, F f) {
    std::shared_lock lock(mu_);
    if (auto* sink = sinks_[id]) f(*sink);
  }
  std::shared_mutex mu_;
  std::map<Id, raft::TransportSink*> sinks_{{1, nullptr}, {2, nullptr}, {3, nullptr}};
  boost::asio::thread_pool snapshots_{1};
  const bool apart_;
  std::map<Id, boost::asio::thread_pool> receiving_ = [] {
    std::map<Id, boost::asio::thread_pool> m;
    for (Id id : {1, 2, 3}) m.try_emplace(id, 1);
    return m;
  }();
};

// The parameter: the transport has threads of its own, which work on what they bring.
class GroupTest : public ::testing::TestWithParam<bool> {
 protected:
  GroupTest() : guard_(boost::asio::make_work_guard(io_)) {
    for (auto& t : threads_) t = std::thread([this] { io_.run(); });
    for (Id id : {1, 2, 3}) open(id);
  }
  ~GroupTest() override {
    for (Id id : {1, 2, 3}) close(id);
    guard_.reset();
    for (auto& t : threads_) t.join();
  }
  void open(Id id) {
    ReplicatedStoreOptions o;
    o.data_dir = dir_.path() + "/" + std::to_string(id);
    o.clock = &clock_;
    o.wal_segment_bytes = 64 << 10;
    o.member.id = id;
    o.member.cluster_id = 9;
    for (Id other : {1, 2, 3}) {
      o.member.members.push_back({.id = other, .peer_urls = {"http://" + std::to_string(other)}});
    }
    o.transport_apart = GetParam();
    o.member.tick = 20ms;
    o.member.keep_entries = 50;
    auto store = ReplicatedStore::open(std::move(o));
    ASSERT_TRUE(store) << store.error().message;
    stores_[id] = std::move(*store);
    hub_.set(id, stores_[id].get());
    stores_[id]->start(&links_.at(id));
  }
  void close(Id id) {
    hub_.set(id, nullptr);
    stores_[id].reset();
  }
  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    block_on(io_.get_executor(), store_result(std::move(task), &out));
    return std::move(*out);
  }
  bool wait(const std::function<bool()>& done) {
    for (const auto end = clock_.now() + 30s; clock_.now() < end; std::this_thread::sleep_for(1ms)) {
      if (done()) return true;
    }
    return false;
  }
  ScratchDir dir_;
  net::AsioClock clock_;
  boost::asio::io_context io_;
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::thread threads_[2];
  std::map<Id, std::unique_ptr<ReplicatedStore>> stores_;
  Hub hub_{GetParam()};
  std::map<Id, Hub::Link> links_ = [this] {
    std::map<Id, Hub::Link> m;
    for (Id id : {1, 2, 3}) m.try_emplace(id, hub_, id);
    return m;
  }();
};

Task<> write_some(ReplicatedStore* store, std::string key, int n, std::atomic<int>* acked) {
  for (int i = 0; i < n; ++i) {
    TxnRequest t;
    auto& op = t.success.emplace_back();
    op.kind = TxnOp::Kind::kPut;
    op.put.key = key + std::to_string(i % 10);
    op.put.value = Bytes(std::to_string(i));
    if (co_await store->txn(std::move(t))) ++*acked;
  }
}

Task<> look_around(ReplicatedStore* store, int n, std::atomic<int>* read) {
  for (int i = 0; i < n; ++i) {
    RangeRequest r;
    r.key = "a";
    r.end = "z";
    if (co_await store->range(r)) ++*read;
    (void)store->status();
    (void)store->header();
    (void)co_await store->member_list(i % 2 == 0);
    if (i % 10 == 0) (void)co_await store->hash_kv(0);
    if (i % 20 == 0) (void)co_await store->snapshot();
    if (i % 15 == 0) (void)co_await store->compact(store->current_revision() - 5);
  }
}

INSTANTIATE_TEST_SUITE_P(Both, GroupTest, ::testing::Bool(),
                         [](const auto& info) { return info.param ? "Apart" : "Together"; });

TEST_P(GroupTest, ThreadsOfThreeMembers) {
  ASSERT_TRUE(wait([&] { return stores_[1]->ready() && stores_[2]->ready() && stores_[3]->ready(); }));
  std::atomic<int> acked{0};
  std::atomic<int> read{0};
  TaskGroup group;
  for (Id id : {1, 2, 3}) {
    group.spawn(io_.get_executor(),
                write_some(stores_[id].get(), std::string(1, "amx"[id - 1]), 100, &acked));
    group.spawn(io_.get_executor(), look_around(stores_[id].get(), 30, &read));
  }
  block_on(io_.get_executor(), group.join());
  EXPECT_GT(acked.load(), 250);
  EXPECT_GT(read.load(), 60);

  // One is away for longer than the log is kept: it gets a snapshot.
  const Id away = stores_[1]->leader() == 3 ? 2 : 3;
  close(away);
  std::atomic<int> more{0};
  TaskGroup second;
  for (Id id : {1, 2, 3}) {
    if (id != away) second.spawn(io_.get_executor(), write_some(stores_[id].get(), "k", 150, &more));
  }
  block_on(io_.get_executor(), second.join());
  EXPECT_GT(more.load(), 250);
  open(away);
  ASSERT_TRUE(wait([&] { return stores_[away]->ready(); }));

  // Leadership moves under load.
  Id leader = 0;
  ASSERT_TRUE(wait([&] { return (leader = stores_[away]->leader()) != 0; }));
  std::atomic<int> during{0};
  TaskGroup third;
  for (Id id : {1, 2, 3}) third.spawn(io_.get_executor(), write_some(stores_[id].get(), "l", 50, &during));
  auto moved = run(stores_[leader]->move_leader(away));
  EXPECT_TRUE(moved) << moved.error().message;
  block_on(io_.get_executor(), third.join());
  // Hardly any write fails while leadership is handed over.
  EXPECT_GE(during.load(), 145);

  ASSERT_TRUE(wait([&] {
    return stores_[1]->status().raft_applied_index == stores_[2]->status().raft_applied_index &&
           stores_[2]->status().raft_applied_index == stores_[3]->status().raft_applied_index;
  }));
  EXPECT_EQ(stores_[1]->state_hash(), stores_[2]->state_hash());
  EXPECT_EQ(stores_[2]->state_hash(), stores_[3]->state_hash());
  const Revision at = stores_[1]->current_revision();
  const auto first = run(stores_[1]->hash_kv(at));
  ASSERT_TRUE(first);
  for (Id id : {2, 3}) EXPECT_EQ(run(stores_[id]->hash_kv(at))->hash, first->hash);
}

}  // namespace
}  // namespace keelson::kvstore
