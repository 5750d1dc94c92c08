// Log: the replicated log in memory, from the compacted index on, with three cursors:
//
//   first()        applying()      stable()   handed()      last()
//     |---- given to apply ----|------ durable -|- being written -|- to be written -|
//
// and commit() somewhere at or after applying(). Only the suffix after commit() is ever replaced.
//
// Thread rule: one thread.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>
#include <vector>

#include "raft/core/types.h"

namespace keelson::raft {

class Log {
 public:
  // `entries` follow `snapshot_index` without a gap and are durable. Entries up to `applied` are not given
  // out again. REQUIRES: snapshot_index <= applied <= commit <= last.
  Log(Index snapshot_index, Term snapshot_term, std::vector<Entry> entries, Index commit, Index applied);

  // The entry before first(): its term is known, its data is gone.
  Index snapshot_index() const { return Index(offset_); }
  Index first() const { return Index(offset_ + 1); }
  Index last() const { return Index(offset_ + entries_.size()); }
  Term last_term() const { return entries_.empty() ? offset_term_ : entries_.back().term; }
  Index commit() const { return Index(commit_); }
  Index applying() const { return Index(applying_); }
  Index stable() const { return Index(stable_); }

  // Of snapshot_index() … last(); 0 outside.
  Term term_at(Index index) const;
  bool matches(Index index, Term term) const;
  // Whether a log that ends with (index, term) is at least as complete as this one (paper §5.4.1).
  bool up_to_date(Index index, Term term) const;
  // The newest index up to `index` whose term is at most `term`, and its term (0 when it is not held): where
  // logs may meet at best (dissertation, end of §3.5).
  std::pair<Index, Term> newest_not_above(Index index, Term term) const;
  // Entries [from, …] of at most `max_bytes` of data, at least one. REQUIRES: first() <= from.
  std::vector<Entry> slice(Index from, std::size_t max_bytes) const;
  const Entry& at(Index index) const;  // REQUIRES: first() <= index <= last()

  // The leader's append. REQUIRES: entry.index is last() + 1.
  void push(Entry entry) { entries_.push_back(std::move(entry)); }
  // A follower's (paper figure 2, AppendEntries 3 and 4). `entries` follow an index that matches. False, and
  // nothing happens, when they contradict what is committed. `keep_suffix` is a planted bug.
  bool merge(std::vector<Entry> entries, bool keep_suffix);
  // Moves forward only. REQUIRES: index <= last().
  void commit_to(Index index);
  // Starts anew after a snapshot.
  void restore(Index index, Term term);
  // Forgets entries up to `index`. REQUIRES: index <= applying().
  void compact(Index index);

  // Persistence. take_writes() hands what is to be written to `out` under this number; written() says that
  // everything up to the number is durable.
  bool has_writes() const { return handed_ < offset_ + entries_.size(); }
  void take_writes(std::uint64_t number, std::vector<Entry>& out);
  void written(std::uint64_t number);

  // Application: committed and durable entries, each once.
  bool has_applies() const { return applying_ < commit_ && applying_ < stable_; }
  void take_applies(std::size_t max_bytes, std::vector<Entry>& out);

 private:
  struct Write {
    std::uint64_t number = 0;
    std::uint64_t last = 0;  // durable up to here with it, as far as it was not replaced since
  };
  void replaced_from(std::uint64_t index);

  std::uint64_t offset_;
  Term offset_term_;
  std::deque<Entry> entries_;
  std::uint64_t commit_;
  std::uint64_t applying_;
  std::uint64_t stable_;
  std::uint64_t handed_;
  bool restored_ = false;  // since the last take_writes()
  std::deque<Write> writes_;
};

}  // namespace keelson::raft
