// Power loss and kill -9: what was acknowledged is there, revisions never go back, nothing is half done.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "base/mem_file.h"
#include "base/rng.h"
#include "tests/kvstore/store_fixture.h"

namespace keelson::kvstore {
namespace {

class CrashTest : public StoreTest {};

TxnRequest two_puts(const std::string& key, int n) {
  TxnRequest t;
  for (const char* side : {"left/", "right/"}) {
    auto& op = t.success.emplace_back();
    op.kind = TxnOp::Kind::kPut;
    op.put.key = side + key;
    op.put.value = Bytes(std::to_string(n));
  }
  return t;
}

struct Acknowledged {
  std::map<std::string, int> values;
  Revision revision = 1;
};

Task<> write_until_it_fails(Store* store, int writer, int* n, Acknowledged* acked, std::mutex* mu) {
  for (;;) {
    const int value = ++*n;
    auto r = co_await store->txn(two_puts(std::to_string(writer), value));
    if (!r) co_return;
    std::lock_guard lock(*mu);
    acked->values[std::to_string(writer)] = value;
    acked->revision = std::max(acked->revision, r->revision);
  }
}

// The machine loses power while fsyncs fail or writes are under way; LevelDB, in memory here, is lost every
// time, so that the log alone must bring everything back.
TEST_F(CrashTest, PowerLossLosesNothingAcknowledged) {
  MemFileSystem fs;
  Rng rng(7);
  options_.fs = &fs;
  options_.in_memory_backend = true;
  Acknowledged acked;
  std::mutex mu;
  int next[8] = {};
  for (int life = 0; life < 15; ++life) {
    auto r = try_open();
    ASSERT_TRUE(r) << "life " << life << ": " << r.error().message;
    ASSERT_GE(store_->current_revision(), acked.revision);
    for (const auto& [key, n] : acked.values) {
      ASSERT_GE(std::stoi(value("left/" + key)), n) << key;
      ASSERT_EQ(value("left/" + key), value("right/" + key));
    }
    TaskGroup group;
    for (int w = 0; w < 8; ++w) {
      group.spawn(executor(), write_until_it_fails(store_.get(), w, &next[w], &acked, &mu));
    }
    const Revision enough = store_->current_revision() + static_cast<Revision>(20 + rng.below(200));
    while (store_->current_revision() < enough) std::this_thread::yield();
    if (life % 2 == 0) {
      fs.fail_datasync("no power");
    } else {
      fs.crash(rng);
    }
    block_on(executor(), group.join());
    EXPECT_TRUE(store_->failed());
    EXPECT_EQ(get("left/0").error().code, Code::kUnavailable);
    close();
    fs.fail_datasync("");
    fs.crash(rng);
  }
  EXPECT_GT(acked.revision, 300);
}

TEST_F(CrashTest, LogThatIsGoneIsRefused) {
  open();
  put("a", "1");
  close();
  // A log that lost its files although the backend has applied them.
  auto& fs = posix_file_system();
  const auto wal_dir = options_.data_dir + "/wal";
  for (const auto& name : *fs.list(wal_dir)) ASSERT_TRUE(fs.remove(wal_dir + "/" + name));
  auto r = try_open();
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Code::kDataLoss);
  EXPECT_NE(r.error().message.find(wal_dir), std::string::npos) << r.error().message;
}

// A child writes and tells through a pipe what was acknowledged; it is killed at a random moment. Small
// segments, so that rolls, prunes and backend flushes are hit too.
TEST(KillTest, KilledTwentyTimesNothingAcknowledgedIsLost) {
  ScratchDir dir;
  Rng rng(11);
  auto options = [&](Clock* clock) {
    ReplicatedStoreOptions o;
    o.data_dir = dir.path();
    o.clock = clock;
    o.wal_segment_bytes = 32 << 10;
    return o;
  };
  struct Line {
    Revision revision;
    int n;
  };
  Line newest{1, 0};
  for (int life = 0; life < 20; ++life) {
    int fds[2];
    ASSERT_EQ(::pipe(fds), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      ::close(fds[0]);
      net::AsioClock clock;
      boost::asio::io_context io;
      auto guard = boost::asio::make_work_guard(io);
      std::thread t([&] { io.run(); });
      auto store = ReplicatedStore::open(options(&clock));
      if (!store) _exit(9);
      (*store)->start();
      for (int n = newest.n + 1;; ++n) {
        std::optional<Result<TxnResult>> r;
        block_on(io.get_executor(), store_result((*store)->txn(two_puts(std::to_string(n % 50), n)), &r));
        if (!*r) _exit(8);
        const Line line{(*r)->revision, n};
        if (::write(fds[1], &line, sizeof line) != sizeof line) _exit(7);
        if (n % 100 == 0) {
          std::optional<Result<void>> c;
          block_on(io.get_executor(), store_result((*store)->compact((*r)->revision - 20), &c));
        }
      }
    }
    ::close(fds[1]);
    const auto lines = 1 + rng.below(300);
    Line line{};
    for (std::uint64_t i = 0; i < lines; ++i) {
      ASSERT_EQ(::read(fds[0], &line, sizeof line), static_cast<ssize_t>(sizeof line))
          << "the child could not write";
      ASSERT_GT(line.revision, newest.revision);
      newest = line;
    }
    ::kill(child, SIGKILL);
    while (::read(fds[0], &line, sizeof line) == static_cast<ssize_t>(sizeof line)) newest = line;
    ::close(fds[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    ASSERT_TRUE(WIFSIGNALED(status)) << "the child ended by itself: " << WEXITSTATUS(status);
    net::AsioClock clock;
    auto store = ReplicatedStore::open(options(&clock));
    ASSERT_TRUE(store) << "life " << life << ": " << store.error().message;
    (*store)->start();
    ASSERT_GE((*store)->current_revision(), newest.revision);
    ASSERT_LE((*store)->current_revision(), newest.revision + 1);
    for (const char* side : {"left/", "right/"}) {
      RangeRequest r;
      r.key = side + std::to_string(newest.n % 50);
      auto got = *(*store)->range_now(r);
      ASSERT_GE(std::stoi(std::string(got->kvs.at(0).value.view())), newest.n);
    }
  }
  EXPECT_GT(newest.revision, 500);
}

}  // namespace
}  // namespace keelson::kvstore
