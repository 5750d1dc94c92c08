// RemoteStore against a real etcd (or whatever KEELSON_TEST_ETCD starts with etcd's flags): skipped where
// there is none.
#include "kvstore/client/remote_store.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sstream>

#include "kvstore/rpc/codec.h"
#include "net/grpc.h"
#include "tests/kvstore/store_fixture.h"

extern char** environ;

namespace keelson::kvstore {
namespace {

using namespace std::chrono_literals;

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in a{};
  a.sin_family = AF_INET;
  a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t n = sizeof a;
  if (::bind(fd, reinterpret_cast<sockaddr*>(&a), n) != 0) std::abort();
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&a), &n);
  ::close(fd);
  return ntohs(a.sin_port);
}

// One member in a process of its own.
class Etcd {
 public:
  explicit Etcd(std::string command)
      : command_(std::move(command)), client_(free_port()), peer_(free_port()) {
    start();
  }
  ~Etcd() { kill(); }
  void start() {
    const std::string line = fmt::format(
        "exec {0} --name a --data-dir {1}/d --listen-client-urls http://127.0.0.1:{2} "
        "--advertise-client-urls "
        "http://127.0.0.1:{2} --listen-peer-urls http://127.0.0.1:{3} --initial-advertise-peer-urls "
        "http://127.0.0.1:{3} "
        "--initial-cluster a=http://127.0.0.1:{3} --unsafe-no-fsync >>{1}/log 2>&1",
        command_, dir_.path(), client_, peer_);
    const char* argv[] = {"sh", "-c", line.c_str(), nullptr};
    ASSERT_EQ(::posix_spawn(&pid_, "/bin/sh", nullptr, nullptr, const_cast<char**>(argv), environ), 0);
  }
  void kill() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  std::string url() const { return fmt::format("http://127.0.0.1:{}", client_); }

 private:
  std::string command_;
  ScratchDir dir_;
  int client_, peer_;
  pid_t pid_ = 0;
};

class RemoteStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const char* etcd = std::getenv("KEELSON_TEST_ETCD");
    if (!etcd) GTEST_SKIP() << "KEELSON_TEST_ETCD names no etcd: THE REMOTE STORE WAS NOT TESTED";
    etcd_.emplace(etcd);
    guard_.emplace(boost::asio::make_work_guard(io_));
    thread_ = std::thread([this] { io_.run(); });
    open({etcd_->url()});
  }
  void TearDown() override {
    if (!etcd_) return;
    if (store_) run(stop());
    store_.reset();
    guard_.reset();
    thread_.join();
  }
  void open(std::vector<std::string> endpoints, std::string user = "", std::string password = "") {
    RemoteStoreOptions o;
    o.user = std::move(user);
    o.password = std::move(password);
    o.endpoints = std::move(endpoints);
    o.request_timeout = 3s;
    auto made = RemoteStore::make(o, io_.get_executor(), clock_, Rng(1), Logger());
    ASSERT_TRUE(made) << made.error().message;
    store_ = std::move(*made);
    auto started = run(store_->start(20s));
    ASSERT_TRUE(started) << started.error().message;
  }
  Task<Result<void>> stop() {
    co_await store_->stop();
    co_return Result<void>();
  }
  template <class T>
  T run(Task<T> task) {
    std::optional<T> out;
    block_on(io_.get_executor(), store_result(std::move(task), &out));
    return std::move(*out);
  }
  static TxnOp put_op(std::string key, std::string value, LeaseId lease = 0) {
    TxnOp op;
    op.kind = TxnOp::Kind::kPut;
    op.put.key = std::move(key);
    op.put.value = Bytes(std::move(value));
    op.put.lease = lease;
    return op;
  }
  Revision put(std::string key, std::string value, LeaseId lease = 0) {
    TxnRequest t;
    t.success.push_back(put_op(std::move(key), std::move(value), lease));
    auto done = run(store_->txn(std::move(t)));
    EXPECT_TRUE(done) << done.error().message;
    return done ? done->revision : 0;
  }
  Result<RangeResult> get(std::string key, std::string end = "", Revision revision = 0) {
    RangeRequest r;
    r.key = std::move(key);
    r.end = std::move(end);
    r.revision = revision;
    return run(store_->range(std::move(r)));
  }
  std::unique_ptr<WatchStream> watch(std::string key, std::string end, Revision start) {
    WatchRequest r;
    r.key = std::move(key);
    r.end = std::move(end);
    r.start_revision = start;
    r.prev_kv = true;
    auto w = run(store_->watch(std::move(r)));
    EXPECT_TRUE(w) << w.error().message;
    return std::move(*w);
  }
  // "k@revision=value" of the next `n` events.
  std::vector<std::string> events(WatchStream& w, std::size_t n) {
    std::vector<std::string> out;
    while (out.size() < n) {
      auto batch = run(w.next());
      if (!batch) {
        out.push_back("error: " + batch.error().message);
        break;
      }
      for (auto& e : batch->events) {
        EXPECT_LE(e.kv.mod_revision, batch->revision);
        out.push_back(fmt::format("{}@{}={}", e.kv.key.view(), e.kv.mod_revision,
                                  e.type == Event::Type::kDelete ? "gone" : e.kv.value.view()));
      }
    }
    return out;
  }

  net::AsioClock clock_;
  boost::asio::io_context io_;
  std::optional<boost::asio::executor_work_guard<boost::asio::io_context::executor_type>> guard_;
  std::thread thread_;
  std::optional<Etcd> etcd_;
  std::unique_ptr<RemoteStore> store_;
};

std::string events_of(const Result<WatchBatch>& batch) {
  return batch ? std::to_string(batch->events.size()) + " event" : batch.error().message;
}

// Tokens do not outlive the process that gave them.
TEST_F(RemoteStoreTest, AUsersTokenIsRenewed) {
  net::ClientOptions o;
  o.origin = etcd_->url();
  o.h2c_prior_knowledge = true;
  net::GrpcClient grpc(net::HttpClient::create(o, io_.get_executor(), clock_, Logger()));
  const auto call = [&](const char* method, const char* body) {
    const auto done = run(grpc.unary(std::string("/etcdserverpb.Auth/") + method, Bytes(std::string(body))));
    EXPECT_TRUE(done) << method << ": " << done.error().message;
  };
  call("UserAdd", "\x0a\x04root\x12\x02pw");
  call("UserGrantRole", "\x0a\x04root\x12\x04root");
  call("AuthEnable", "");
  const auto refused = get("a");
  ASSERT_FALSE(refused.has_value());
  EXPECT_NE(refused.error().message.find("user name is empty"), std::string::npos) << refused.error().message;
  run(stop());
  store_.reset();
  open({etcd_->url()}, "root", "pw");
  const Revision first = put("a", "1");
  auto events = watch("a", "", first);
  EXPECT_EQ(events_of(run(events->next())), "1 event");
  etcd_->kill();
  etcd_->start();
  const auto end = std::chrono::steady_clock::now() + 20s;
  while (!get("a") && std::chrono::steady_clock::now() < end) {
  }
  put("a", "2");
  EXPECT_EQ(events_of(run(events->next())), "1 event");
}

TEST_F(RemoteStoreTest, KeysAndTransactions) {
  const Revision first = put("/a", "1");
  put("/b", "2");
  auto all = get("/", "0");
  ASSERT_TRUE(all) << all.error().message;
  ASSERT_EQ(all->kvs.size(), 2U);
  EXPECT_EQ(all->kvs[1].key.view(), "/b");
  EXPECT_EQ(all->kvs[1].value.view(), "2");
  EXPECT_EQ(all->count, 2);
  EXPECT_EQ(all->revision, store_->current_revision());

  TxnRequest t;
  Compare c;
  c.key = "/a";
  c.number = first;
  t.compares.push_back(c);
  TxnOp del;
  del.kind = TxnOp::Kind::kDelete;
  del.del = {"/a", "", true};
  t.success = {del, put_op("/c", "3")};
  TxnOp read;
  read.range.key = "/a";
  t.failure = {read};
  auto done = run(store_->txn(t));
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_TRUE(done->succeeded);
  ASSERT_EQ(done->responses.size(), 2U);
  EXPECT_EQ(done->responses[0].deleted, 1);
  EXPECT_EQ(done->responses[0].prev_kvs.at(0).value.view(), "1");
  done = run(store_->txn(t));
  ASSERT_TRUE(done) << done.error().message;
  EXPECT_FALSE(done->succeeded);
  EXPECT_TRUE(done->responses.at(0).range.kvs.empty());

  auto future = get("/b", "", 1000);
  ASSERT_FALSE(future);
  EXPECT_EQ(future.error().code, Code::kOutOfRange);
  ASSERT_TRUE(run(store_->compact(store_->current_revision())));
  auto old = get("/b", "", first);
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().message, "etcdserver: mvcc: required revision has been compacted");
}

TEST_F(RemoteStoreTest, Leases) {
  auto lease = run(store_->lease_grant(0, 60));
  ASSERT_TRUE(lease) << lease.error().message;
  EXPECT_NE(lease->id, 0);
  EXPECT_EQ(lease->granted_ttl_s, 60);
  put("/l", "x", lease->id);
  auto lives = run(store_->lease_time_to_live(lease->id, true));
  ASSERT_TRUE(lives);
  EXPECT_EQ(lives->keys, std::vector<std::string>{"/l"});
  EXPECT_TRUE(run(store_->lease_keep_alive(lease->id)));
  EXPECT_EQ(*run(store_->leases()), std::vector<LeaseId>{lease->id});
  ASSERT_TRUE(run(store_->lease_revoke(lease->id)));
  EXPECT_TRUE(get("/l")->kvs.empty());
  auto gone = run(store_->lease_keep_alive(lease->id));
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code, Code::kNotFound);
  EXPECT_EQ(run(store_->lease_time_to_live(lease->id, false))->remaining_ttl_s, -1);
}

TEST_F(RemoteStoreTest, Watches) {
  const Revision r = put("/a", "1");
  auto from_now = watch("/", "0", 0);
  auto history = watch("/a", "", r);
  put("/other", "x");
  put("/a", "2");
  EXPECT_EQ(events(*from_now, 2),
            (std::vector<std::string>{fmt::format("/other@{}=x", r + 1), fmt::format("/a@{}=2", r + 2)}));
  EXPECT_EQ(events(*history, 2),
            (std::vector<std::string>{fmt::format("/a@{}=1", r), fmt::format("/a@{}=2", r + 2)}));

  // Progress speaks of revisions without an event here.
  const Revision outside = put("/b", "x");
  history->request_progress();
  auto progress = run(history->next());
  ASSERT_TRUE(progress) << progress.error().message;
  EXPECT_TRUE(progress->events.empty());
  EXPECT_GE(progress->revision, outside);

  ASSERT_TRUE(run(store_->compact(outside)));
  auto late = watch("/a", "", r);
  auto refused = run(late->next());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kOutOfRange);
  EXPECT_EQ(late->compacted(), outside);
}

TEST_F(RemoteStoreTest, WatchResumesAfterTheServerWasKilled) {
  std::vector<std::unique_ptr<WatchStream>> watches;
  for (int i = 0; i < 20; ++i) watches.push_back(watch("/", "0", i == 0 ? 0 : 2));
  std::vector<std::string> want;
  for (int life = 0; life < 3; ++life) {
    for (int i = 0; i < 50; ++i) want.push_back(fmt::format("/k@{}=v", put("/k", "v")));
    if (life == 1) watches[1]->request_progress();
    etcd_->kill();
    RangeRequest none;
    none.key = "/k";
    etcd_->start();
    ASSERT_TRUE(run(store_->range(none)));  // reads wait for the server
  }
  for (auto& w : watches) EXPECT_EQ(events(*w, want.size()), want);
}

TEST_F(RemoteStoreTest, WritesThatNeverLeftGoToAnotherMember) {
  run(stop());
  open({fmt::format("http://127.0.0.1:{}", free_port()), etcd_->url(),
        fmt::format("http://127.0.0.1:{}", free_port())});
  put("/a", "1");
  etcd_->kill();
  TxnRequest t;
  t.success.push_back(put_op("/a", "2"));
  auto done = run(store_->txn(t));
  ASSERT_FALSE(done);
  EXPECT_EQ(done.error().code, Code::kUnavailable);
  etcd_->start();
  EXPECT_EQ(get("/a")->kvs.at(0).value.view(), "1");
}

TEST(RpcCodec, MessagesSurviveBothWays) {
  TxnRequest inner;
  inner.success.push_back({});
  inner.success[0].range.key = std::string("k\0x", 3);
  inner.success[0].range.limit = 7;
  TxnRequest t;
  for (int i = 0; i < 5; ++i) {
    Compare c;
    c.key = "key";
    c.end = "kez";
    c.target = static_cast<Compare::Target>(i);
    c.op = Compare::Op::kNotEqual;
    if (c.target == Compare::Target::kValue)
      c.value = "v";
    else
      c.number = -i - 1;
    t.compares.push_back(c);
  }
  TxnOp nested;
  nested.kind = TxnOp::Kind::kTxn;
  nested.txn = std::make_shared<TxnRequest>(inner);
  t.failure.push_back(nested);
  std::string once, twice;
  rpc::encode(t, once);
  TxnRequest back;
  ASSERT_TRUE(rpc::decode(Bytes(once), back));
  rpc::encode(back, twice);
  EXPECT_EQ(once, twice);
  EXPECT_EQ(back.compares[2].number, -3);
  EXPECT_EQ(back.failure[0].txn->success[0].range.key.size(), 3U);

  rpc::WatchReply w;
  w.header.revision = 9;
  w.watch_id = -1;
  w.fragment = true;
  Event e;
  e.type = Event::Type::kDelete;
  e.kv.key = Bytes::literal("k");
  e.prev_kv.emplace().value = Bytes::literal("old");
  w.events = {e, e};
  std::string out;
  rpc::encode(w, out);
  rpc::WatchReply got;
  ASSERT_TRUE(rpc::decode(Bytes(out), got));
  EXPECT_EQ(got.events.at(1).prev_kv->value.view(), "old");
  EXPECT_EQ(got.watch_id, -1);
  EXPECT_FALSE(rpc::decode(Bytes(out.substr(0, out.size() - 1)), got));
}

}  // namespace
}  // namespace keelson::kvstore
