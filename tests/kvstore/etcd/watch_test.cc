// The Watch and Lease protocols over real sockets: EtcdApi over a FakeMember, our gRPC client.
#include <gtest/gtest.h>

#include <thread>

#include "kvstore/server/etcd/api.h"
#include "kvstore/server/etcd/json.h"
#include "net/client.h"
#include "net/io_pool.h"
#include "net/server.h"
#include "tests/kvstore/etcd/fake_member.h"
#include "tests/kvstore/store_fixture.h"

namespace keelson::kvstore::etcd {
namespace {

const Schema& schema() {
  static const Schema kSchema(schema_text());
  return kSchema;
}

// Everybody is nobody, but not at once.
class LateAuthenticator final : public Authenticator {
 public:
  Result<Identity> identify(const net::GrpcCall&) override { return Identity{}; }
  std::optional<std::uint64_t> awaits(const net::Request&) override {
    return left-- > 0 ? std::optional<std::uint64_t>(9) : std::nullopt;
  }
  std::atomic<int> left = 0;
};

class EtcdApiTest : public StoreTest {
 protected:
  void SetUp() override {
    open();
    member_ = std::make_unique<FakeMember>(*store_);
    ApiOptions o;
    o.watch_progress_interval = std::chrono::milliseconds(100);
    o.election_timeout = std::chrono::milliseconds(20);
    api_ = std::make_unique<EtcdApi>(*member_, clock_, Logger(), nobody_, o, nullptr);
    api_->seal();
    api_->start(executor());
    pool_.start();
    auto server = net::Server::listen({}, pool_.executors(), *api_, clock_, Logger());
    ASSERT_TRUE(server) << server.error().message;
    server_ = std::move(*server);
    net::ClientOptions c;
    c.origin = "http://127.0.0.1:" + std::to_string(server_->port());
    c.h2c_prior_knowledge = true;
    client_.emplace(net::HttpClient::create(c, pool_.next(), clock_, Logger()));
  }
  void TearDown() override {
    client_.reset();
    block_on(pool_.next(), server_->stop(std::chrono::seconds(1)));
    block_on(executor(), api_->stop());
    server_.reset();
    pool_.stop();
    store_->stop();
    api_.reset();
  }

  static std::string wire(const char* message, std::string_view json) {
    return json_to_wire(*schema().message(message), json).value();
  }
  std::unique_ptr<net::GrpcClientStream> watch(net::GrpcCallOptions o = {}) {
    auto s = run(client_->stream("/etcdserverpb.Watch/Watch", std::move(o)));
    EXPECT_TRUE(s) << s.error().message;
    return std::move(*s);
  }
  void send(net::GrpcClientStream& s, std::string_view json) {
    ASSERT_TRUE(run(s.send(Bytes(wire("etcdserverpb.WatchRequest", json)))));
  }
  // The next message without its header.
  std::string next(net::GrpcClientStream& s) {
    auto m = run(s.receive());
    if (!m) return "error: " + m.error().message;
    if (!*m) return "end";
    std::string out;
    EXPECT_TRUE(wire_to_json(*schema().message("etcdserverpb.WatchResponse"), **m, out));
    const auto comma = out.find("},");
    return comma == std::string::npos ? "{}" : "{" + out.substr(comma + 2);
  }

  LateAuthenticator nobody_;
  std::unique_ptr<FakeMember> member_;
  std::unique_ptr<EtcdApi> api_;
  net::IoPool pool_{2, 1};
  std::unique_ptr<net::Server> server_;
  std::optional<net::GrpcClient> client_;
};

TEST_F(EtcdApiTest, ManyWatchesOnOneStream) {
  ASSERT_TRUE(put("a", "1"));
  auto s = watch();
  send(*s, R"({"create_request":{"key":"YQ==","start_revision":"2"}})");
  EXPECT_EQ(next(*s), R"({"created":true})");
  EXPECT_EQ(next(*s), R"({"events":[{"kv":{"key":"YQ==","create_revision":"2","mod_revision":"2",)"
                      R"("version":"1","value":"MQ=="}}]})");
  send(*s, R"({"create_request":{"key":"Yg==","watch_id":"7","prev_kv":true,"filters":["NOPUT"]}})");
  EXPECT_EQ(next(*s), R"({"watch_id":"7","created":true})");
  send(*s, R"({"create_request":{"key":"Yg==","watch_id":"7"}})");
  EXPECT_EQ(next(*s), R"({"watch_id":"-1","created":true,"canceled":true,)"
                      R"("cancel_reason":"mvcc: duplicate watch ID provided on the WatchStream"})");
  ASSERT_TRUE(put("b", "1"));
  ASSERT_TRUE(del("b"));
  EXPECT_EQ(next(*s), R"({"watch_id":"7","events":[{"type":"DELETE","kv":{"key":"Yg==","mod_revision":"4"},)"
                      R"("prev_kv":{"key":"Yg==","create_revision":"3","mod_revision":"3","version":"1",)"
                      R"("value":"MQ=="}}]})");
  send(*s, R"({"cancel_request":{"watch_id":"7"}})");
  EXPECT_EQ(next(*s), R"({"watch_id":"7","canceled":true})");
  send(*s, R"({"create_request":{"key":"Yg==","range_end":"YQ=="}})");
  EXPECT_EQ(next(*s), R"({"watch_id":"-1","created":true,"canceled":true,)"
                      R"("cancel_reason":"mvcc: watcher range is empty"})");
}

TEST_F(EtcdApiTest, ProgressOnlyWhenAllIsDelivered) {
  ASSERT_TRUE(put("a", "1"));
  auto s = watch();
  send(*s, R"({"create_request":{"key":"YQ=="}})");
  EXPECT_EQ(next(*s), R"({"created":true})");
  send(*s, R"({"progress_request":{}})");
  EXPECT_EQ(next(*s), R"({"watch_id":"-1"})");
  send(*s, R"({"create_request":{"key":"bg==","watch_id":"5","progress_notify":true}})");
  EXPECT_EQ(next(*s), R"({"watch_id":"5","created":true})");
  EXPECT_EQ(next(*s), R"({"watch_id":"5"})");  // by the clock
}

TEST_F(EtcdApiTest, CompactedAndFuture) {
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(put("a", "1"));
  ASSERT_TRUE(run(store_->compact(4)));
  auto s = watch();
  send(*s, R"({"create_request":{"key":"YQ==","start_revision":"2"}})");
  EXPECT_EQ(next(*s), R"({"created":true})");
  EXPECT_EQ(next(*s), R"({"canceled":true,"compact_revision":"4",)"
                      R"("cancel_reason":"etcdserver: mvcc: required revision has been compacted"})");
  send(*s, R"({"create_request":{"key":"YQ==","start_revision":"7","watch_id":"1"}})");
  EXPECT_EQ(next(*s), R"({"watch_id":"1","created":true})");
  ASSERT_TRUE(put("a", "6"));
  ASSERT_TRUE(put("a", "7"));
  EXPECT_EQ(next(*s), R"({"watch_id":"1","events":[{"kv":{"key":"YQ==","create_revision":"2",)"
                      R"("mod_revision":"7","version":"6","value":"Nw=="}}]})");
}

TEST_F(EtcdApiTest, NothingIsLostBySlowReaders) {
  auto s = watch();
  send(*s, R"({"create_request":{"key":"YQ==","range_end":"Yg=="}})");
  EXPECT_EQ(next(*s), R"({"created":true})");
  constexpr int kTxns = 60;  // 6000 events of 1 KiB: more than the watch and the connection hold
  for (int i = 0; i < kTxns; ++i) {
    TxnRequest t;
    for (int k = 0; k < 100; ++k) {
      TxnOp op;
      op.kind = TxnOp::Kind::kPut;
      op.put.key = "a" + std::to_string(k);
      op.put.value = Bytes(std::string(1024, 'v'));
      t.success.push_back(std::move(op));
    }
    ASSERT_TRUE(run(store_->txn(std::move(t))));
  }
  constexpr std::string_view kMark = R"("mod_revision":")";
  int seen = 0;
  while (seen < kTxns * 100) {
    const std::string m = next(*s);
    ASSERT_TRUE(m.starts_with("{")) << m;
    for (auto at = m.find(kMark); at != std::string::npos; at = m.find(kMark, at + 1)) {
      ASSERT_EQ(std::stoll(m.substr(at + kMark.size(), 20)), 2 + seen / 100);
      ++seen;
    }
  }
  EXPECT_EQ(seen, kTxns * 100);
}

TEST_F(EtcdApiTest, StreamsThatWantALeaderEndWithoutOne) {
  net::GrpcCallOptions o;
  o.metadata.add("hasleader", "true");
  auto s = watch(o);
  send(*s, R"({"create_request":{"key":"YQ=="}})");
  EXPECT_EQ(next(*s), R"({"created":true})");
  member_->leader_id = 0;
  EXPECT_EQ(next(*s), "error: etcdserver: no leader");
  auto refused = watch(o);
  EXPECT_EQ(next(*refused), "error: etcdserver: no leader");
}

TEST_F(EtcdApiTest, RequestsWaitForTheTokenOfAnotherMember) {
  nobody_.left = 5;
  const auto request = wire("etcdserverpb.RangeRequest", R"({"key":"YQ=="})");
  EXPECT_TRUE(run(client_->unary("/etcdserverpb.KV/Range", Bytes(request))));
  EXPECT_LT(nobody_.left, 1);
}

TEST_F(EtcdApiTest, LearnersServeLittle) {
  member_->learner = true;
  const auto call = [&](const char* method, std::string bytes) {
    auto r = run(client_->unary(method, Bytes(std::move(bytes))));
    return r ? std::string("ok") : r.error().message;
  };
  const std::string refused = "etcdserver: rpc not supported for learner";
  EXPECT_EQ(call("/etcdserverpb.KV/Put", "\x0a\x01k"), refused);
  EXPECT_EQ(call("/etcdserverpb.KV/Range", "\x0a\x01k"), refused);
  EXPECT_EQ(call("/etcdserverpb.KV/Range", "\x0a\x01k\x38\x01"), "ok");
  EXPECT_EQ(call("/etcdserverpb.Maintenance/Status", ""), "ok");
  EXPECT_EQ(call("/etcdserverpb.KV/Nope", ""), "unknown method Nope for service etcdserverpb.KV");
}

}  // namespace
}  // namespace keelson::kvstore::etcd
