// Model: what a log of random batches should hold, and whether a recovered one does. For tests of raft/wal.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/mem_file.h"
#include "base/rng.h"
#include "raft/wal/wal.h"

namespace keelson::raft {
inline WalOptions options(std::uint64_t applied, bool repairable, std::uint64_t segment = 8 << 10) {
  WalOptions o;
  o.dir = "wal";
  o.segment_bytes = segment;
  o.applied = Index(applied);
  o.repairable = repairable;
  return o;
}

inline std::string path_of(std::uint64_t sequence) {
  char name[40];
  std::snprintf(name, sizeof name, "wal/%016llx.wal", static_cast<unsigned long long>(sequence));
  return name;
}

// What a log should hold.
struct Model {
  std::vector<Entry> log;  // log[i] has index i + 1
  HardState hard;
  std::string membership;
  std::uint64_t committed() const { return hard.commit.value(); }
};

inline Entry make_entry(Rng& rng, std::uint64_t term, std::uint64_t index) {
  std::string data(rng.below(300), 'x');
  for (char& c : data) c = static_cast<char>('a' + rng.below(26));
  return {Term(term), Index(index), Bytes(std::move(data)),
          rng.below(10) == 0 ? EntryType::kConfChange : EntryType::kNormal};
}

// Writes as a follower does: entries of rising terms, uncommitted ones replaced now and then.
// `before`: as it was before the last batch.
inline Model write_log(Wal& wal, Rng& rng, int batches, Model* before = nullptr) {
  Model m;
  m.hard = {Term(1), NodeId(1), Index(0)};
  wal.set_membership(Index(1), m.membership = "members of 1");
  wal.set_hard_state(m.hard);
  EXPECT_TRUE(wal.sync());
  for (int b = 0; b < batches; ++b) {
    if (before != nullptr) *before = m;
    if (rng.below(6) == 0) {
      m.hard.term = m.hard.term.next();
      m.hard.vote = NodeId(1 + rng.below(3));
      const auto kept = m.committed() + rng.below(m.log.size() - m.committed() + 1);
      if (rng.below(2) == 0) m.log.resize(kept);
    }
    const auto n = rng.below(5);
    for (std::uint64_t i = 0; i < n; ++i) {
      m.log.push_back(make_entry(rng, m.hard.term.value(), m.log.size() + 1));
      wal.append(m.log.back());
    }
    if (rng.below(3) != 0) {
      m.hard.commit = Index(m.committed() + rng.below(m.log.size() - m.committed() + 1));
    }
    if (rng.below(15) == 0) {
      m.membership = "members of " + std::to_string(m.committed());
      wal.set_membership(m.hard.commit, m.membership);
    }
    wal.truncate_after(Index(m.log.size()));
    wal.set_hard_state(m.hard);
    EXPECT_TRUE(wal.sync());
  }
  return m;
}

inline void expect_same(const Entry& a, const Entry& b, std::uint64_t seed) {
  ASSERT_EQ(a.index, b.index) << "seed " << seed;
  ASSERT_EQ(a.term, b.term) << "seed " << seed;
  ASSERT_EQ(a.type, b.type) << "seed " << seed;
  ASSERT_EQ(a.data, b.data) << "seed " << seed << " index " << a.index.value();
}

// Everything after `r.base` but what is damaged is as in the model.
inline void expect_log(const WalRecovery& r, const Model& m, std::uint64_t seed) {
  ASSERT_EQ(r.last.value(), m.log.size()) << "seed " << seed;
  ASSERT_EQ(r.hard_state.term, m.hard.term) << "seed " << seed;
  ASSERT_EQ(r.hard_state.vote, m.hard.vote) << "seed " << seed;
  ASSERT_EQ(r.membership, m.membership) << "seed " << seed;
  if (r.base != Index()) ASSERT_EQ(r.base_term, m.log.at(r.base.value() - 1).term) << "seed " << seed;
  std::uint64_t next = r.base.value() + 1;
  for (const Entry& e : r.entries) {
    if (r.damaged && Index(next) == r.damaged->first) next = r.damaged->last.value() + 1;
    ASSERT_EQ(e.index.value(), next) << "seed " << seed;
    expect_same(e, m.log.at(next - 1), seed);
    ++next;
  }
  if (r.damaged && Index(next) == r.damaged->first) next = r.damaged->last.value() + 1;
  ASSERT_EQ(next, m.log.size() + 1) << "seed " << seed;
}

inline std::vector<Entry> part(const Model& m, IndexRange range) {
  std::vector<Entry> out;
  for (auto i = range.first.value(); i <= range.last.value(); ++i) out.push_back(m.log.at(i - 1));
  return out;
}

inline std::vector<std::string> segments(MemFileSystem& fs) {
  std::vector<std::string> out;
  for (const auto& n : *fs.list("wal")) {
    if (n.ends_with(".wal")) out.push_back("wal/" + n);
  }
  return out;
}

inline std::size_t used(const std::string& bytes) {
  return bytes.find_last_not_of('\0') + 1;
}

}  // namespace keelson::raft
