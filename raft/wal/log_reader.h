// LogReader: reads the segments of a log in order, checks everything, and gathers what they say. What is bad
// is told apart here: torn, damaged (skipped, its extent kept), or corrupt (refused). See wal.h. Internal to
// raft/wal.
//
//   for each segment: reader.read(segment)      reader.finish()
//
// Thread rule: one thread. Pure: it touches no file.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "raft/wal/wal.h"

namespace keelson::raft {

class LogReader {
 public:
  struct Source {
    std::uint64_t sequence = 0;
    std::string path;
    std::string_view data;
    bool newest = false;
  };

  explicit LogReader(const WalOptions& options);

  // kDataLoss: corrupt, naming file and offset.
  Result<void> read(const Source& source);
  // After the last segment: checks the whole against what else is known, and makes out.base and out.damaged.
  Result<void> finish();

  // WalFaults::torn_means_truncate: takes what was read so far for the whole.
  void end_at_damage();

  WalRecovery out;
  // Of the last segment read: where its whole batches end, the chain value there, whether a seal stands
  // there.
  std::string path;
  std::uint64_t end = 0;
  std::uint32_t end_chain = 0;
  std::uint64_t size = 0;
  bool sealed = false;
  // The torn batch, as it is with its whole records alone.
  std::optional<std::uint64_t> cut_batch_at;
  wal::BatchHeader cut_batch;
  // The log must be written anew: it holds damage that needs no peer, or ends before an installed snapshot.
  bool rewrite = false;

 private:
  // Where entries are missing. Open: what follows it was not seen yet.
  struct Gap {
    Index first;
    Index last;      // REQUIRES: !open
    Term last_term;  // of the entry at `last` as this log has it; 0: not known
    bool open = true;
  };
  enum class Next : std::uint8_t { kBatch, kEndOfSegment };

  Result<bool> read_header(const Source& s);
  Result<Next> next_batch(const Source& s, std::size_t& at, wal::BatchHeader& h, std::size_t& start);
  Result<Next> skip_to_batch(const Source& s, std::size_t& at, std::size_t start, std::string_view what);
  Result<Next> read_records(const Source& s, std::size_t start, const wal::BatchHeader& h, std::size_t& at);
  Result<Next> bad_record(const Source& s, std::size_t start, const wal::BatchHeader& h, std::size_t pos,
                          std::uint32_t index, std::size_t& at);
  // False where the payload does not fit its type or the log's order.
  bool take(const wal::Record& r);
  bool take_hard_state(std::string_view payload);
  bool take_entry(EntryType type, Term term, Index index, std::string_view data);
  bool take_truncate(Index after);
  void take_prefix_drop(Index index, Term term);
  void cut(Index after);
  void damage(const std::string& where, std::uint64_t offset, std::string_view what);
  Term term_at(Index index) const;
  Result<void> settle_snapshot();
  Result<void> settle_gap();
  Result<void> check_bounds() const;
  std::unexpected<Error> corrupt_end(std::string_view what) const;

  const WalOptions& options_;
  const Index keep_from_;
  std::uint32_t chain_ = 0;
  bool first_ = true;  // no segment read yet
  bool chain_known_ = true;
  bool seen_entry_ = false;
  Index first_entry_;
  std::string first_path_;
  std::vector<std::pair<Index, Term>> terms_;  // where terms begin
  std::optional<Gap> gap_;
  bool damaged_ = false;          // something was skipped
  bool hard_state_after_ = true;  // a hard state was read since
  bool membership_after_ = true;  // a membership, or a hard state that names the one seen before
};

}  // namespace keelson::raft
