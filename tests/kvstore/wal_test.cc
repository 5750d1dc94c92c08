#include "raft/wal/wal.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/mem_file.h"
#include "base/rng.h"

namespace keelson::raft {
namespace {

constexpr char kDir[] = "wal";
constexpr char kFirst[] = "wal/0000000000000001.wal";

WalOptions options(std::uint64_t applied = 0, std::uint64_t segment = 16 << 10) {
  WalOptions o;
  o.dir = kDir;
  o.segment_bytes = segment;
  o.applied = Index(applied);
  return o;
}

std::string data_of(std::uint64_t index, std::size_t size) {
  std::string s = "entry " + std::to_string(index) + " ";
  while (s.size() < size) s.push_back(static_cast<char>('a' + (index + s.size()) % 26));
  return s;
}

void append(Wal& wal, std::uint64_t index, std::size_t size = 40, std::uint64_t term = 1) {
  wal.append({Term(term), Index(index), Bytes(data_of(index, size))});
}

// Asserts that entries are first, first+1, … last with the data of data_of().
void expect_entries(const WalRecovery& r, std::uint64_t first, std::uint64_t last) {
  ASSERT_EQ(r.entries.size(), last + 1 - first);
  for (const auto& e : r.entries) {
    ASSERT_EQ(e.index.value(), first);
    ASSERT_EQ(e.data.view(), data_of(first, e.data.size()));
    ++first;
  }
  EXPECT_EQ(r.last.value(), last);
}

TEST(Wal, ManySegmentsWithStateRoundTrip) {
  MemFileSystem fs;
  {
    auto o = Wal::open(fs, options());
    ASSERT_TRUE(o) << o.error().message;
    Wal& w = *o->wal;
    w.set_membership(Index(0), "members");
    for (std::uint64_t i = 1; i <= 500; ++i) {
      append(w, i, 10 + i % 300, 1 + i / 100);
      if (i % 3 == 0) ASSERT_TRUE(w.sync());
      if (i % 50 == 0) ASSERT_TRUE(w.prepare_spare());
    }
    w.set_hard_state({Term(6), NodeId(9), Index(400)});
    ASSERT_TRUE(w.sync());
    EXPECT_GT(w.segments(), 5u);
  }
  auto o = Wal::open(fs, options());
  ASSERT_TRUE(o) << o.error().message;
  expect_entries(o->recovery, 1, 500);
  EXPECT_EQ(o->recovery.hard_state, (HardState{Term(6), NodeId(9), Index(400)}));
  EXPECT_EQ(o->recovery.membership, "members");
  EXPECT_FALSE(o->recovery.torn);
  const auto segments = o->wal->segments();
  o->wal->drop_prefix(Index(450), Term(5));
  ASSERT_TRUE(o->wal->sync());
  EXPECT_LT(o->wal->segments(), segments);
  o->wal->truncate_after(Index(490));
  append(*o->wal, 491, 30, 7);
  append(*o->wal, 492, 30, 7);
  append(*o->wal, 491, 31, 8);  // replaces 491 and 492
  ASSERT_TRUE(o->wal->sync());
  auto again = Wal::open(fs, options(460));
  ASSERT_TRUE(again) << again.error().message;
  expect_entries(again->recovery, 461, 491);
  EXPECT_EQ(again->recovery.dropped.value(), 450u);
  EXPECT_EQ(again->recovery.last_term.value(), 8u);
  EXPECT_EQ(again->recovery.membership, "members");
}

TEST(Wal, EntryLargerThanASegment) {
  MemFileSystem fs;
  {
    auto o = *Wal::open(fs, options(0, 4096));
    append(*o.wal, 1, 100000);
    ASSERT_TRUE(o.wal->sync());
    append(*o.wal, 2, 5000);
    append(*o.wal, 3, 5000);
    ASSERT_TRUE(o.wal->sync());
  }
  auto o = Wal::open(fs, options(0, 4096));
  ASSERT_TRUE(o) << o.error().message;
  expect_entries(o->recovery, 1, 3);
}

// A log of several batches in one segment, and where each record ends.
struct Sample {
  std::string bytes;
  std::vector<std::size_t> record_ends;  // of the entries, in order
  std::size_t end = 0;
  std::size_t last_batch = 0;
};
Sample make_sample() {
  MemFileSystem fs;
  Sample s;
  auto o = *Wal::open(fs, options());
  std::uint64_t index = 0;
  for (int batch = 0; batch < 5; ++batch) {
    for (int i = 0; i <= batch; ++i) {
      ++index;
      append(*o.wal, index, 20 + 97 * index);
    }
    EXPECT_TRUE(o.wal->sync());
  }
  s.bytes = fs.content(kFirst);
  std::size_t at = wal::kSegmentHeader;
  wal::BatchHeader h;
  while (wal::read_batch_header(std::string_view(s.bytes).substr(wal::batch_start(at)), h)) {
    s.last_batch = at = wal::batch_start(at);
    std::size_t pos = at + wal::kBatchHeader;
    at = pos + h.size;
    std::uint32_t chain = h.chain;
    wal::Record r;
    while (pos < at && wal::read_record(std::string_view(s.bytes).substr(pos), chain, r)) {
      pos += r.size;
      if (r.type == wal::RecordType::kEntry) s.record_ends.push_back(pos);
    }
  }
  s.end = at;
  EXPECT_EQ(s.record_ends.size(), 15u);
  return s;
}

void put_file(MemFileSystem& fs, const std::string& bytes) {
  auto f = *fs.open(kFirst, OpenMode::kCreate);
  ASSERT_TRUE(f->pwrite(bytes, 0));
}

TEST(Wal, CutAtEveryByteRecoversToTheLastWholeRecord) {
  const Sample s = make_sample();
  for (std::size_t cut = s.record_ends[2]; cut <= s.end; ++cut) {
    const auto whole = static_cast<std::uint64_t>(
        std::upper_bound(s.record_ends.begin(), s.record_ends.end(), cut) - s.record_ends.begin());
    MemFileSystem fs;
    put_file(fs, s.bytes.substr(0, cut));
    {
      auto o = Wal::open(fs, options());
      ASSERT_TRUE(o) << cut << ": " << o.error().message;
      expect_entries(o->recovery, 1, whole);
      append(*o->wal, whole + 1);
      ASSERT_TRUE(o->wal->sync());
    }
    auto again = Wal::open(fs, options());
    ASSERT_TRUE(again) << cut << ": " << again.error().message;
    expect_entries(again->recovery, 1, whole + 1);
    EXPECT_FALSE(again->recovery.torn);
  }
}

TEST(Wal, MissingSectorsOfTheLastBatchAreATornTail) {
  const Sample s = make_sample();
  int torn = 0;
  for (std::size_t sector = s.last_batch / 512; sector * 512 < s.end; ++sector) {
    std::string bytes = s.bytes;
    const std::size_t from = std::max(sector * 512, s.last_batch);
    const std::size_t to = std::min(sector * 512 + 512, s.end);
    std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from),
              bytes.begin() + static_cast<std::ptrdiff_t>(to), '\0');
    MemFileSystem fs;
    put_file(fs, bytes);
    auto o = Wal::open(fs, options());
    ASSERT_TRUE(o) << o.error().message;
    const auto whole = static_cast<std::uint64_t>(
        std::upper_bound(s.record_ends.begin(), s.record_ends.end(), from) - s.record_ends.begin());
    expect_entries(o->recovery, 1, std::max<std::uint64_t>(whole, 10));
    EXPECT_TRUE(o->recovery.torn);
    ++torn;
  }
  EXPECT_GT(torn, 5);
}

TEST(Wal, EveryFlippedBitIsRefusedNamingFileAndOffset) {
  const Sample s = make_sample();
  for (std::size_t byte = 0; byte < s.end; ++byte) {
    for (int bit = 0; bit < 8; ++bit) {
      std::string bytes = s.bytes.substr(0, 16 << 10);
      bytes[byte] = static_cast<char>(bytes[byte] ^ (1 << bit));
      MemFileSystem fs;
      put_file(fs, bytes);
      auto o = Wal::open(fs, options());
      ASSERT_FALSE(o) << "bit " << bit << " of byte " << byte;
      EXPECT_EQ(o.error().code, Code::kDataLoss);
      EXPECT_NE(o.error().message.find(std::string(kFirst) + " at offset "), std::string::npos)
          << o.error().message;
    }
  }
}

TEST(Wal, LogBelowTheAppliedOrCommittedIndexIsCorrupt) {
  MemFileSystem fs;
  {
    auto o = *Wal::open(fs, options());
    for (int i = 1; i <= 10; ++i) append(*o.wal, static_cast<std::uint64_t>(i));
    ASSERT_TRUE(o.wal->sync());
  }
  EXPECT_TRUE(Wal::open(fs, options(10)));
  EXPECT_EQ(Wal::open(fs, options(11)).error().code, Code::kDataLoss);
  {
    auto o = *Wal::open(fs, options());
    o.wal->set_hard_state({Term(1), NodeId(1), Index(11)});
    ASSERT_TRUE(o.wal->sync());
  }
  EXPECT_EQ(Wal::open(fs, options()).error().code, Code::kDataLoss);
  MemFileSystem empty;
  EXPECT_EQ(Wal::open(empty, options(1)).error().code, Code::kDataLoss);
}

TEST(Wal, MissingSegmentIsCorrupt) {
  for (const char* gone : {"wal/0000000000000001.wal", "wal/0000000000000002.wal"}) {
    MemFileSystem fs;
    {
      auto o = *Wal::open(fs, options(0, 4096));
      for (std::uint64_t i = 1; i <= 100; ++i) {
        append(*o.wal, i, 100);
        ASSERT_TRUE(o.wal->sync());
      }
    }
    ASSERT_TRUE(fs.remove(gone));
    auto o = Wal::open(fs, options(0, 4096));
    ASSERT_FALSE(o) << gone;
    EXPECT_EQ(o.error().code, Code::kDataLoss) << o.error().message;
  }
}

TEST(Wal, FailedSyncIsFinal) {
  MemFileSystem fs;
  auto o = *Wal::open(fs, options());
  append(*o.wal, 1);
  fs.fail_datasync("no such device");
  EXPECT_FALSE(o.wal->sync());
  fs.fail_datasync("");
  append(*o.wal, 2);
  auto again = o.wal->sync();
  ASSERT_FALSE(again);
  EXPECT_NE(again.error().message.find("no such device"), std::string::npos);
}

// What sync() said was durable is there after any power loss, and the log can always be opened again.
TEST(Wal, RandomCrashesLoseNothingSynced) {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    Rng rng(seed);
    MemFileSystem fs;
    std::uint64_t synced = 0;
    std::uint64_t dropped = 0;
    for (int life = 0; life < 4; ++life) {
      auto o = Wal::open(fs, options(dropped, 8192));
      ASSERT_TRUE(o) << "seed " << seed << ": " << o.error().message;
      ASSERT_GE(o->recovery.last.value(), synced) << "seed " << seed;
      expect_entries(o->recovery, dropped + 1, o->recovery.last.value());
      synced = o->recovery.last.value();
      std::uint64_t next = synced + 1;
      const auto steps = rng.below(40);
      for (std::uint64_t i = 0; i < steps; ++i) {
        for (auto n = rng.below(5); n > 0; --n) append(*o->wal, next++, rng.below(900));
        if (rng.below(8) == 0) o->wal->set_hard_state({Term(1), NodeId(1), Index(synced)});
        if (rng.below(10) == 0 && synced > dropped) {
          dropped += rng.below(synced - dropped);
          o->wal->drop_prefix(Index(dropped), Term(1));
        }
        if (rng.below(10) == 0) ASSERT_TRUE(o->wal->prepare_spare());
        if (rng.below(3) != 0) continue;
        ASSERT_TRUE(o->wal->sync());
        synced = next - 1;
      }
      // Half of the lives end inside a sync: its writes done, its fsync not.
      if (rng.below(2) == 0) {
        append(*o->wal, next++, 3000);
        fs.fail_datasync("power");
        EXPECT_FALSE(o->wal->sync());
        fs.fail_datasync("");
      }
      fs.crash(rng);
    }
  }
}

}  // namespace
}  // namespace keelson::raft
