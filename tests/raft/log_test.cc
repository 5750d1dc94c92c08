// Log against a dumb vector of terms; the persistence cursors by example.
#include "raft/core/log.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace keelson::raft {
namespace {

Entry entry(std::uint64_t index, std::uint64_t term) {
  return {Term(term), Index(index), Bytes(std::to_string(index)), EntryType::kNormal};
}

// What a follower's log does when leaders of rising terms write to it, some suffixes replaced.
RC_GTEST_PROP(Log, AsADumbVector, (const std::vector<std::uint8_t>& script)) {
  Log log(Index(), Term(), {}, Index(), Index());
  std::vector<std::uint64_t> model;  // terms, from index 1
  std::uint64_t term = 1;
  std::uint64_t commit = 0;
  std::uint64_t number = 0;
  std::vector<std::uint64_t> disk;
  std::vector<std::pair<std::uint64_t, std::vector<Entry>>> writing;
  std::uint64_t applied = 0;
  for (const std::uint8_t op : script) {
    const std::uint64_t x = op / 5;
    switch (op % 5) {
      case 0: {  // an append at some place after what is committed
        const std::uint64_t prev = commit + (model.size() - commit) * x / 52;
        if (prev < model.size()) ++term;
        std::vector<Entry> entries;
        for (std::uint64_t i = 1; i <= x % 4; ++i) entries.push_back(entry(prev + i, term));
        if (!entries.empty()) {
          model.resize(prev);
          for (const auto& e : entries) model.push_back(e.term.value());
        }
        RC_ASSERT(log.merge(entries, false));
        break;
      }
      case 1:
        commit = std::min<std::uint64_t>(model.size(), commit + x % 3);
        log.commit_to(Index(commit));
        break;
      case 2: {
        std::vector<Entry> out;
        log.take_writes(++number, out);
        writing.emplace_back(number, out);
        break;
      }
      case 3:
        if (!writing.empty()) {
          for (const auto& e : writing.front().second) {
            disk.resize(e.index.value() - 1);
            disk.push_back(e.term.value());
          }
          log.written(writing.front().first);
          writing.erase(writing.begin());
        }
        break;
      case 4: {
        std::vector<Entry> out;
        log.take_applies(3, out);
        for (const auto& e : out) {
          RC_ASSERT(e.index.value() == ++applied);
          RC_ASSERT(applied <= commit);
        }
        if (x % 2 == 0) log.compact(Index(applied));
        break;
      }
    }
    RC_ASSERT(log.last().value() == model.size());
    for (std::uint64_t i = log.first().value(); i <= model.size(); ++i) {
      RC_ASSERT(log.term_at(Index(i)).value() == model[i - 1]);
    }
    // What is said to be stable is on the disk, and stays there whatever is being written.
    RC_ASSERT(log.stable().value() <= disk.size());
    for (std::uint64_t i = 0; i < log.stable().value(); ++i) RC_ASSERT(disk[i] == model[i]);
    for (std::uint64_t t = 0; t <= term; ++t) {
      const auto [index, found] = log.newest_not_above(log.last(), Term(t));
      std::uint64_t want = model.size();
      while (want > log.snapshot_index().value() && model[want - 1] > t) --want;
      RC_ASSERT(index.value() == want);
      if (want > log.snapshot_index().value()) RC_ASSERT(found.value() == model[want - 1]);
    }
  }
}

TEST(Log, AWriteUnderWayProvesNothingOfWhatReplacedIt) {
  Log log(Index(), Term(), {}, Index(), Index());
  std::vector<Entry> out;
  ASSERT_TRUE(log.merge({entry(1, 2)}, false));
  log.take_writes(1, out);
  ASSERT_TRUE(log.merge({entry(1, 3)}, false));
  log.take_writes(2, out);
  ASSERT_TRUE(log.merge({entry(1, 2)}, false));  // the first one again
  log.take_writes(3, out);
  log.written(1);
  EXPECT_EQ(log.stable(), Index());
  log.written(3);
  EXPECT_EQ(log.stable(), Index(1));
}

TEST(Log, RefusesWhatContradictsTheCommitted) {
  Log log(Index(), Term(), {entry(1, 1), entry(2, 1)}, Index(2), Index());
  EXPECT_FALSE(log.merge({entry(2, 5)}, false));
  EXPECT_EQ(log.term_at(Index(2)), Term(1));
}

TEST(Log, StartsAnewAfterASnapshot) {
  Log log(Index(), Term(), {entry(1, 1), entry(2, 1)}, Index(1), Index(1));
  log.restore(Index(10), Term(3));
  EXPECT_EQ(log.last(), Index(10));
  EXPECT_TRUE(log.merge({entry(11, 3)}, false));
  log.commit_to(Index(11));
  EXPECT_FALSE(log.has_applies());
  std::vector<Entry> out;
  log.take_writes(1, out);
  EXPECT_EQ(out.size(), 1u);
  log.written(1);
  EXPECT_EQ(log.stable(), Index(11));
  EXPECT_TRUE(log.has_applies());
}

TEST(Log, SlicesByBytesAtLeastOne) {
  Log log(Index(), Term(), {entry(1, 1), entry(2, 1), entry(3, 1)}, Index(), Index());
  EXPECT_EQ(log.slice(Index(1), 0).size(), 1u);
  EXPECT_EQ(log.slice(Index(1), 2).size(), 2u);
  EXPECT_EQ(log.slice(Index(2), 99).size(), 2u);
  EXPECT_TRUE(log.slice(Index(4), 99).empty());
}

}  // namespace
}  // namespace keelson::raft
