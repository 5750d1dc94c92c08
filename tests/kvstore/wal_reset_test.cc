// Logs that start anew after a snapshot, what they keep of what is applied, and what a sync tells.
#include <gtest/gtest.h>

#include "base/mem_file.h"
#include "base/rng.h"
#include "base/virtual_clock.h"
#include "raft/wal/wal.h"
#include "tests/kvstore/wal_model.h"

namespace keelson::raft {
namespace {

TEST(WalReset, IsAtomicAtEveryCrash) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    MemFileSystem fs;
    Model m;
    auto o = *Wal::open(fs, options(0, true, 4096));
    m = write_log(*o.wal, rng, 30);
    const Index at(m.committed() + 1 + rng.below(2 * m.log.size()));
    const Term term(m.hard.term.value() + 1);
    const bool died = rng.below(2) == 0;
    if (died) fs.fail_datasync("power");
    EXPECT_EQ(o.wal->reset_to(at, term).has_value(), !died);
    fs.fail_datasync("");
    std::uint64_t last = at.value();
    if (!died && rng.below(2) == 0) {
      o.wal->append({term, at.next(), Bytes::literal("first")});
      ASSERT_TRUE(o.wal->sync());
      ++last;
    }
    fs.crash(rng);
    WalOptions how = options(at.value(), rng.below(2) == 0, 4096);
    how.snapshot_index = at;
    how.snapshot_term = term;
    auto again = Wal::open(fs, how);
    ASSERT_TRUE(again) << "seed " << seed << ": " << again.error().message;
    const WalRecovery& r = again->recovery;
    EXPECT_EQ(r.last.value(), last) << "seed " << seed;
    EXPECT_EQ(r.base, at);
    EXPECT_EQ(r.base_term, term);
    EXPECT_EQ(r.hard_state.term, m.hard.term);
    EXPECT_EQ(r.membership, m.membership);
    EXPECT_EQ(again->wal->segments(), 1u);
    // Without a word of a snapshot, a log that ends below is corrupt.
    if (died && m.log.size() < at.value()) {
      auto w = std::move(again->wal);
      w->append({term, at.next(), Bytes::literal("first")});
      ASSERT_TRUE(w->sync());
    }
  }
}

TEST(WalReset, ALogBelowTheAppliedIndexIsCorruptWithoutASnapshot) {
  MemFileSystem fs;
  {
    auto o = *Wal::open(fs, options(0, true));
    o.wal->append({Term(1), Index(1), Bytes::literal("x")});
    ASSERT_TRUE(o.wal->sync());
  }
  EXPECT_FALSE(Wal::open(fs, options(5, true)));
  WalOptions beyond = options(7, true);
  beyond.snapshot_index = Index(5);
  beyond.snapshot_term = Term(3);
  EXPECT_FALSE(Wal::open(fs, beyond));
  WalOptions how = options(5, true);
  how.snapshot_index = Index(5);
  how.snapshot_term = Term(3);
  auto o = Wal::open(fs, how);
  ASSERT_TRUE(o) << o.error().message;
  EXPECT_EQ(o->recovery.last, Index(5));
  // The same index with another term is another entry.
  MemFileSystem other;
  {
    auto w = *Wal::open(other, options(0, true));
    for (std::uint64_t i = 1; i <= 9; ++i) w.wal->append({Term(1), Index(i), Bytes::literal("x")});
    ASSERT_TRUE(w.wal->sync());
  }
  auto w = Wal::open(other, how);
  ASSERT_TRUE(w) << w.error().message;
  EXPECT_EQ(w->recovery.last, Index(5));
  EXPECT_TRUE(w->recovery.entries.empty());
}

TEST(WalKeep, AppliedEntriesComeBackAsFarAsTheyAreThere) {
  MemFileSystem fs;
  {
    auto o = *Wal::open(fs, options(0, true, 64 << 10));
    for (std::uint64_t i = 1; i <= 50; ++i) {
      o.wal->append({Term(1 + i / 10), Index(i), Bytes::literal("x"),
                     i % 7 == 0 ? EntryType::kConfChange : EntryType::kNormal});
    }
    o.wal->drop_prefix(Index(20), Term(3));
    ASSERT_TRUE(o.wal->sync());
  }
  for (const std::uint64_t from : {0u, 20u, 25u, 40u, 45u}) {
    WalOptions how = options(40, true);
    how.keep_from = Index(from);
    auto o = *Wal::open(fs, how);
    const std::uint64_t base = std::max<std::uint64_t>(20, std::min<std::uint64_t>(from, 40));
    EXPECT_EQ(o.recovery.base.value(), base);
    EXPECT_EQ(o.recovery.base_term.value(), 1 + base / 10);
    ASSERT_EQ(o.recovery.entries.size(), 50 - base);
    EXPECT_EQ(o.recovery.entries[41 - base].type, EntryType::kConfChange);  // 42
  }
}

TEST(WalSync, TellsHowLongTheSyncTook) {
  MemFileSystem fs;
  VirtualClock clock;
  WalOptions how = options(0, false);
  int heard = 0;
  how.clock = &clock;
  how.on_sync = [&](double) { ++heard; };
  auto o = *Wal::open(fs, how);
  heard = 0;
  o.wal->append({Term(1), Index(1), Bytes::literal("x")});
  o.wal->set_hard_state({Term(1), NodeId(1), Index(1)});
  ASSERT_TRUE(o.wal->sync());
  EXPECT_EQ(heard, 1);
}

// A batch that tears while it rolls into a new segment: the state that the segment begins with is not of the
// batch.
TEST(WalSync, ATornFirstBatchOfASegmentTakesNoCommitWithIt) {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Rng rng(seed);
    MemFileSystem fs;
    auto o = *Wal::open(fs, options(0, false, 4096));
    std::uint64_t index = 0;
    while (o.wal->segments() < 2 + seed % 3) {
      o.wal->append({Term(1), Index(++index), Bytes(std::string(200, 'a'))});
      ASSERT_TRUE(o.wal->sync());
    }
    for (int i = 0; i < 15; ++i) o.wal->append({Term(1), Index(++index), Bytes(std::string(250, 'b'))});
    o.wal->set_hard_state({Term(1), NodeId(1), Index(index)});
    fs.fail_datasync("power");
    EXPECT_FALSE(o.wal->sync());
    fs.fail_datasync("");
    fs.crash(rng);
    auto again = Wal::open(fs, options(0, false, 4096));
    ASSERT_TRUE(again) << "seed " << seed << ": " << again.error().message;
    EXPECT_GE(again->recovery.last, again->recovery.hard_state.commit);
  }
}

}  // namespace
}  // namespace keelson::raft
