// Wal: the log on disk. Segments of preallocated, zero-filled space; records chained by CRC32C; one write and
// one fdatasync per batch (format.h has the bytes, DESIGN.md §4 the reasons).
//
//   wal.append(e1); wal.append(e2); wal.set_hard_state(hs);   buffered
//   wal.sync()                                                one write, one fdatasync: all of it is durable,
//   or the Wal is dead
//
// Recovery tells a torn tail from corruption. The last batch may be torn, as nobody was told that it was
// durable: its whole records are kept, the rest is zeroed. Everything else that does not check is corruption,
// and open() refuses, naming file and offset: a bad record that a later batch says was synced, a bad batch
// without a missing sector, a segment that ends without its seal while another follows, a missing segment, a
// log that ends below the applied or the committed index.
//
// Protocol-aware recovery (Alagappan et al., FAST'18): with WalOptions::repairable, damage whose extent is
// known is not refused but reported as WalRecovery::damaged, a range of indexes that must be had from peers.
// The extent is known when
//   - a later valid batch shows that what is bad was durable once, and where the log goes on;
//   - an entry follows the damage. The range ends with the first one: being checked against what the cluster
//     committed at its index, it proves all before it (Log Matching). It begins after what was known to be
//     committed before the damage, since entries after that may have been replaced inside it;
//   - a hard state follows the damage, so that no term and no vote is lost, and it names no membership that
//     was not seen.
// Anything else is refused as before. Until repair() or repair_from_snapshot() has succeeded the owner
// neither votes, campaigns nor acknowledges: it may have forgotten what it once promised. Peers must answer
// with entries that they know to be committed. Damage in what the state machine has applied already needs
// nobody: the log is rewritten without it by open().
//
// A failed write or sync kills the Wal for good: every later sync() answers the same error, nothing is
// retried, since after a failed fsync nobody knows what is on disk.
//
// Thread rule: one thread, except prepare_spare(): any other thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/file.h"
#include "raft/core/types.h"
#include "raft/wal/format.h"

namespace keelson::raft {

// Planted bugs for the simulator's canaries (chaos/sim); all off otherwise. Only tests set one.
struct WalFaults {
  bool ack_before_fsync = false;     // sync() returns without syncing
  bool forget_vote = false;          // the vote is not recovered
  bool term_not_persisted = false;   // hard states are written with the term and vote of the one before
  bool torn_means_truncate = false;  // a corrupt log is cut where it is bad, as if it were torn
};

struct WalOptions {
  std::string dir;
  std::uint64_t segment_bytes = std::uint64_t{16} << 20;
  // What the state machine has durably: the log must reach it.
  Index applied;
  Term applied_term;  // of the entry at `applied`; 0: not known
  // Entries after this one are returned, where they are still there, also applied ones (to serve slow
  // followers). Unset: those after `applied`.
  std::optional<Index> keep_from;
  // The state machine began with a snapshot from a leader as of this entry: when reset_to() for it was cut
  // off by a crash, open() does it. REQUIRES: set, durably, before reset_to().
  Index snapshot_index;
  Term snapshot_term;
  // There are peers to repair from.
  bool repairable = false;
  // Hears how long each fdatasync took, in seconds. Needs `clock`.
  std::function<void(double)> on_sync;
  const Clock* clock = nullptr;
  WalFaults faults;
};

// Both ends included.
struct IndexRange {
  Index first;
  Index last;
  bool operator==(const IndexRange&) const = default;
};

// What open() found.
struct WalRecovery {
  HardState hard_state;
  Index membership_index;
  std::string membership;
  Index dropped;  // entries up to here may be missing
  Term dropped_term;
  Index last;  // of the newest entry; `dropped` when there is none
  Term last_term;
  Index base;  // `entries` follow this one, in order and (unless `damaged`) without a gap
  Term base_term;
  std::vector<Entry> entries;
  bool torn = false;  // an unfinished batch was cut off
  // Entries that must be had from peers before anything else is done with this log.
  std::optional<IndexRange> damaged;
  Term gap_term;              // of the entry at damaged->last, as this log has it; 0: not known
  std::vector<Entry> within;  // of `damaged`, whole and known to be committed, between two places of damage
  std::string damage;         // what was wrong and is (or will be, by repair()) mended: file and offset
};

class Wal {
 public:
  struct Opened {
    std::unique_ptr<Wal> wal;
    WalRecovery recovery;
  };
  // Makes the directory and the first segment where there is none. Errors: kDataLoss: corrupt; others: I/O.
  static Result<Opened> open(FileSystem& fs, WalOptions options);
  ~Wal();
  Wal(const Wal&) = delete;
  Wal& operator=(const Wal&) = delete;

  // ---- a damaged log; nothing else may be called while there is one

  bool damaged() const { return damaged_ != nullptr; }
  // Takes the entries of WalRecovery::damaged, which peers told to be committed, and rewrites the log:
  // durable on return. All of them, or so many that the last one's term is above WalRecovery::gap_term: terms
  // never fall along a log, so ours is another one from there on. Entries of ours that contradict them are
  // dropped: they can never be committed. Returns what open() would have found. kInvalidArgument, and nothing
  // changed, when they do not fit; kDataLoss when they contradict what we know to be committed; others are
  // final.
  Result<WalRecovery> repair(std::vector<Entry> committed);
  // The same with a snapshot that the owner has installed, durably. REQUIRES: damaged->last <= index.
  Result<WalRecovery> repair_from_snapshot(Index index, Term term);

  // ---- a sound log

  // Buffered until sync(). An entry replaces the one of its index and all after it. REQUIRES: index <=
  // last_index() + 1, data at most 16 MiB - 32.
  void append(const Entry& entry);
  // When only the commit index changed it may wait for the next sync().
  void set_hard_state(const HardState& state);
  void set_membership(Index index, std::string_view encoded);
  // Entries after `index` are void.
  void truncate_after(Index index);
  // Entries up to `index` are not needed any more: whole segments of them are removed. Part of the next
  // sync(). REQUIRES: `index` is durable elsewhere, index <= last_index().
  void drop_prefix(Index index, Term term);
  // Everything buffered is durable on return.
  Result<void> sync();

  // A snapshot as of entry `index` was installed and is durable with the owner, who gives it as
  // WalOptions::snapshot_index from now on. All entries are void, those not yet synced too; the log goes on
  // at index + 1. Hard state and membership stay, those not yet synced too. Durable on return, atomically.
  Result<void> reset_to(Index index, Term term);

  Index last_index() const { return last_; }
  std::size_t buffered_bytes() const { return buffer_.size(); }
  std::size_t segments() const { return closed_.size() + 1; }

  // Makes the next segment's file ahead of time, so that the writer does not wait for its zeros. A no-op when
  // it is there.
  Result<void> prepare_spare();

 private:
  struct Segment {
    std::uint64_t sequence = 0;
    std::string path;
    Index last;  // newest entry index seen up to its end
  };
  // What every segment repeats at its start.
  struct State {
    HardState hard;
    Index membership_index;
    Bytes membership;
    Index dropped;
    Term dropped_term;
  };

  Wal(FileSystem& fs, WalOptions options) : fs_(fs), options_(std::move(options)) {}
  Result<void> recover(WalRecovery& recovery);
  Result<std::vector<Segment>> find_segments();
  Result<void> first_segment(WalRecovery& recovery);
  Result<void> resume(const class LogReader& reader);
  Result<void> finish_tail(const class LogReader& reader);
  void adopt(const WalRecovery& r);
  Result<WalRecovery> finish_repair(WalRecovery r);

  void add_record(wal::RecordType type, std::string_view head, std::string_view tail);
  void add_entry(const Entry& entry);
  void add_hard_state(const State& state);
  void add_state_records(const State& state);
  void begin_batch();
  Result<void> write_batch();
  Result<void> roll();
  Result<void> remove_dropped();
  Result<void> datasync();
  Result<void> create_segment(std::uint64_t sequence, std::uint64_t bytes);
  Result<void> begin_segment(const std::string& tmp, const wal::SegmentHeader& header, std::uint64_t bytes);
  Result<void> publish_segment(const std::string& tmp, const std::string& path);
  Result<void> start_anew(const std::vector<Entry>& entries);
  Result<void> write_anew(const std::vector<Entry>& entries);
  Result<std::unique_ptr<File>> take_spare(std::uint64_t bytes, const std::string& path);
  std::string segment_path(std::uint64_t sequence) const;

  FileSystem& fs_;
  const WalOptions options_;
  std::vector<Segment> closed_;
  Segment active_;
  std::unique_ptr<File> file_;
  std::uint64_t active_bytes_ = 0;
  std::uint64_t end_ = 0;    // of what is written to the active segment
  std::uint32_t chain_ = 0;  // CRC of the last record, buffered ones included
  std::string buffer_;       // padding, room for the batch header, records
  std::size_t header_at_ = 0;
  std::uint32_t count_ = 0;
  std::uint32_t chain_before_ = 0;  // as of the batch's begin
  State state_before_;
  std::optional<Error> dead_;

  State state_;
  HardState written_hard_;  // for WalFaults::term_not_persisted
  Index last_;
  std::unique_ptr<WalRecovery> damaged_;

  std::mutex spare_mu_;
  std::unique_ptr<File> spare_;
};

}  // namespace keelson::raft
