// LogRepair: what a member whose log is damaged in the middle has to get from the others, and whom it asks
// next (protocol-aware recovery: raft/wal/wal.h says what is safe, replica_repair.cc carries the messages).
//
//   one member is asked at a time, for the first entry that is missing; the next one where it does not answer
//   or has nothing. Only entries known to be committed are given, so pieces of different members fit
//   together. Where none has them any more, but one has applied them: its snapshot. Where all others have
//   lost the same entry: lost(), and the member gives up.
//
// A member that is itself being repaired answers too, with what of its log is whole: members damaged at
// different places mend one another.
//
// Thread rule: one thread. Pure: no clock, no I/O.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "raft/wal/wal.h"

namespace keelson::kvstore {

class LogRepair {
 public:
  enum class Answer : std::uint8_t {
    kEntries = 1,  // entries from the first one asked for on
    kNotYet,       // not known to be committed, or just not available
    kSnapshot,     // applied and dropped from the log: a snapshot would do
    kDamaged,      // lost there as well
  };
  struct Ask {
    raft::NodeId to;
    raft::IndexRange range;
    bool snapshot = false;
  };

  // `found` is what Wal::open() has found, with `damaged` set. REQUIRES: `others` is not empty.
  LogRepair(raft::WalRecovery found, std::vector<raft::NodeId> others, MonoTime now);

  // The question to send now; nullopt while an answer is awaited. Ask again now and then.
  std::optional<Ask> next(MonoTime now);
  // What `from` answers to a question for entries from `first` on. What is too old is passed over.
  void take(raft::NodeId from, Answer answer, raft::Index first, std::vector<raft::Entry> entries,
            MonoTime now);

  // The entries suffice: all that are missing, or so many that the rest is proved void (Wal::repair).
  bool complete() const;
  std::vector<raft::Entry> entries() const;  // for Wal::repair(), once complete()
  // Nobody has the first of the missing entries.
  bool lost() const { return lost_.size() == others_.size(); }

  // What this log has, or was given since, and is known to be committed: from `first` on without a gap, of at
  // most `max_bytes` of data, at least one where there is one.
  std::vector<raft::Entry> committed_entries(raft::Index first, std::size_t max_bytes) const;

  const raft::WalRecovery& found() const { return found_; }
  raft::IndexRange missing() const { return {next_, found_.damaged->last}; }
  MonoTime since() const { return since_; }

 private:
  void next_member(MonoTime now);
  void skip_what_is_there();

  const raft::WalRecovery found_;
  const std::vector<raft::NodeId> others_;
  const MonoTime since_;
  raft::Index next_;  // the first entry still missing
  std::map<raft::Index, raft::Entry> committed_;
  std::size_t at_ = 0;     // whom to ask
  std::size_t tries_ = 0;  // since the last progress
  bool waits_ = false;     // for an answer, until wait_until_
  MonoTime wait_until_{};
  raft::NodeId offers_snapshot_;  // 0: nobody
  std::set<raft::NodeId> lost_;   // have lost next_ too
};

}  // namespace keelson::kvstore
