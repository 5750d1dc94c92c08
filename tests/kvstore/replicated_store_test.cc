#include "kvstore/server/replicated_store.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <future>
#include <map>
#include <set>

#include "base/mem_file.h"
#include "kvstore/backend/etcd_reader.h"
#include "kvstore/server/errors.h"
#include "tests/kvstore/store_fixture.h"

namespace keelson::kvstore {
namespace {

using namespace std::chrono_literals;

class ReplicatedStoreTest : public StoreTest {};

// In memory, so that no disk is slow; notes which threads wait for the log's disk.
class NotingFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override {
    auto file = TRY(fs_.open(path, mode));
    if (!path.ends_with(".wal") && !path.ends_with("spare.tmp")) return file;
    return std::unique_ptr<File>(new NotingFile(*this, std::move(file)));
  }
  bool exists(const std::string& path) override { return fs_.exists(path); }
  Result<std::vector<std::string>> list(const std::string& dir) override { return fs_.list(dir); }
  Result<void> make_dirs(const std::string& dir) override { return fs_.make_dirs(dir); }
  Result<void> rename(const std::string& from, const std::string& to) override {
    return fs_.rename(from, to);
  }
  Result<void> remove(const std::string& path) override { return fs_.remove(path); }
  Result<void> remove_dir(const std::string& dir) override { return fs_.remove_dir(dir); }
  Result<void> sync_dir(const std::string& dir) override { return fs_.sync_dir(dir); }
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override { return fs_.lock(path); }

  std::map<std::thread::id, int> take_syncs() {
    std::lock_guard lock(mu_);
    return std::exchange(syncs_, {});
  }

 private:
  class NotingFile final : public File {
   public:
    NotingFile(NotingFileSystem& fs, std::unique_ptr<File> file) : fs_(fs), file_(std::move(file)) {}
    Result<std::size_t> pread(std::span<char> buf, std::uint64_t at) override {
      return file_->pread(buf, at);
    }
    Result<void> pwrite(std::string_view data, std::uint64_t at) override { return file_->pwrite(data, at); }
    Result<void> append(std::string_view data) override { return file_->append(data); }
    Result<void> datasync() override {
      {
        std::lock_guard lock(fs_.mu_);
        ++fs_.syncs_[std::this_thread::get_id()];
      }
      return file_->datasync();
    }
    Result<void> zero_fill(std::uint64_t size) override { return file_->zero_fill(size); }
    Result<void> truncate(std::uint64_t size) override { return file_->truncate(size); }
    Result<std::uint64_t> size() override { return file_->size(); }

   private:
    NotingFileSystem& fs_;
    std::unique_ptr<File> file_;
  };

  MemFileSystem fs_;
  std::mutex mu_;
  std::map<std::thread::id, int> syncs_;
};

TEST_F(ReplicatedStoreTest, PutsReadsHistoryAndRestart) {
  open();
  EXPECT_EQ(store_->current_revision(), 1);
  EXPECT_EQ(put("a", "1")->revision, 2);
  EXPECT_EQ(put("a", "2")->revision, 3);
  EXPECT_EQ(put("b", "x")->revision, 4);
  EXPECT_EQ(del("b")->responses[0].deleted, 1);
  EXPECT_EQ(del("b")->revision, 5);  // nothing there: no new revision
  auto check = [&] {
    EXPECT_EQ(store_->current_revision(), 5);
    EXPECT_EQ(value("a"), "2");
    EXPECT_EQ(value("a", 2), "1");
    EXPECT_EQ(value("b"), "none");
    EXPECT_EQ(value("b", 4), "x");
    EXPECT_EQ(get("a", "", 6).error().code, Code::kOutOfRange);
    auto kv = get("a")->kvs.at(0);
    EXPECT_EQ(kv.create_revision, 2);
    EXPECT_EQ(kv.mod_revision, 3);
    EXPECT_EQ(kv.version, 2);
  };
  check();
  const auto hash = store_->state_hash();
  close();
  open();
  check();
  EXPECT_EQ(store_->state_hash(), hash);
  EXPECT_EQ(put("c", "3")->revision, 6);
}

TEST_F(ReplicatedStoreTest, SnapshotFileHoldsWhatWasAcknowledged) {
  open();
  for (int i = 0; i < 300; ++i) put("k/" + std::to_string(i), std::string(4000, 'v'));
  del("k/7");
  auto reader = *run(store_->snapshot());
  EXPECT_EQ(put("k/8", "after it")->revision, 303);  // the reader stops nobody, and does not see it
  const std::string path = dir_.path() + "/snapshot.db";
  auto& fs = posix_file_system();
  {
    auto out = *fs.open(path, OpenMode::kCreate);
    for (;;) {
      auto piece = run(reader->read());
      ASSERT_TRUE(piece) << piece.error().message;
      if (piece->empty()) break;
      ASSERT_TRUE(out->append(*piece));
    }
    EXPECT_EQ(*out->size(), reader->size() + 32);
  }
  auto file = EtcdReader::open(fs, path, EtcdReader::Digest::kVerify);
  ASSERT_TRUE(file) << file.error().message;
  auto status = *(*file)->status();
  EXPECT_EQ(status.revision, 302);
  EXPECT_EQ(status.total_keys, 299);
  for (const auto& name : *fs.list(options_.data_dir))
    EXPECT_EQ(name.find("snapshot"), std::string::npos) << name;
}

TEST_F(ReplicatedStoreTest, SecondProcessIsRefused) {
  open();
  ReplicatedStoreOptions other = options_;
  auto r = ReplicatedStore::open(other);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Code::kFailedPrecondition);
  EXPECT_NE(r.error().message.find("LOCK"), std::string::npos);
}

TEST_F(ReplicatedStoreTest, WatchHistoryThenLiveAcrossRestart) {
  open();
  for (int i = 0; i < 10; ++i) put("k/" + std::to_string(i % 3), std::to_string(i));
  del("k/1");
  close();
  open();
  WatchRequest w;
  w.key = "k/";
  w.end = "k0";
  w.start_revision = 2;
  w.prev_kv = true;
  auto stream = *run(store_->watch(w));
  put("k/9", "live");
  std::vector<Event> events;
  while (events.size() < 12) {
    auto batch = run(stream->next());
    ASSERT_TRUE(batch) << batch.error().message;
    events.insert(events.end(), batch->events.begin(), batch->events.end());
  }
  for (std::size_t i = 0; i < 10; ++i) {
    EXPECT_EQ(events[i].kv.mod_revision, static_cast<Revision>(i + 2));
    EXPECT_EQ(events[i].kv.value.view(), std::to_string(i));
    ASSERT_EQ(events[i].prev_kv.has_value(), i >= 3);
    if (i >= 3) EXPECT_EQ(events[i].prev_kv->value.view(), std::to_string(i - 3));
  }
  EXPECT_EQ(events[10].type, Event::Type::kDelete);
  EXPECT_EQ(events[10].prev_kv->value.view(), "7");
  EXPECT_EQ(events[11].kv.value.view(), "live");
  stream->request_progress();
  auto progress = run(stream->next());
  EXPECT_TRUE(progress->events.empty());
  EXPECT_EQ(progress->revision, 13);
  stream.reset();
}

TEST_F(ReplicatedStoreTest, CompactionForgetsAndSurvivesRestart) {
  open();
  for (int i = 0; i < 20; ++i) put("k", std::to_string(i));
  del("k");
  put("other", "x");
  ASSERT_TRUE(run(store_->compact(15)));
  auto check = [&] {
    EXPECT_EQ(get("k", "", 14).error().message, "etcdserver: mvcc: required revision has been compacted");
    EXPECT_EQ(value("k", 15), "13");
    EXPECT_EQ(value("k", 21), "19");
    WatchRequest w;
    w.key = "k";
    w.start_revision = 14;
    auto stream = *run(store_->watch(w));
    auto r = run(stream->next());
    ASSERT_FALSE(r);
    EXPECT_EQ(r.error().code, Code::kOutOfRange);
    EXPECT_EQ(stream->compacted(), 15);
  };
  check();
  EXPECT_EQ(run(store_->compact(15)).error().code, Code::kOutOfRange);
  EXPECT_EQ(run(store_->compact(1000)).error().code, Code::kOutOfRange);
  close();
  open();
  check();
}

TEST_F(ReplicatedStoreTest, LeasesExpireAndTakeTheirKeys) {
  open();
  auto lease = run(store_->lease_grant(0, 1));
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->granted_ttl_s, 2);
  auto kept = *run(store_->lease_grant(77, 600));
  ASSERT_TRUE(put("a", "1", lease->id));
  ASSERT_TRUE(put("b", "1", kept.id));
  EXPECT_EQ(put("c", "1", 12345).error().message, "etcdserver: requested lease not found");
  EXPECT_EQ(run(store_->lease_time_to_live(lease->id, true))->keys, std::vector<std::string>{"a"});
  WatchRequest w;
  w.key = "a";
  auto stream = *run(store_->watch(w));
  auto gone = run(stream->next());
  ASSERT_TRUE(gone);
  EXPECT_EQ(gone->events.at(0).type, Event::Type::kDelete);
  EXPECT_EQ(run(store_->lease_time_to_live(lease->id, false))->remaining_ttl_s, -1);
  stream.reset();
  close();
  open();
  EXPECT_EQ(*run(store_->leases()), std::vector<LeaseId>{77});
  EXPECT_EQ(run(store_->lease_time_to_live(77, true))->keys, std::vector<std::string>{"b"});
  const Revision before = store_->current_revision();
  const auto granted = run(store_->lease_grant(0, 60, Identity::internal()));
  ASSERT_TRUE(granted);
  EXPECT_EQ(granted->revision, before);
  EXPECT_EQ(run(store_->lease_revoke(77, Identity::internal())).value_or(0), before + 1);
  EXPECT_EQ(value("b"), "none");
}

Task<> write_many(Store* store, int writer, int n) {
  for (int i = 0; i < n; ++i) {
    TxnRequest t;
    TxnOp op;
    op.kind = TxnOp::Kind::kPut;
    op.put.key = "w/" + std::to_string(writer) + "/" + std::to_string(i % 7);
    op.put.value = Bytes(std::to_string(i));
    t.success.push_back(op);
    auto r = co_await store->txn(t);
    EXPECT_TRUE(r);
    RangeRequest get;
    get.key = op.put.key;
    auto mine = co_await store->range(get);
    EXPECT_EQ(mine->kvs.at(0).value.view(), std::to_string(i));  // read your writes
    get.revision = r->revision - 5;
    if (get.revision > 0) EXPECT_TRUE((co_await store->range(get)).has_value());
  }
}

TEST_F(ReplicatedStoreTest, ConcurrentWritersAndReaders) {
  prometheus::Registry registry;
  options_.metrics = &registry;
  options_.wal_segment_bytes = 64 << 10;
  open();
  TaskGroup group;
  for (int w = 0; w < 50; ++w) group.spawn(executor(), write_many(store_.get(), w, 40));
  block_on(executor(), group.join());
  EXPECT_EQ(store_->current_revision(), 1 + 50 * 40);
  EXPECT_EQ(get("w/", "w0")->count, 50 * 7);
  close();
  const auto text = prometheus::TextSerializer().Serialize(registry.Collect());
  EXPECT_NE(text.find("etcd_disk_wal_fsync_duration_seconds_count"), std::string::npos);
  options_.metrics = nullptr;
  open();
  EXPECT_EQ(get("w/", "w0")->count, 50 * 7);
}

Task<> put_times(ReplicatedStore* store, int n) {
  for (int i = 0; i < n; ++i) {
    TxnRequest t;
    auto& op = t.success.emplace_back();
    op.kind = TxnOp::Kind::kPut;
    op.put.key = "k";
    EXPECT_TRUE(co_await store->txn(std::move(t)));
  }
}

// One at a time: the caller's thread does the work. A crowd: the store's own thread, many with one sync.
TEST_F(ReplicatedStoreTest, LoneRequestsAreWorkedOnByTheirThread) {
  NotingFileSystem fs;
  options_.fs = &fs;
  options_.wal_segment_bytes = 256 << 10;  // its datasync() copies the file
  open();
  while (!store_->ready()) std::this_thread::yield();
  boost::asio::io_context loop;  // as a connection has it: one thread
  auto guard = boost::asio::make_work_guard(loop);
  std::thread caller([&] { loop.run(); });
  const auto syncs = [&, id = caller.get_id()] {
    std::pair<int, int> out{0, 0};  // by the caller, by others
    for (const auto& [thread, n] : fs.take_syncs()) (thread == id ? out.first : out.second) += n;
    return out;
  };
  // The first may come while the store thread is at work; then one after the other comes before it is done.
  for (int i = 0; i < 10000 && syncs().first == 0; ++i)
    block_on(loop.get_executor(), put_times(store_.get(), 1));
  block_on(loop.get_executor(), put_times(store_.get(), 100));
  EXPECT_GT(syncs().first, 20);  // but for ticks, and a machine that is busy with others
  TaskGroup group;
  boost::asio::post(loop, [&] {
    for (int i = 0; i < 1000; ++i) group.spawn(loop.get_executor(), put_times(store_.get(), 1));
  });
  block_on(loop.get_executor(), put_times(store_.get(), 1));
  block_on(loop.get_executor(), group.join());
  const auto crowd = syncs();
  EXPECT_LT(crowd.first + crowd.second, 500);
  EXPECT_LT(crowd.first, 50);
  guard.reset();
  caller.join();
  close();
  options_.fs = nullptr;
}

Task<> put_until_stopped(ReplicatedStore* store) {
  for (;;) {
    TxnRequest t;
    auto& op = t.success.emplace_back();
    op.kind = TxnOp::Kind::kPut;
    op.put.key = "k";
    if (!co_await store->txn(std::move(t))) co_return;
  }
}

// A helper may be at work, or posted and not begun, when the store stops.
TEST_F(ReplicatedStoreTest, StopsWhileCallersWork) {
  for (int round = 0; round < 5; ++round) {
    open();
    while (!store_->ready()) std::this_thread::yield();
    TaskGroup group;
    for (int i = 0; i < 2; ++i) group.spawn(executor(), put_until_stopped(store_.get()));
    while (store_->current_revision() < 20 * (round + 1)) std::this_thread::yield();
    store_->stop();
    block_on(executor(), group.join());
    close();
  }
}

TEST_F(ReplicatedStoreTest, StopEndsWatchesAndRefusesWork) {
  open();
  WatchRequest w;
  w.key = "a";
  auto stream = *run(store_->watch(w));
  store_->stop();
  EXPECT_EQ(run(stream->next()).error().code, Code::kUnavailable);
  EXPECT_EQ(put("a", "1").error().code, Code::kUnavailable);
  EXPECT_EQ(get("a").error().code, Code::kUnavailable);
  stream.reset();
}

// HashKV as of a compacted revision is what it was before the compaction, as in etcd.
TEST_F(ReplicatedStoreTest, HashesOfCompactedRevisionsAreRemembered) {
  open();
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(i % 10 == 9 ? del("k") : put("k", std::to_string(i)));
    ASSERT_TRUE(put("other" + std::to_string(i % 3), std::to_string(i)));
  }
  Revision previous = 0;
  for (const Revision at : {Revision{20}, Revision{40}, Revision{61}}) {
    const auto before = run(store_->hash_kv(at));
    ASSERT_TRUE(before);
    EXPECT_EQ(before->compact_revision, previous);
    ASSERT_TRUE(run(store_->compact(at, true)));
    const auto after = run(store_->hash_kv(at));
    ASSERT_TRUE(after);
    EXPECT_EQ(after->hash, before->hash);
    EXPECT_EQ(after->compact_revision, previous);
    EXPECT_EQ(after->hash_revision, at);
    previous = at;
  }
  ASSERT_TRUE(run(store_->hash_kv(20)));
  EXPECT_EQ(run(store_->hash_kv(30)).error().message, compacted_error().message);
  const auto newest = run(store_->hash_kv(0));
  ASSERT_TRUE(newest);
  EXPECT_EQ(newest->compact_revision, 61);
}

// A disk that hangs: a member that is alone must not go on calling itself well.
TEST_F(ReplicatedStoreTest, LinearizableReadsWaitForAStoreThreadThatHangs) {
  std::promise<void> go_on;
  Failpoints points({.sleep = [wait = go_on.get_future().share()](Duration) { wait.wait(); },
                     .panic = [](const std::string&) { std::abort(); },
                     .print = [](const std::string&) {},
                     .random = [] { return 0.0; }});
  options_.failpoints = &points;
  options_.member.tick = 1ms;
  open();
  ASSERT_TRUE(put("k", "old"));
  RangeRequest linearizable;
  linearizable.key = "k";
  RangeRequest serializable = linearizable;
  serializable.serializable = true;
  EXPECT_TRUE(run(store_->range(linearizable)));
  ASSERT_TRUE(points.enable("raftBeforeSave", "1*sleep(1)"));
  std::thread writer([&] { EXPECT_TRUE(put("k", "new")); });
  const MonoTime until = clock_.now() + 30s;
  const auto wait = [&](auto&& unmet) {
    while (unmet() && clock_.now() < until) std::this_thread::yield();
  };
  wait([&] { return points.status("raftBeforeSave")->count == 0; });  // it hangs from here on
  wait([&] { return store_->range_now(linearizable).has_value(); });
  EXPECT_FALSE(store_->range_now(linearizable));
  EXPECT_TRUE(store_->range_now(serializable));
  go_on.set_value();
  writer.join();
  const auto after = run(store_->range(linearizable));
  ASSERT_TRUE(after && after->kvs.size() == 1);
  EXPECT_EQ(after->kvs[0].value.view(), "new");
  close();
}

}  // namespace
}  // namespace keelson::kvstore
