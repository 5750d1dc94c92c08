// Members that talk over real sockets on 127.0.0.1: order, bounds, snapshots that are cut and resumed, who is
// refused, heartbeats beside bulk.
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <map>

#include "base/rng.h"
#include "net/server.h"
#include "raft/core/message_codec.h"
#include "raft/transport/frame.h"
#include "raft/transport/http_transport.h"
#include "tests/net/http_fixture.h"

namespace keelson::raft {
namespace {

using namespace std::chrono_literals;
using net::eventually;

// A snapshot of `size` bytes that are told by their offset.
class PatternSource final : public SnapshotSource {
 public:
  explicit PatternSource(std::uint64_t size) : size_(size) {}
  static char at(std::uint64_t i) { return static_cast<char>(i * 131 >> 7); }
  Result<std::string> read(std::uint64_t offset, std::size_t max) override {
    std::string out(std::min<std::uint64_t>(max, size_ - std::min(offset, size_)), '\0');
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = at(offset + i);
    return out;
  }

 private:
  const std::uint64_t size_;
};

struct Received {
  std::mutex mu;
  std::vector<Message> messages;
  std::vector<std::pair<NodeId, std::string>> apps;
  std::string snapshot;
  bool snapshot_ok = true;
  std::atomic<int> snapshot_begins = 0;
  std::atomic<std::uint64_t> snapshot_bytes = 0;
  std::atomic<bool> slow = false;  // a slow disk under the snapshot
  std::atomic<std::uint64_t> resumed_at = 0;
  std::atomic<int> heartbeats = 0;
  std::atomic<int> snapshots_done = 0;
  std::atomic<int> sent_ok = 0, sent_failed = 0;
  std::atomic<int> resets = 0, unreachable = 0, proposals_lost = 0;
  std::atomic<int> told_removed = 0;
};

class Sink final : public TransportSink {
 public:
  Received got;
  std::function<void(const Message&)> hear;

  void on_messages(std::vector<Message> messages) override {
    for (auto& m : messages) take(std::move(m));
  }
  void take(Message m) {
    if (m.type == MessageType::kHeartbeat) ++got.heartbeats;
    if (m.type == MessageType::kSnapshot) ++got.snapshots_done;
    if (hear) hear(m);
    std::lock_guard lock(got.mu);
    got.messages.push_back(std::move(m));
  }
  void on_app(NodeId from, Bytes payload) override {
    std::lock_guard lock(got.mu);
    got.apps.emplace_back(from, payload.view());
  }
  void on_unreachable(NodeId, bool reset) override { ++(reset ? got.resets : got.unreachable); }
  void on_snapshot_sent(NodeId, bool ok) override { ++(ok ? got.sent_ok : got.sent_failed); }
  void on_proposals_lost(NodeId) override { ++got.proposals_lost; }
  void on_removed(NodeId) override { ++got.told_removed; }
  Result<std::unique_ptr<SnapshotSink>> on_snapshot(const Message&) override {
    ++got.snapshot_begins;
    class To final : public SnapshotSink {
     public:
      explicit To(Received& r) : r_(r) {}
      std::uint64_t received() const override { return r_.snapshot.size(); }
      Result<void> write(std::string_view piece) override {
        for (std::size_t i = 0; i < piece.size(); ++i) {
          if (piece[i] != PatternSource::at(r_.snapshot.size() + i)) r_.snapshot_ok = false;
        }
        r_.snapshot += piece;
        r_.snapshot_bytes = r_.snapshot.size();
        if (r_.slow) std::this_thread::sleep_for(2ms);
        return {};
      }
      Result<void> finish() override { return {}; }

     private:
      Received& r_;
    };
    got.resumed_at = got.snapshot.size();
    return std::make_unique<To>(got);
  }
  std::size_t count() {
    std::lock_guard lock(got.mu);
    return got.messages.size();
  }
};

class TransportTest : public ::testing::Test {
 protected:
  struct Member {
    Sink sink;
    std::unique_ptr<HttpTransport> transport;
    std::unique_ptr<net::Server> server;
    std::string url;
  };
  void SetUp() override { pool_.start(); }
  void TearDown() override {
    for (auto& [id, m] : members_) stop(*m);
    pool_.stop();
  }
  template <class T>
  T run(Task<T> task) {
    std::promise<T> done;
    block_on(pool_.executors()[1], [](Task<T> t, std::promise<T>* p) -> Task<> {
      p->set_value(co_await std::move(t));
    }(std::move(task), &done));
    return done.get_future().get();
  }
  void listen(Member& m, std::uint16_t port = 0, std::optional<net::TlsServerConfig> tls = {}) {
    const bool secure = tls.has_value();
    m.server = std::move(*net::Server::listen({.port = port, .tls = std::move(tls)}, pool_.executors(),
                                              m.transport->handler(), clock_, Logger()));
    m.url = (secure ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(m.server->port());
  }
  HttpTransportOptions options(std::uint64_t id, Member& m) {
    HttpTransportOptions o;
    o.self = NodeId(id);
    o.cluster_id = 0xc1;
    o.sink = &m.sink;
    o.executors = pool_.executors();
    o.workers = pool_.workers();
    o.clock = &clock_;
    o.probe_every = 20ms;
    return o;
  }
  Member& add(std::uint64_t id, std::function<void(HttpTransportOptions&)> change = nullptr) {
    auto m = std::make_unique<Member>();
    auto o = options(id, *m);
    if (change) change(o);
    m->transport = HttpTransport::create(std::move(o));
    listen(*m);
    return *members_.emplace(id, std::move(m)).first->second;
  }
  void close_server(Member& m, Duration grace = 0ms) {
    if (m.server) block_on(pool_.executors()[1], m.server->stop(grace));
    m.server.reset();
  }
  void stop(Member& m) {
    close_server(m);
    if (m.transport) block_on(pool_.executors()[1], m.transport->stop());
    m.transport.reset();
  }
  static void connect(Member& a, std::uint64_t to, Member& b) { a.transport->set_peer(NodeId(to), {b.url}); }
  static Message message(MessageType type, std::uint64_t from, std::uint64_t to, std::uint64_t term) {
    Message m;
    m.type = type;
    m.from = NodeId(from);
    m.to = NodeId(to);
    m.term = Term(term);
    return m;
  }
  static Message append(std::uint64_t from, std::uint64_t to, std::uint64_t index, std::size_t size) {
    Message m = message(MessageType::kAppend, from, to, 1);
    m.entries.push_back({Term(1), Index(index), Bytes(std::string(size, 'e'))});
    return m;
  }
  static Message snapshot(std::uint64_t from, std::uint64_t to) {
    Message m = message(MessageType::kSnapshot, from, to, 3);
    m.snapshot = SnapshotMeta{Index(100), Term(2), {}};
    return m;
  }
  bool wait_active(Member& m, std::uint64_t id) {
    return eventually([&] { return m.transport->active_since(NodeId(id)).has_value(); });
  }

  net::AsioClock clock_;
  net::IoPool pool_{3, 2};
  std::map<std::uint64_t, std::unique_ptr<Member>> members_;
};

TEST_F(TransportTest, MessagesArriveWholeAndInOrder) {
  Member& a = add(1);
  Member& b = add(2);
  connect(a, 2, b);
  ASSERT_TRUE(wait_active(a, 2));
  constexpr std::uint64_t kMany = 20000;
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    std::vector<Message> batch;
    batch.push_back(append(1, 2, i, i % 300));
    a.transport->send(std::move(batch));
  }
  for (int i = 0; i < 100; ++i) a.transport->send_app(NodeId(2), Bytes("app " + std::to_string(i)));
  ASSERT_TRUE(eventually([&] { return b.sink.count() == kMany; })) << b.sink.count();
  std::lock_guard lock(b.sink.got.mu);
  for (std::uint64_t i = 1; i <= kMany; ++i) {
    const Message& m = b.sink.got.messages[i - 1];
    ASSERT_EQ(m.entries.at(0).index.value(), i);
    ASSERT_EQ(m.entries.at(0).data.size(), i % 300);
  }
}

TEST_F(TransportTest, RoundTripsAreFast) {
  Member& a = add(1);
  Member& b = add(2);
  connect(a, 2, b);
  connect(b, 1, a);
  ASSERT_TRUE(wait_active(a, 2) && wait_active(b, 1));
  b.sink.hear = [&](const Message& m) {
    if (m.type != MessageType::kAppend) return;
    std::vector<Message> reply;
    reply.push_back(message(MessageType::kAppendReply, 2, 1, m.entries.at(0).index.value()));
    b.transport->send(std::move(reply));
  };
  std::atomic<std::uint64_t> heard = 0;
  a.sink.hear = [&](const Message& m) { heard = m.term.value(); };
  const auto trip = [&](std::uint64_t i) {
    std::vector<Message> one;
    one.push_back(append(1, 2, i, 300));
    a.transport->send(std::move(one));
    const auto end = std::chrono::steady_clock::now() + 10s;
    while (heard != i && std::chrono::steady_clock::now() < end) std::this_thread::yield();
  };
  for (std::uint64_t i = 1; i <= 200; ++i) trip(i);
  std::vector<double> us;
  for (std::uint64_t i = 1001; i <= 3000; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    trip(i);
    us.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
  }
  ASSERT_EQ(heard, 3000u);
  std::sort(us.begin(), us.end());
  std::printf("round trip: p50 %.0f us, p99 %.0f us\n", us[us.size() / 2], us[us.size() * 99 / 100]);
}

TEST_F(TransportTest, HeartbeatsFlowBesideASnapshotAndLargeAppends) {
  Member& a = add(1);
  Member& b = add(2);
  connect(a, 2, b);
  ASSERT_TRUE(wait_active(a, 2));
  constexpr std::uint64_t kSize = 40u << 20;
  a.transport->send_snapshot(snapshot(1, 2), std::make_unique<PatternSource>(kSize));
  std::uint64_t index = 0;
  int during = 0;
  while (a.sink.got.sent_ok + a.sink.got.sent_failed == 0 && during < 5000) {
    std::vector<Message> batch;
    if (index < 64) batch.push_back(append(1, 2, ++index, 1u << 20));
    batch.push_back(message(MessageType::kHeartbeat, 1, 2, 1));
    a.transport->send(std::move(batch));
    ++during;
    const int want = during;
    ASSERT_TRUE(eventually([&] { return b.sink.got.heartbeats >= want; }));
  }
  ASSERT_TRUE(eventually([&] { return a.sink.got.sent_ok == 1; }));
  EXPECT_GT(during, 5);
  EXPECT_EQ(b.sink.got.snapshots_done, 1);
  EXPECT_EQ(b.sink.got.snapshot.size(), kSize);
  EXPECT_TRUE(b.sink.got.snapshot_ok);
}

TEST_F(TransportTest, ASnapshotThatIsCutGoesOnWhereItStopped) {
  Member& a = add(1);
  Member& b = add(2);
  const std::uint16_t port = b.server->port();
  connect(a, 2, b);
  ASSERT_TRUE(wait_active(a, 2));
  constexpr std::uint64_t kSize = 24u << 20;
  b.sink.got.snapshot.reserve(kSize);
  b.sink.got.slow = true;
  a.transport->send_snapshot(snapshot(1, 2), std::make_unique<PatternSource>(kSize));
  ASSERT_TRUE(eventually([&] { return b.sink.got.snapshot_bytes > 1u << 20; }));
  // A second one meanwhile is refused.
  a.transport->send_snapshot(snapshot(1, 2), std::make_unique<PatternSource>(1));
  EXPECT_EQ(a.sink.got.sent_failed, 1);
  close_server(b);
  EXPECT_EQ(a.sink.got.sent_ok, 0);
  b.sink.got.slow = false;
  listen(b, port);
  ASSERT_TRUE(eventually([&] { return a.sink.got.sent_ok == 1; }));
  EXPECT_GE(b.sink.got.snapshot_begins, 2);
  EXPECT_GT(b.sink.got.resumed_at, 0u);
  EXPECT_EQ(b.sink.got.snapshot.size(), kSize);
  EXPECT_TRUE(b.sink.got.snapshot_ok);
  EXPECT_EQ(b.sink.got.snapshots_done, 1);
}

TEST_F(TransportTest, ABrokenConnectionIsToldAndMadeAgain) {
  Member& a = add(1);
  Member& b = add(2);
  const std::uint16_t port = b.server->port();
  connect(a, 2, b);
  ASSERT_TRUE(wait_active(a, 2));
  // The append stream is opened after the control stream; only one that stood can break.
  a.transport->send({append(1, 2, 1, 10)});
  ASSERT_TRUE(eventually([&] { return b.sink.count() == 1; }));
  close_server(b);
  ASSERT_TRUE(eventually([&] { return a.sink.got.resets >= 1 && a.sink.got.proposals_lost >= 1; }));
  ASSERT_TRUE(eventually([&] { return !a.transport->active_since(NodeId(2)); }));
  listen(b, port);
  ASSERT_TRUE(wait_active(a, 2));
  a.transport->send({message(MessageType::kHeartbeat, 1, 2, 1)});
  EXPECT_TRUE(eventually([&] { return b.sink.got.heartbeats == 1; }));
}

// A firewall, or a certificate that is refused there: 1 reaches 2, and 2 answers on the streams of 1.
TEST_F(TransportTest, WhoIsNotReachedIsAnsweredOnItsOwnStreams) {
  Member& a = add(1);
  Member& b = add(2);
  connect(a, 2, b);
  b.transport->set_peer(NodeId(1), {"http://127.0.0.1:1"});
  const auto heard = [&] {
    std::lock_guard lock(a.sink.got.mu);
    const auto of = [&](MessageType type) {
      return std::ranges::any_of(a.sink.got.messages, [&](const Message& m) { return m.type == type; });
    };
    return of(MessageType::kHeartbeatReply) && of(MessageType::kAppend) && !a.sink.got.apps.empty();
  };
  // Lost until the streams stand.
  EXPECT_TRUE(eventually([&] {
    b.transport->send({message(MessageType::kHeartbeatReply, 2, 1, 1)});
    b.transport->send({append(2, 1, 1, 100)});
    b.transport->send_app(NodeId(1), Bytes::literal("app"));
    return heard();
  }));
  EXPECT_FALSE(b.transport->active_since(NodeId(1)));
  // Its end is told, for what was under way.
  const int lost = b.sink.got.proposals_lost;
  a.transport->remove_peer(NodeId(2));
  EXPECT_TRUE(eventually([&] { return b.sink.got.unreachable > 0 && b.sink.got.proposals_lost > lost; }));
}

TEST_F(TransportTest, OverflowIsDroppedAndReported) {
  Member& a = add(1, [](HttpTransportOptions& o) { o.append_bytes_max = 10000; });
  a.transport->set_peer(NodeId(2), {"http://127.0.0.1:1"});
  std::vector<Message> many;
  for (std::uint64_t i = 1; i <= 50; ++i) many.push_back(append(1, 2, i, 1000));
  a.transport->send(std::move(many));
  EXPECT_GE(a.sink.got.unreachable, 30);
  a.transport->send_snapshot(snapshot(1, 2), std::make_unique<PatternSource>(10));
  EXPECT_TRUE(eventually([&] { return a.sink.got.sent_failed == 1; }));
}

TEST_F(TransportTest, OtherClustersAndRemovedMembersAreRefused) {
  Member& a = add(1);
  Member& b = add(2, [](HttpTransportOptions& o) { o.cluster_id = 0xc2; });
  Member& c = add(3);
  connect(b, 1, a);  // another cluster
  connect(c, 1, a);
  ASSERT_TRUE(wait_active(c, 1));
  connect(c, 2, b);
  a.transport->remove_peer(NodeId(3));
  c.transport->send({message(MessageType::kHeartbeat, 3, 1, 1)});
  EXPECT_TRUE(eventually([&] { return c.sink.got.told_removed > 0; }));
  EXPECT_FALSE(b.transport->active_since(NodeId(1)));
  EXPECT_FALSE(c.transport->active_since(NodeId(2)));
  EXPECT_EQ(a.sink.count(), 0u);
}

TEST_F(TransportTest, AnUnknownSenderIsAnsweredAtItsOwnAddress) {
  Member& a = add(1);
  auto m = std::make_unique<Member>();
  auto o = options(2, *m);
  // Listens before it knows its own address.
  m->transport = HttpTransport::create(options(9, *m));
  listen(*m);
  close_server(*m);
  const auto port = static_cast<std::uint16_t>(std::stoi(m->url.substr(m->url.rfind(':') + 1)));
  block_on(pool_.executors()[1], m->transport->stop());
  o.peer_urls = {m->url};
  m->transport = HttpTransport::create(std::move(o));
  listen(*m, port);
  Member& b = *members_.emplace(2, std::move(m)).first->second;
  connect(b, 1, a);
  ASSERT_TRUE(wait_active(a, 2));
  a.transport->send({message(MessageType::kHeartbeat, 1, 2, 1)});
  EXPECT_TRUE(eventually([&] { return b.sink.got.heartbeats == 1; }));
}

TEST_F(TransportTest, MembersAreToldToWhoAsks) {
  const std::vector<PeerMember> members{{18446744073709551615u, "", {"http://10.0.0.1:2380"}, {}, true},
                                        {7, "quo\"ted", {"http://b:1", "http://c:2"}, {"http://d:3"}, false}};
  Member& a = add(1, [&](HttpTransportOptions& o) { o.members = [&] { return members; }; });
  const auto got = run(fetch_members({"http://127.0.0.1:1", a.url}, {}, 2s, clock_, Logger()));
  ASSERT_TRUE(got) << got.error().message;
  EXPECT_EQ(got->cluster_id, 0xc1u);
  EXPECT_EQ(got->members, members);
  EXPECT_FALSE(run(fetch_members({"http://127.0.0.1:1"}, {}, 1s, clock_, Logger())));
  EXPECT_TRUE(parse_members_json(R"( [ {"x":{"y":[1,{"z":null}]},"id":3,"peerURLs":null} ] )"));
  for (const char* bad : {"", "[", "[{]", "[{\"id\":}]", "[{\"id\":1}] x", "[{\"name\":\"\\u12\"}]"}) {
    EXPECT_FALSE(parse_members_json(bad)) << bad;
  }
}

TEST_F(TransportTest, MutualTlsLetsOnlyItsOwnIn) {
  net::TestPki pki;
  net::TestPki other;
  const net::TlsServerConfig server{.certificate_chain_pem = pki.server.certificate_pem,
                                    .private_key_pem = pki.server.key_pem,
                                    .client_ca_pem = pki.ca.certificate_pem,
                                    .require_client_certificate = true};
  const auto client = [&](const net::TestPki& by) {
    return net::TlsClientConfig{.ca_pem = pki.ca.certificate_pem,
                                .certificate_pem = by.client.certificate_pem,
                                .private_key_pem = by.client.key_pem};
  };
  Member& a = add(1);
  close_server(a);
  listen(a, 0, server);
  Member& good = add(2, [&](HttpTransportOptions& o) { o.tls = client(pki); });
  Member& bad = add(3, [&](HttpTransportOptions& o) { o.tls = client(other); });
  connect(good, 1, a);
  connect(bad, 1, a);
  ASSERT_TRUE(wait_active(good, 1));
  good.transport->send({message(MessageType::kHeartbeat, 2, 1, 1)});
  bad.transport->send({message(MessageType::kHeartbeat, 3, 1, 1)});
  ASSERT_TRUE(eventually([&] { return bad.sink.got.unreachable > 0; }));
  EXPECT_TRUE(eventually([&] { return a.sink.got.heartbeats == 1; }));
  EXPECT_FALSE(bad.transport->active_since(NodeId(1)));
  // A certificate of the right CA, handed in later, is used.
  bad.transport->set_tls(client(pki));
  EXPECT_TRUE(wait_active(bad, 1));
}

TEST(Frame, AnyCutGivesTheSameFrames) {
  Rng rng(7);
  for (int round = 0; round < 300; ++round) {
    std::string bytes;
    std::vector<std::string> want;
    for (auto n = rng.below(20); n > 0; --n) {
      want.emplace_back(rng.below(200), static_cast<char>('a' + n));
      const auto mark = begin_frame(bytes);
      bytes += want.back();
      end_frame(bytes, mark);
    }
    FrameReader reader;
    std::size_t got = 0;
    while (!bytes.empty()) {
      const std::size_t n = std::min<std::size_t>(bytes.size(), 1 + rng.below(300));
      reader.append(bytes.substr(0, n));
      bytes.erase(0, n);
      for (auto f = *reader.next(); f; f = *reader.next()) ASSERT_EQ(f->view(), want.at(got++));
    }
    ASSERT_EQ(got, want.size());
  }
  FrameReader reader;
  reader.append("\xff\xff\xff\xff");
  EXPECT_FALSE(reader.next());
}

TEST(Frame, AChangedChunkIsFoundOut) {
  std::string bytes;
  append_chunk(bytes, {77, "some data"});
  const std::string frame = bytes.substr(kFrameHeader);
  ASSERT_TRUE(read_chunk(frame));
  EXPECT_EQ(read_chunk(frame)->data, "some data");
  for (std::size_t i = 8; i < frame.size(); ++i) {
    std::string bad = frame;
    bad[i] = static_cast<char>(bad[i] ^ 4);
    EXPECT_FALSE(read_chunk(bad)) << i;
  }
  for (std::size_t n = 0; n < 12; ++n) EXPECT_FALSE(read_chunk(frame.substr(0, n)));
}

}  // namespace
}  // namespace keelson::raft
