// The backend on a file system that crashes; its snapshots as streams; the switch between databases.
#include "tests/kvstore/backend_fixture.h"

namespace keelson::kvstore {
namespace {

// Power is lost again and again while LevelDB writes and compacts: what flush() has returned is there, whole
// commits at a time, and the state hashes to what was recorded.
TEST(BackendCrash, PowerLossLeavesTheStateOfSomeAppliedIndex) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    MemFileSystem fs;
    Rng rng(seed);
    std::uint64_t durable = 0;
    for (int life = 0; life < 12; ++life) {
      auto options = drained(fs, "db");
      options.removals_per_flush = 1 + rng.below(20);
      auto m = Machine::open(options);
      ASSERT_TRUE(m) << "seed " << seed << " life " << life << ": " << m.error().message;
      ASSERT_GE((*m)->meta.applied_index, durable) << "seed " << seed << " life " << life;
      durable = (*m)->meta.applied_index;
      const auto commands = rng.below(600);
      for (std::uint64_t i = 0; i < commands; ++i) {
        (*m)->apply(rng);
        if (rng.below(30) != 0) continue;
        auto flushed = (*m)->backend->flush();
        ASSERT_TRUE(flushed) << flushed.error().message;
        durable = *flushed;
      }
      if (rng.below(3) == 0) {
        fs.fail_datasync("no power");
        (*m)->apply(rng);
        ASSERT_FALSE((*m)->backend->flush());
        fs.fail_datasync("");
      }
      if (rng.below(2) == 0) m->reset();
      fs.crash(rng);
    }
  }
}

// Counted as commands go by, and from nothing at start: the same.
TEST(StoredBytes, CountedAsRecounted) {
  MemFileSystem fs;
  Rng rng(8);
  for (int life = 0; life < 20; ++life) {
    auto m = *Machine::open(drained(fs, "db"));
    for (int i = 0; i < 300; ++i) m->apply(rng);
    ASSERT_TRUE(m->backend->flush());
    const auto counted = m->state->stored_bytes();
    EXPECT_GT(counted, 1000U);
    m.reset();
    m = *Machine::open(drained(fs, "db"));
    ASSERT_EQ(m->state->stored_bytes(), counted) << "life " << life;
  }
}

std::string seen(const ItemFields& f, std::string_view key, std::string_view value) {
  return std::to_string(f.rev.main) + '/' + std::to_string(f.rev.sub) + ' ' + std::string(key) +
         (f.tombstone ? " gone" : " " + std::to_string(f.create) + ' ' + std::to_string(f.version) + ' ') +
         std::string(value);
}

// Stretches of very different sizes, and a bad block in one of them.
TEST(ParallelLoad, HandsOverTheSameInTheSameOrder) {
  MemFileSystem fs;
  auto options = drained(fs, "db");
  options.background = BackgroundWork::kThread;
  Rng rng(9);
  auto m = *Machine::open(options);
  for (int i = 0; i < 400; ++i) {
    Effects effects;
    TxnRequest t;
    for (std::uint64_t n = i % 50 == 0 ? 500 : 1; n > 0; --n) {
      auto& op = t.success.emplace_back();
      op.put.key = op.del.key = "key" + std::to_string(n == 1 ? rng.below(50) : n);
      op.kind = n == 1 && rng.below(4) == 0 ? TxnOp::Kind::kDelete : TxnOp::Kind::kPut;
      op.put.value = Bytes(std::string(1500, static_cast<char>('a' + rng.below(26))));
    }
    ASSERT_TRUE(m->state->txn(t, effects));
    m->commit(effects);
    ASSERT_TRUE(m->backend->flush());
  }
  const auto load = [&](unsigned threads) {
    std::vector<std::string> out;
    Backend::Loader loader;
    loader.version = [&](const ItemFields& f, std::string_view key, std::string_view value) {
      out.push_back(seen(f, key, value));
    };
    if (threads > 0) {
      loader.threads = threads;
      loader.versions = [&](const std::vector<LoadedVersion>& versions) {
        for (const auto& v : versions) {
          const Item& i = *v.item;
          out.push_back(
              seen({i.rev(), i.create(), i.version(), i.lease(), i.tombstone()}, i.key(), i.value()));
        }
      };
    }
    EXPECT_TRUE(m->backend->load(loader));
    return out;
  };
  const auto one_by_one = load(0);
  EXPECT_GT(m->backend->disk_bytes(), 4U << 20);
  EXPECT_TRUE(load(1) == one_by_one);
  EXPECT_TRUE(load(3) == one_by_one);
  for (const auto& name : *fs.list("db")) {
    if (name.ends_with(".ldb")) fs.content("db/" + name)[100] ^= 1;
  }
  Backend::Loader loader;
  loader.threads = 2;
  loader.versions = [](const std::vector<LoadedVersion>&) {};
  const auto r = m->backend->load(loader);
  ASSERT_FALSE(r);
  EXPECT_EQ(r.error().code, Code::kDataLoss);
}

TEST(BackendCrash, SameCallsSameFiles) {
  auto run = [](std::uint64_t seed) {
    MemFileSystem fs;
    Rng rng(seed);
    auto m = *Machine::open(drained(fs, "db"));
    for (int i = 0; i < 3000; ++i) {
      m->apply(rng);
      if (i % 20 == 0) {
        EXPECT_TRUE(m->backend->flush());
      }
    }
    m.reset();
    std::string all;
    for (const auto& name : *fs.list("db")) all += name + "\n" + fs.content("db/" + name);
    return all;
  };
  const std::string first = run(3);
  EXPECT_GT(first.size(), 50000U);
  EXPECT_EQ(first, run(3));
}

class SnapshotTest : public ::testing::Test {
 protected:
  void SetUp() override {
    machine_ = *Machine::open(drained(fs_, "db"));
    Rng rng(5);
    for (int i = 0; i < 20000; ++i) {
      machine_->apply(rng);
      if (i % 200 == 0) {
        ASSERT_TRUE(machine_->backend->flush());
      }
    }
    ASSERT_TRUE(machine_->backend->flush());
    // Something big, for chunks larger than their usual size.
    Effects effects;
    for (int i = 0; i < 8; ++i) {
      TxnRequest t;
      auto& op = t.success.emplace_back();
      op.kind = TxnOp::Kind::kPut;
      op.put.key = "big" + std::to_string(i);
      op.put.value = Bytes(std::string(900000, 'b'));
      ASSERT_TRUE(machine_->state->txn(t, effects));
    }
    machine_->backend->put_system("members", "m");
    machine_->commit(effects);
    ASSERT_TRUE(machine_->backend->flush());
  }

  Backend::Options target() { return drained(fs_, "target"); }
  Result<std::unique_ptr<SnapshotBuilder>> builder(std::uint64_t index) {
    return SnapshotBuilder::open(target(), index, 1);
  }
  void expect_equal(Machine& other) {
    EXPECT_EQ(other.meta.state_hash, machine_->meta.state_hash);
    EXPECT_EQ(other.meta.revision, machine_->meta.revision);
    EXPECT_EQ(other.meta.compacted, machine_->meta.compacted);
    EXPECT_EQ(other.meta.applied_index, machine_->meta.applied_index);
    EXPECT_EQ(other.meta.snapshot_index, machine_->meta.applied_index);
    EXPECT_EQ(other.state->leases().ids(), machine_->state->leases().ids());
    EXPECT_EQ(other.system.at("members"), "m");
    EXPECT_TRUE(other.system.contains("auth"));
  }

  MemFileSystem fs_;
  std::unique_ptr<Machine> machine_;
};

TEST_F(SnapshotTest, StreamMakesTheSameState) {
  auto snapshot = *machine_->backend->snapshot();
  const std::string bytes = stream_of(snapshot, 100000);
  // The store goes on meanwhile; the picture does not.
  const auto meta = machine_->meta;
  Rng rng(9);
  for (int i = 0; i < 500; ++i) machine_->apply(rng);
  ASSERT_TRUE(machine_->backend->flush());
  EXPECT_EQ(stream_of(snapshot, 1 << 20), bytes);
  SnapshotStream jumps(snapshot);
  for (std::size_t at :
       {bytes.size() - 10, std::size_t{0}, bytes.size() / 2, std::size_t{7}, bytes.size() / 3}) {
    EXPECT_EQ(*jumps.read(at, 1000), bytes.substr(at, jumps.read(at, 1000)->size()));
  }
  EXPECT_FALSE(jumps.read(bytes.size() + 1, 10));
  auto b = *builder(meta.applied_index);
  for (std::size_t at = 0; at < bytes.size(); at += 70001) ASSERT_TRUE(b->write(bytes.substr(at, 70001)));
  ASSERT_TRUE(b->finish());
  b.reset();
  machine_->meta = meta;
  auto other = Machine::open(target());
  ASSERT_TRUE(other) << other.error().message;
  EXPECT_EQ((*other)->meta.state_hash, meta.state_hash);
  EXPECT_EQ((*other)->meta.snapshot_index, meta.applied_index);
}

TEST_F(SnapshotTest, ReceiverThatCrashesGoesOnWhereItWasDurable) {
  const auto index = machine_->meta.applied_index;
  SnapshotStream stream(*machine_->backend->snapshot());
  Rng rng(77);
  int lives = 0;
  std::uint64_t most = 0;
  // The sender's database lives on the machine that crashes too: read everything first.
  const std::string bytes = stream_of(*machine_->backend->snapshot(), 1 << 20);
  auto expected = machine_->meta;
  for (;; ++lives) {
    ASSERT_LT(lives, 100);
    auto b = builder(index);
    ASSERT_TRUE(b) << b.error().message;
    EXPECT_GE((*b)->received() + (8U << 20), most);
    std::uint64_t stop = (*b)->received() + rng.below(bytes.size() / 3);
    while ((*b)->received() < std::min<std::uint64_t>(stop, bytes.size())) {
      ASSERT_TRUE((*b)->write(bytes.substr((*b)->received(), 1 + rng.below(300000))));
    }
    most = (*b)->received();
    if (most == bytes.size()) {
      ASSERT_TRUE((*b)->finish());
      fs_.crash(rng);
      break;
    }
    EXPECT_FALSE((*b)->finish());
    fs_.crash(rng);
  }
  EXPECT_GT(lives, 2);
  machine_->meta = expected;
  auto other = Machine::open(target());
  ASSERT_TRUE(other) << other.error().message;
  expect_equal(**other);
}

TEST_F(SnapshotTest, DamagedStreamsAreRefusedAndUnfinishedOnesDoNotOpen) {
  const auto index = machine_->meta.applied_index;
  const std::string bytes = stream_of(*machine_->backend->snapshot(), 1 << 20);
  Rng rng(3);
  for (int i = 0; i < 30; ++i) {
    std::string damaged = bytes;
    const auto at = rng.below(i % 2 == 0 ? bytes.size() : 3000);
    damaged[at] = static_cast<char>(damaged[at] ^ (1 << rng.below(8)));
    auto b = *builder(index + 1000 + static_cast<std::uint64_t>(i));
    auto ok = b->write(damaged);
    if (ok) ok = b->finish();
    ASSERT_FALSE(ok) << "bit at " << at;
    EXPECT_EQ(ok.error().code, Code::kDataLoss);
  }
  auto b = *builder(index);
  ASSERT_TRUE(b->write(bytes.substr(0, bytes.size() - 1)));
  EXPECT_FALSE(b->finish());
  b.reset();
  auto half = Machine::open(target());
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().code, Code::kDataLoss);
  // Of another index than it was announced as.
  b = *builder(index + 1);
  ASSERT_TRUE(b->write(bytes));
  EXPECT_FALSE(b->finish());
}

TEST_F(SnapshotTest, SwitchesDirectoriesAtomically) {
  Rng rng(21);
  const std::string bytes = stream_of(*machine_->backend->snapshot(), 1 << 20);
  const auto index = machine_->meta.applied_index;
  machine_.reset();
  auto dirs = *BackendDirs::open(fs_, "data");
  EXPECT_EQ(dirs.current(), "data/db");
  for (int i = 1; i < 20; ++i) {
    auto b = *SnapshotBuilder::open(drained(fs_, dirs.next()), index, 1);
    ASSERT_TRUE(b->write(bytes));
    ASSERT_TRUE(b->finish());
    const std::string before = dirs.current();
    const std::string after = dirs.next();
    ASSERT_TRUE(dirs.switch_to_next());
    EXPECT_EQ(dirs.current(), after);
    fs_.crash(rng);
    dirs = *BackendDirs::open(fs_, "data");
    ASSERT_EQ(dirs.current(), after);
    ASSERT_TRUE(Machine::open(drained(fs_, dirs.current())));
    ASSERT_TRUE(dirs.remove_old());
    EXPECT_TRUE(fs_.list(before)->empty());
    if (i == 3) break;
  }
}

}  // namespace
}  // namespace keelson::kvstore
