// Damage to a log: what recovery mends with the help of peers, what it refuses.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "base/mem_file.h"
#include "base/rng.h"
#include "base/virtual_clock.h"
#include "raft/wal/wal.h"
#include "tests/kvstore/wal_model.h"

namespace keelson::raft {
namespace {

// Bit rot, a lost sector, or a stretch of garbage, somewhere in what was written.
void rot(MemFileSystem& fs, Rng& rng) {
  const auto all = segments(fs);
  std::string& bytes = fs.content(all[rng.below(all.size())]);
  const std::size_t end = used(bytes);
  std::size_t at = rng.below(end);
  switch (rng.below(4)) {
    case 0:
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << rng.below(8)));
      return;
    case 1:
      at = at / 512 * 512;
      if (at + 512 >= end) return;  // the log would end there, and nothing could tell
      std::fill(bytes.begin() + static_cast<long>(at),
                bytes.begin() + static_cast<long>(std::min(at + 512, end)), '\0');
      return;
    default:
      for (std::size_t n = rng.below(700); n > 0 && at < end; --n) {
        bytes[at++] = static_cast<char>(rng.below(256));
      }
  }
}

TEST(WalRepair, AnyDamageIsMendedRightOrRefused) {
  std::map<std::string, int> seen;
  for (std::uint64_t seed = 0; seed < 6000; ++seed) {
    Rng rng(seed);
    MemFileSystem fs;
    Model m;
    Model before;
    {
      auto o = *Wal::open(fs, options(0, true));
      m = write_log(*o.wal, rng, 20 + static_cast<int>(rng.below(30)), &before);
    }
    rot(fs, rng);
    for (const auto& path : segments(fs)) ASSERT_TRUE((*fs.open(path, OpenMode::kReadWrite))->datasync());
    const std::uint64_t applied = rng.below(before.committed() + 1);
    WalOptions how = options(applied, true);
    if (applied > 0 && rng.below(2) == 0) how.applied_term = m.log[applied - 1].term;
    if (rng.below(2) == 0) how.keep_from = Index(applied / 2);
    auto o = Wal::open(fs, how);
    if (!o) {
      ASSERT_EQ(o.error().code, Code::kDataLoss) << o.error().message;
      ASSERT_NE(o.error().message.find(" at offset "), std::string::npos) << o.error().message;
      ++seen["refused"];
      continue;
    }
    if (o->recovery.torn) {
      ++seen["torn"];  // the last batch: nobody can tell
      continue;
    }
    expect_log(o->recovery, m, seed);
    if (HasFatalFailure()) return;
    if (!o->recovery.damaged) {
      ++seen[o->recovery.damage.empty() ? "nothing hit" : "mended alone"];
    } else {
      ++seen["mended by peers"];
      ASSERT_TRUE(o->wal->damaged());
      const IndexRange range = *o->recovery.damaged;
      ASSERT_FALSE(o->wal->repair({}));
      auto wrong = part(m, range);
      wrong.front().index = wrong.front().index.next();
      ASSERT_FALSE(o->wal->repair(wrong));
      // A crash instead of a repair changes nothing.
      if (rng.below(4) == 0) {
        fs.crash(rng);
        auto same = Wal::open(fs, how);
        ASSERT_TRUE(same) << same.error().message;
        ASSERT_EQ(same->recovery.damaged, range);
        o = std::move(same);
      }
      auto mended = o->wal->repair(part(m, range));
      ASSERT_TRUE(mended) << mended.error().message;
      ASSERT_FALSE(mended->damaged);
      expect_log(*mended, m, seed);
      if (HasFatalFailure()) return;
    }
    // It goes on, and is sound for good.
    m.log.push_back(make_entry(rng, m.hard.term.value(), m.log.size() + 1));
    o->wal->append(m.log.back());
    ASSERT_TRUE(o->wal->sync());
    fs.crash(rng);
    auto again = Wal::open(fs, options(applied, false));
    ASSERT_TRUE(again) << "seed " << seed << ": " << again.error().message;
    expect_log(again->recovery, m, seed);
    if (HasFatalFailure()) return;
  }
  for (const auto& [what, n] : seen) std::printf("%s: %d\n", what.c_str(), n);
  EXPECT_GT(seen["mended by peers"], 1000);
  EXPECT_GT(seen["mended alone"], 300);
  EXPECT_GT(seen["refused"], 300);
}

// Every record type at every position: without peers each is refused; with peers each is mended or refused,
// and a log of one batch per record is refused only where its end or its hard state is hit.
TEST(WalRepair, EveryRecordTypeAtEveryPosition) {
  MemFileSystem fresh;
  Model m;
  {
    auto o = *Wal::open(fresh, options(0, true, 64 << 10));
    Rng rng(1);
    m = write_log(*o.wal, rng, 40);
  }
  const std::string sound = fresh.content(path_of(1));
  std::map<int, int> mended;
  int refused = 0;
  std::size_t at = wal::kSegmentHeader;
  wal::BatchHeader h;
  while (wal::read_batch_header(std::string_view(sound).substr(wal::batch_start(at)), h)) {
    std::size_t pos = wal::batch_start(at) + wal::kBatchHeader;
    at = pos + h.size;
    std::uint32_t chain = h.chain;
    wal::Record r;
    while (pos < at && wal::read_record(std::string_view(sound).substr(pos), chain, r)) {
      for (const std::size_t byte : {pos, pos + 4, pos + 5, pos + 8}) {
        MemFileSystem fs;
        auto f = *fs.open(path_of(1), OpenMode::kCreate);
        std::string bytes = sound;
        bytes[byte] = static_cast<char>(bytes[byte] ^ 0x10);
        ASSERT_TRUE(f->pwrite(bytes, 0));
        EXPECT_EQ(Wal::open(fs, options(0, false, 64 << 10)).error().code, Code::kDataLoss);
        auto o = Wal::open(fs, options(0, true, 64 << 10));
        if (!o) {
          ++refused;
          continue;
        }
        expect_log(o->recovery, m, byte);
        ASSERT_TRUE(o->recovery.damaged);
        auto whole = o->wal->repair(part(m, *o->recovery.damaged));
        ASSERT_TRUE(whole) << whole.error().message;
        expect_log(*whole, m, byte);
        ++mended[static_cast<int>(r.type)];
      }
      pos += r.size;
    }
  }
  std::printf("refused %d\n", refused);
  for (const auto& [type, n] : mended) std::printf("type %d: mended %d\n", type, n);
  for (const auto type : {wal::RecordType::kEntry, wal::RecordType::kHardState, wal::RecordType::kTruncate,
                          wal::RecordType::kConfChangeEntry}) {
    EXPECT_GT(mended[static_cast<int>(type)], 4) << static_cast<int>(type);
  }
  EXPECT_GT(refused, 4);
}

TEST(WalRepair, EntriesThatContradictWhatIsCommittedAreDropped) {
  MemFileSystem fs;
  {
    auto o = *Wal::open(fs, options(0, true));
    for (std::uint64_t i = 1; i <= 6; ++i) {
      o.wal->append({Term(2), Index(i), Bytes(std::string(100, 'o'))});
      o.wal->set_hard_state({Term(2), NodeId(1), Index(i < 3 ? i : 2)});
      ASSERT_TRUE(o.wal->sync());
    }
  }
  std::string& bytes = fs.content(path_of(1));
  bytes[bytes.find(std::string(100, 'o'), 1000)] = '!';
  auto o = *Wal::open(fs, options(0, true));
  ASSERT_TRUE(o.recovery.damaged);
  const IndexRange range = *o.recovery.damaged;
  EXPECT_EQ(range.first.value(), 3u);
  std::vector<Entry> committed;
  for (auto i = range.first.value(); i <= range.last.value(); ++i) {
    committed.push_back({Term(5), Index(i), Bytes::literal("newer")});
  }
  auto r = o.wal->repair(committed);
  ASSERT_TRUE(r) << r.error().message;
  EXPECT_EQ(r->last, range.last);
  EXPECT_EQ(r->hard_state.term, Term(5));  // we took no part in it
  EXPECT_EQ(r->hard_state.vote, NodeId());
  auto again = *Wal::open(fs, options(0, false));
  EXPECT_EQ(again.recovery.last, range.last);
  EXPECT_EQ(again.recovery.entries.back().data.view(), "newer");
}

TEST(WalRepair, ANewerTermVoidsTheRest) {
  for (const std::uint64_t term : {2u, 3u, 5u}) {
    MemFileSystem fs;
    {
      auto o = *Wal::open(fs, options(0, true));
      for (std::uint64_t i = 1; i <= 12; ++i) {
        o.wal->append({Term(2), Index(i), Bytes(std::string(100, 'o'))});
        o.wal->append({Term(3), Index(i + 1), Bytes(std::string(100, 'p'))});
        o.wal->set_hard_state({Term(4), NodeId(1), Index(std::min<std::uint64_t>(i, 2))});
        ASSERT_TRUE(o.wal->sync());
      }
    }
    std::string& bytes = fs.content(path_of(1));
    bytes[bytes.find(std::string(100, 'p'), 1200)] = '!';
    auto o = *Wal::open(fs, options(0, true));
    ASSERT_TRUE(o.recovery.damaged);
    const IndexRange range = *o.recovery.damaged;
    ASSERT_LT(range.first, range.last);
    auto r = o.wal->repair({{Term(term), range.first, Bytes::literal("newer")}});
    if (Term(term) <= o.recovery.gap_term) {
      ASSERT_FALSE(r) << "may be the same log as ours";
      EXPECT_EQ(r.error().code, Code::kInvalidArgument);
      continue;
    }
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_EQ(r->last, range.first);
    EXPECT_EQ(r->hard_state.commit, range.first);
    EXPECT_EQ(r->hard_state.vote, term > 4 ? NodeId() : NodeId(1));
    auto again = *Wal::open(fs, options(0, false));
    EXPECT_EQ(again.recovery.last, range.first);
    EXPECT_EQ(again.recovery.entries.back().data.view(), "newer");
  }
}

TEST(WalRepair, ASnapshotMendsToo) {
  for (const std::uint64_t at : {12u, 30u}) {
    MemFileSystem fs;
    {
      auto o = *Wal::open(fs, options(0, true));
      for (std::uint64_t i = 1; i <= 20; ++i) {
        o.wal->append({Term(2), Index(i), Bytes(std::string(100, 'o'))});
        o.wal->set_hard_state({Term(2), NodeId(1), Index(i)});
        ASSERT_TRUE(o.wal->sync());
      }
    }
    std::string& bytes = fs.content(path_of(1));
    bytes[bytes.find(std::string(100, 'o'), 1500)] = '!';
    auto o = *Wal::open(fs, options(0, true));
    ASSERT_TRUE(o.recovery.damaged);
    ASSERT_LE(o.recovery.damaged->last.value(), 12u);
    auto r = o.wal->repair_from_snapshot(Index(at), Term(2));
    ASSERT_TRUE(r) << r.error().message;
    EXPECT_EQ(r->last.value(), std::max<std::uint64_t>(at, 20));
    auto again = Wal::open(fs, options(at, false));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->recovery.last, r->last);
    EXPECT_EQ(again->recovery.entries.size(), at < 20 ? 20 - at : 0);
    EXPECT_EQ(again->recovery.hard_state.vote, NodeId(1));
  }
}

TEST(WalFaults, EachPlantedBugShows) {
  const auto life = [](WalFaults faults) {
    MemFileSystem fs;
    WalOptions how = options(0, false);
    how.faults = faults;
    auto o = *Wal::open(fs, how);
    for (std::uint64_t i = 1; i <= 4; ++i) {
      o.wal->append({Term(3), Index(i), Bytes(std::string(600, 'x'))});
      o.wal->set_hard_state({Term(3 + i), NodeId(2), Index(1)});
      EXPECT_TRUE(o.wal->sync());
    }
    Rng rng(4);
    fs.crash(rng);
    if (faults.torn_means_truncate) fs.content(path_of(1))[1500] ^= 1;
    return Wal::open(fs, how);
  };
  auto sound = life({});
  ASSERT_TRUE(sound);
  EXPECT_EQ(sound->recovery.last, Index(4));
  EXPECT_EQ(sound->recovery.hard_state.vote, NodeId(2));
  EXPECT_EQ(sound->recovery.hard_state.term, Term(7));
  auto unsynced = life({.ack_before_fsync = true});
  EXPECT_TRUE(!unsynced || unsynced->recovery.last < Index(4));
  EXPECT_EQ(life({.forget_vote = true})->recovery.hard_state.vote, NodeId());
  EXPECT_EQ(life({.term_not_persisted = true})->recovery.hard_state.term, Term(6));
  auto cut = life({.torn_means_truncate = true});
  ASSERT_TRUE(cut) << cut.error().message;
  EXPECT_LT(cut->recovery.last, Index(4));
}

}  // namespace
}  // namespace keelson::raft
