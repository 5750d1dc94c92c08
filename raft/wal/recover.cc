// Opening a log: reads every segment, checks everything, and decides torn or corrupt (wal.h).
#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "base/check.h"
#include "raft/wal/wal.h"

namespace keelson::raft {

using wal::RecordType;

namespace {

std::unexpected<Error> corrupt(const std::string& path, std::uint64_t offset, std::string_view what) {
  return fail(Code::kDataLoss, "write-ahead log is corrupt: " + path + " at offset " +
                                   std::to_string(offset) + ": " + std::string(what));
}

bool all_zero(std::string_view s) {
  return s.find_first_not_of('\0') == std::string_view::npos;
}

// A valid batch header at or after `from` that says that `offset` was durable before it was written.
bool later_batch_proves(std::string_view data, std::size_t from, std::size_t offset) {
  wal::BatchHeader h;
  for (std::size_t at = wal::round_up(from, 8); at + wal::kBatchHeader <= data.size(); at += 8) {
    if (wal::get32(data.data() + at) != wal::kBatchMagic) continue;
    if (wal::read_batch_header(data.substr(at), h) && h.synced > offset && h.synced <= at) return true;
  }
  return false;
}

// Whether a sector of [from, to), or the part of one inside it, is all zero: never written.
bool misses_a_sector(std::string_view data, std::size_t from, std::size_t to) {
  for (std::size_t at = from; at < to;) {
    const std::size_t next = std::min(to, at / wal::kSector * wal::kSector + wal::kSector);
    if (all_zero(data.substr(at, next - at))) return true;
    at = next;
  }
  return false;
}

}  // namespace

struct Wal::Reader {
  WalRecovery out;
  std::uint32_t chain = 0;
  bool first = true;  // no segment read yet
  bool sealed = false;
  std::uint64_t end = 0;
  std::uint64_t size = 0;
  Index applied;
  // The torn batch, as it is with its whole records alone.
  std::optional<std::uint64_t> cut_batch_at;
  wal::BatchHeader cut_batch;
  // Where terms begin, for the term of the last entry after a truncation.
  std::vector<std::pair<Index, Term>> terms;

  // False where the payload does not fit its type or the log's order.
  bool take(const wal::Record& r) {
    const auto u64 = [&](std::size_t i) { return wal::get64(r.payload.data() + 8 * i); };
    switch (r.type) {
      case RecordType::kEntry:
        return r.payload.size() >= 16 && take_entry(Term(u64(0)), Index(u64(1)), r.payload.substr(16));
      case RecordType::kHardState:
        if (r.payload.size() != 24) return false;
        out.hard_state = {Term(u64(0)), NodeId(u64(1)), Index(u64(2))};
        return true;
      case RecordType::kMembership:
        if (r.payload.size() < 8) return false;
        out.membership_index = Index(u64(0));
        out.membership = std::string(r.payload.substr(8));
        return true;
      case RecordType::kTruncate:
        if (r.payload.size() != 8) return false;
        cut(Index(u64(0)));
        return true;
      case RecordType::kPrefixDrop:
        if (r.payload.size() != 16) return false;
        out.dropped = Index(u64(0));
        out.dropped_term = Term(u64(1));
        if (out.last < out.dropped) {
          out.last = out.dropped;
          out.last_term = out.dropped_term;
        }
        return true;
      case RecordType::kSeal:
        sealed = true;
        return r.payload.empty();
    }
    return false;
  }

  bool take_entry(Term term, Index index, std::string_view data) {
    if (index.value() == 0) return false;
    if (!seen_entry) {
      // The first segment kept starts wherever it does; recover() checks that nothing before it is missed.
      first_entry = index;
      out.last = Index(index.value() - 1);
    }
    if (index > out.last.next()) return false;
    if (index <= out.last) cut(Index(index.value() - 1));
    seen_entry = true;
    out.last = index;
    out.last_term = term;
    if (terms.empty() || terms.back().second != term) terms.emplace_back(index, term);
    if (index > applied) out.entries.push_back({term, index, Bytes::copy(data)});
    return true;
  }

  void cut(Index after) {
    while (!out.entries.empty() && out.entries.back().index > after) out.entries.pop_back();
    while (!terms.empty() && terms.back().first > after) terms.pop_back();
    if (out.last > after) out.last = after;
    out.last_term = terms.empty() ? out.dropped_term : terms.back().second;
  }

  bool seen_entry = false;
  Index first_entry;
};

Result<void> Wal::read_segment(const Segment& segment, bool newest, Reader& reader) {
  const std::string data = TRY(read_file(fs_, segment.path));
  const std::string_view all = data;
  std::uint64_t sequence = 0;
  std::uint32_t chain = 0;
  if (!wal::read_segment_header(all, sequence, chain)) return corrupt(segment.path, 0, "bad segment header");
  if (sequence != segment.sequence) return corrupt(segment.path, 8, "segment is not what its name says");
  if (!reader.first && chain != reader.chain)
    return corrupt(segment.path, 16, "does not follow the segment before");
  reader.first = false;
  reader.chain = chain;
  reader.sealed = false;
  reader.size = all.size();
  std::size_t at = wal::kSegmentHeader;
  while (!reader.sealed) {
    reader.end = at;
    const std::size_t start = wal::batch_start(at);
    const auto lead = all.substr(std::min(at, all.size()), start - at);
    if (!all_zero(lead)) return corrupt(segment.path, at, "bytes between batches");
    const auto header = all.substr(std::min(start, all.size()), wal::kBatchHeader);
    wal::BatchHeader h;
    if (!wal::read_batch_header(header, h)) {
      const bool whole = header.size() == wal::kBatchHeader;
      if (!newest) return corrupt(segment.path, start, "no batch, and no seal, but another segment follows");
      if (whole && !all_zero(header)) return corrupt(segment.path, start, "bad batch header");
      if (later_batch_proves(all, start, start))
        return corrupt(segment.path, start, "lost batch: a later one is there");
      reader.out.torn = !all_zero(all.substr(std::min(start, all.size())));
      return {};
    }
    const std::size_t body = start + wal::kBatchHeader;
    const std::size_t end = body + h.size;
    if (h.chain != reader.chain || h.synced != at) {
      return corrupt(segment.path, start, "batch does not follow the one before");
    }
    std::size_t pos = body;
    wal::Record record;
    for (std::uint32_t i = 0; i < h.count; ++i) {
      if (!wal::read_record(all.substr(std::min(pos, all.size()), end - std::min(pos, end)), reader.chain,
                            record)) {
        if (!newest || later_batch_proves(all, end, start)) return corrupt(segment.path, pos, "bad record");
        if (end <= all.size() && !misses_a_sector(all, start, end)) {
          return corrupt(segment.path, pos, "bad record, though all of its batch was written");
        }
        reader.out.torn = true;
        reader.end = i == 0 ? at : pos;
        if (i > 0) {
          reader.cut_batch_at = start;
          reader.cut_batch = {h.synced, static_cast<std::uint32_t>(pos - body), i, h.chain, reader.chain};
        }
        return {};
      }
      if (!reader.take(record)) return corrupt(segment.path, pos, "record out of order");
      pos += record.size;
      if (reader.sealed && i + 1 != h.count) return corrupt(segment.path, pos, "record after the seal");
    }
    if (pos != end || reader.chain != h.tail)
      return corrupt(segment.path, start, "batch size does not fit its records");
    at = end;
    reader.end = at;
  }
  if (!all_zero(all.substr(std::min(at, all.size()))))
    return corrupt(segment.path, at, "bytes after the seal");
  return {};
}

// What follows the last whole record becomes zero again; then the header of a torn batch is made to count
// what is left of it. In this order, so that a crash in between finds the same torn batch.
Result<void> Wal::finish_tail(const Segment& segment, const Reader& reader) {
  const std::string data = TRY(read_file(fs_, segment.path));
  active_bytes_ = std::max<std::uint64_t>(options_.segment_bytes, data.size());
  file_ = TRY(fs_.open(segment.path, OpenMode::kReadWrite));
  if (data.size() < active_bytes_) TRY(file_->zero_fill(active_bytes_));
  std::size_t last = data.size();
  while (last > reader.end && data[last - 1] == '\0') --last;
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

Result<void> Wal::resume(const Segment& segment, Reader& reader) {
  active_ = segment;
  active_.last = reader.out.last;
  end_ = reader.end;
  chain_ = reader.chain;
  if (reader.sealed) {
    closed_.push_back(active_);
    TRY(create_segment(segment.sequence + 1, options_.segment_bytes));
    add_state_records();
    return sync();
  }
  return finish_tail(segment, reader);
}

Result<void> Wal::recover(WalRecovery& recovery) {
  TRY(fs_.make_dirs(options_.dir));
  std::vector<Segment> found;
  for (const auto& name : TRY(fs_.list(options_.dir))) {
    if (name.ends_with(".tmp")) {
      TRY(fs_.remove(options_.dir + "/" + name));
    } else if (name.size() == 20 && name.ends_with(".wal")) {
      found.push_back({std::strtoull(name.c_str(), nullptr, 16), options_.dir + "/" + name, Index()});
    }
  }
  if (found.empty()) {
    if (options_.applied != Index()) {
      return fail(Code::kDataLoss, "write-ahead log is corrupt: " + options_.dir +
                                       " at offset 0: no segment, but entries up to " +
                                       std::to_string(options_.applied.value()) + " were applied");
    }
    TRY(create_segment(1, options_.segment_bytes));
    add_state_records();
    return sync();
  }
  Reader reader;
  reader.applied = options_.applied;
  for (std::size_t i = 0; i < found.size(); ++i) {
    if (i > 0 && found[i].sequence != found[i - 1].sequence + 1) {
      return corrupt(found[i].path, 0, "the segment before it is missing");
    }
    TRY(read_segment(found[i], i + 1 == found.size(), reader));
    found[i].last = reader.out.last;
  }
  const auto& newest = found.back();
  auto& out = reader.out;
  if (out.last < options_.applied) {
    return corrupt(newest.path, reader.end,
                   "log ends at index " + std::to_string(out.last.value()) + ", but entries up to " +
                       std::to_string(options_.applied.value()) + " were applied");
  }
  if (out.last < out.hard_state.commit) {
    return corrupt(newest.path, reader.end,
                   "log ends at index " + std::to_string(out.last.value()) + ", but entries up to " +
                       std::to_string(out.hard_state.commit.value()) + " were committed");
  }
  if (out.dropped > options_.applied) {
    return corrupt(newest.path, reader.end,
                   "entries up to index " + std::to_string(out.dropped.value()) +
                       " were dropped, but only those up to " + std::to_string(options_.applied.value()) +
                       " were applied");
  }
  if (reader.seen_entry && reader.first_entry > out.dropped.next()) {
    return corrupt(found.front().path, 0, "the segments before it are missing");
  }
  if (!out.entries.empty() && out.entries.front().index > options_.applied.next()) {
    return corrupt(found.front().path, 0, "entries after the applied index are missing");
  }
  hard_state_ = out.hard_state;
  membership_index_ = out.membership_index;
  membership_ = out.membership;
  dropped_ = out.dropped;
  dropped_term_ = out.dropped_term;
  last_ = out.last;
  closed_.assign(found.begin(), found.end() - 1);
  TRY(resume(newest, reader));
  recovery = std::move(out);
  return {};
}

Result<Wal::Opened> Wal::open(FileSystem& fs, WalOptions options) {
  Opened opened;
  opened.wal = std::unique_ptr<Wal>(new Wal(fs, std::move(options)));
  TRY(opened.wal->recover(opened.recovery));
  return opened;
}

}  // namespace keelson::raft
