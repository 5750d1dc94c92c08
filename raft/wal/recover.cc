// Opening a log, and mending a damaged one (wal.h).
#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/check.h"
#include "raft/wal/log_reader.h"
#include "raft/wal/wal.h"

namespace keelson::raft {

namespace {

constexpr std::size_t kTailPiece = 256 << 10;

std::unexpected<Error> refuse(std::string what) {
  return fail(Code::kInvalidArgument, "entries do not repair the log: " + std::move(what));
}

Result<bool> starts_anew(FileSystem& fs, const std::string& path) {
  auto file = TRY(fs.open(path, OpenMode::kRead));
  std::string head(wal::kSegmentHeader, '\0');
  head.resize(TRY(file->pread(head, 0)));
  wal::SegmentHeader h;
  return wal::read_segment_header(head, h) && h.fresh;
}

// The end of the last byte of `file` from `from` on that is not zero; `from` where all are.
Result<std::uint64_t> end_of_bytes(File& file, std::uint64_t from) {
  std::string piece;
  std::uint64_t end = from;
  for (std::uint64_t at = from;; at += piece.size()) {
    piece.resize(kTailPiece);
    piece.resize(TRY(file.pread(piece, at)));
    if (piece.empty()) return end;
    if (!wal::all_zero(piece)) end = at + piece.find_last_not_of('\0') + 1;
  }
}

}  // namespace

// The segments by sequence number; what is unfinished is removed.
Result<std::vector<Wal::Segment>> Wal::find_segments() {
  TRY(fs_.make_dirs(options_.dir));
  std::vector<Segment> found;
  for (const auto& name : TRY(fs_.list(options_.dir))) {
    if (name.ends_with(".tmp")) {
      TRY(fs_.remove(options_.dir + "/" + name));
    } else if (name.size() == 20 && name.ends_with(".wal")) {
      found.push_back({std::strtoull(name.c_str(), nullptr, 16), options_.dir + "/" + name, Index()});
    }
  }
  return found;
}

Result<void> Wal::first_segment(WalRecovery& recovery) {
  if (options_.applied != Index()) {
    return fail(Code::kDataLoss, "write-ahead log is corrupt: " + options_.dir +
                                     " at offset 0: no segment, but entries up to " +
                                     std::to_string(options_.applied.value()) + " were applied");
  }
  recovery = WalRecovery();
  TRY(create_segment(1, options_.segment_bytes));
  add_state_records(state_);
  return sync();
}

Result<void> Wal::recover(WalRecovery& recovery) {
  std::vector<Segment> found = TRY(find_segments());
  if (found.empty()) return first_segment(recovery);
  std::size_t from = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (TRY(starts_anew(fs_, found[i].path))) from = i;
  }
  LogReader reader(options_);
  Result<void> read;
  std::string data;
  for (std::size_t i = from; i < found.size() && read; ++i) {
    if (i > from && found[i].sequence != found[i - 1].sequence + 1) {
      return fail(Code::kDataLoss, "write-ahead log is corrupt: " + found[i].path +
                                       " at offset 0: the segment before it is missing");
    }
    TRY(read_file(fs_, found[i].path, data));
    read = reader.read({found[i].sequence, found[i].path, data, i + 1 == found.size()});
    found[i].last = reader.out.last;
  }
  if (read) read = reader.finish();
  if (!read && options_.faults.torn_means_truncate && read.error().code == Code::kDataLoss) {
    reader.end_at_damage();
    read = {};
  }
  TRY(read);
  if (options_.faults.forget_vote) reader.out.hard_state.vote = NodeId();
  active_ = found.back();
  closed_.assign(found.begin(), found.end() - 1);
  adopt(reader.out);
  recovery = reader.out;
  if (reader.out.damaged) {
    damaged_ = std::make_unique<WalRecovery>(std::move(reader.out));
    return {};
  }
  if (reader.rewrite) {
    state_.dropped = recovery.dropped = recovery.base;
    state_.dropped_term = recovery.dropped_term = recovery.base_term;
    return start_anew(recovery.entries);
  }
  while (from > 0) {
    TRY(fs_.remove(closed_.front().path));
    closed_.erase(closed_.begin());
    --from;
  }
  return resume(reader);
}

void Wal::adopt(const WalRecovery& r) {
  state_ = {r.hard_state, r.membership_index, Bytes::copy(r.membership), r.dropped, r.dropped_term};
  written_hard_ = r.hard_state;
  last_ = active_.last = r.last;
}

Result<void> Wal::resume(const LogReader& reader) {
  end_ = reader.end;
  chain_ = reader.end_chain;
  if (reader.sealed) {
    closed_.push_back(active_);
    TRY(create_segment(active_.sequence + 1, options_.segment_bytes));
    add_state_records(state_);
    return sync();
  }
  return finish_tail(reader);
}

// What follows the last whole record becomes zero again; then the header of a torn batch is made to count
// what is left of it. In this order, so that a crash in between finds the same torn batch.
Result<void> Wal::finish_tail(const LogReader& reader) {
  file_ = TRY(fs_.open(active_.path, OpenMode::kReadWrite));
  const std::uint64_t size = TRY(file_->size());
  active_bytes_ = std::max<std::uint64_t>(options_.segment_bytes, size);
  if (size < active_bytes_) TRY(file_->zero_fill(active_bytes_));
  const std::uint64_t last = TRY(end_of_bytes(*file_, reader.end));
  if (last > reader.end) {
    TRY(file_->pwrite(std::string(last - reader.end, '\0'), reader.end));
    TRY(file_->datasync());
  }
  if (reader.cut_batch_at) {
    char header[wal::kBatchHeader];
    wal::write_batch_header(header, reader.cut_batch);
    TRY(file_->pwrite({header, sizeof header}, *reader.cut_batch_at));
    TRY(file_->datasync());
  }
  return {};
}

Result<Wal::Opened> Wal::open(FileSystem& fs, WalOptions options) {
  Opened opened;
  opened.wal = std::unique_ptr<Wal>(new Wal(fs, std::move(options)));
  TRY(opened.wal->recover(opened.recovery));
  return opened;
}

// ---- repair

Result<WalRecovery> Wal::repair(std::vector<Entry> committed) {
  CHECK(damaged_ != nullptr);
  if (dead_) return std::unexpected(*dead_);
  const IndexRange range = *damaged_->damaged;
  const std::size_t missing = range.last.value() - range.first.value() + 1;
  const bool whole = committed.size() == missing;
  const Term gap_term = damaged_->gap_term;
  const bool voids_rest = !committed.empty() && gap_term != Term() && committed.back().term > gap_term;
  if (committed.size() > missing || (!whole && !voids_rest)) return refuse("wrong number");
  WalRecovery r = *damaged_;
  std::vector<Entry> after;
  std::vector<Entry> all;
  for (Entry& e : r.entries) (e.index < range.first ? all : after).push_back(std::move(e));
  Term term = all.empty() ? r.base_term : all.back().term;
  Index index = range.first;
  for (Entry& e : committed) {
    if (e.index != index || e.term < term) return refuse("not in order");
    if (e.data.size() + 16 > wal::kPayloadMax) return refuse("too large");
    term = e.term;
    index = e.index.next();
    all.push_back(std::move(e));
  }
  // The entry at range.last is in our log too, and proves the rest if it is the same (Log Matching). Else it,
  // and all after it, contradict what is committed.
  const bool same = whole && (gap_term == Term() || gap_term == term);
  const Index proved = all.back().index;
  if (same && !after.empty()) {
    std::move(after.begin(), after.end(), std::back_inserter(all));
  } else if (!same) {
    r.last = proved;
  }
  r.last_term = all.back().term;
  r.entries = std::move(all);
  r.hard_state.commit = std::max(r.hard_state.commit, proved);
  return finish_repair(std::move(r));
}

Result<WalRecovery> Wal::repair_from_snapshot(Index index, Term term) {
  CHECK(damaged_ != nullptr && damaged_->damaged->last <= index);
  if (dead_) return std::unexpected(*dead_);
  WalRecovery r = *damaged_;
  bool same = index == r.damaged->last && r.gap_term == term;
  for (const Entry& e : r.entries) same = same || (e.index == index && e.term == term);
  std::erase_if(r.entries, [&](const Entry& e) { return e.index <= index || !same; });
  r.base = index;
  r.base_term = term;
  if (r.entries.empty()) {
    r.last = index;
    r.last_term = term;
  }
  r.hard_state.commit = std::max(r.hard_state.commit, index);
  return finish_repair(std::move(r));
}

Result<WalRecovery> Wal::finish_repair(WalRecovery r) {
  if (r.hard_state.commit > r.last) {
    return fail(Code::kDataLoss, "write-ahead log is corrupt: " + options_.dir + ": entries up to " +
                                     std::to_string(r.hard_state.commit.value()) +
                                     " were committed, but what peers have ends at " +
                                     std::to_string(r.last.value()));
  }
  // We never took part in that term, so there is no vote of ours to forget.
  if (r.last_term > r.hard_state.term) r.hard_state = {r.last_term, NodeId(), r.hard_state.commit};
  r.dropped = r.base;
  r.dropped_term = r.base_term;
  r.damaged.reset();
  r.torn = false;
  adopt(r);
  TRY(start_anew(r.entries));
  damaged_.reset();
  return r;
}

}  // namespace keelson::raft
