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
// A failed write or sync kills the Wal for good: every later sync() answers the same error, nothing is
// retried, since after a failed fsync nobody knows what is on disk.
//
// Thread rule: one thread, except prepare_spare(): any other thread.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "raft/core/types.h"
#include "raft/wal/format.h"

namespace keelson::raft {

struct WalOptions {
  std::string dir;
  std::uint64_t segment_bytes = std::uint64_t{16} << 20;
  // What the state machine has already: the log must reach it, and entries up to it are checked but not
  // returned.
  Index applied;
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
  std::vector<Entry> entries;  // those after WalOptions::applied, in order
  bool torn = false;           // an unfinished batch was cut off
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

  // Buffered until sync(). An entry replaces the one of its index and all after it. REQUIRES: index <=
  // last_index() + 1, data at most 16 MiB - 32.
  void append(const Entry& entry);
  void set_hard_state(const HardState& state);
  void set_membership(Index index, std::string_view encoded);
  // Entries after `index` are void.
  void truncate_after(Index index);
  // Entries up to `index` are not needed any more: whole segments of them are removed. Part of the next
  // sync(). REQUIRES: `index` is durable elsewhere, index <= last_index().
  void drop_prefix(Index index, Term term);
  // Everything buffered is durable on return.
  Result<void> sync();

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
  struct Reader;

  Wal(FileSystem& fs, WalOptions options) : fs_(fs), options_(std::move(options)) {}
  Result<void> recover(WalRecovery& recovery);
  Result<void> read_segment(const Segment& segment, bool newest, Reader& reader);
  Result<void> resume(const Segment& segment, Reader& reader);
  Result<void> finish_tail(const Segment& segment, const Reader& reader);

  void add_record(wal::RecordType type, std::string_view head, std::string_view tail);
  void add_state_records();
  void begin_batch();
  Result<void> write_batch();
  Result<void> roll();
  Result<void> remove_dropped();
  Result<void> create_segment(std::uint64_t sequence, std::uint64_t bytes);
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
  std::uint32_t chain_before_ = 0;
  std::optional<Error> dead_;

  HardState hard_state_;
  Index membership_index_;
  std::string membership_;
  Index dropped_;
  Term dropped_term_;
  Index last_;

  std::mutex spare_mu_;
  std::unique_ptr<File> spare_;
};

}  // namespace keelson::raft
