#include "raft/wal/log_reader.h"

#include <algorithm>

#include "base/check.h"

namespace keelson::raft {

using wal::all_zero;
using wal::RecordType;

namespace {

std::string describe(const std::string& path, std::uint64_t offset, std::string_view what) {
  return path + " at offset " + std::to_string(offset) + ": " + std::string(what);
}

std::unexpected<Error> corrupt(const std::string& path, std::uint64_t offset, std::string_view what) {
  return fail(Code::kDataLoss, "write-ahead log is corrupt: " + describe(path, offset, what));
}

std::string_view tail_of(std::string_view data, std::size_t from) {
  return data.substr(std::min(from, data.size()));
}

// Whether `h`, read at `at`, stands where a batch written after offset `proven` would stand.
bool fits(const wal::BatchHeader& h, std::size_t at, std::size_t proven) {
  return h.synced > proven && h.synced <= at && wal::batch_start(h.synced) == at;
}

// The first batch at or after `from` that says that `proven` was durable before it was written, and whose
// first record checks.
std::optional<std::size_t> find_batch(std::string_view data, std::size_t from, std::size_t proven) {
  wal::BatchHeader h;
  for (std::size_t at = wal::round_up(from, 8); at + wal::kBatchHeader <= data.size(); at += 8) {
    if (wal::get32(data.data() + at) != wal::kBatchMagic) continue;
    if (!wal::read_batch_header(data.substr(at), h) || !fits(h, at, proven)) continue;
    std::uint32_t chain = h.chain;
    wal::Record record;
    if (wal::read_record(data.substr(at + wal::kBatchHeader), chain, record)) return at;
  }
  return std::nullopt;
}

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

LogReader::LogReader(const WalOptions& options)
    : options_(options), keep_from_(std::min(options.keep_from.value_or(options.applied), options.applied)) {}

// ---- segments and batches

Result<void> LogReader::read(const Source& s) {
  path = s.path;
  size = s.data.size();
  sealed = false;
  end = wal::kSegmentHeader;
  end_chain = chain_;
  const bool sound = TRY(read_header(s));
  std::size_t at = wal::kSegmentHeader;
  while (!sealed) {
    wal::BatchHeader h;
    std::size_t start = 0;
    const Next next = TRY(next_batch(s, at, h, start));
    end = at;
    end_chain = chain_;
    if (next == Next::kEndOfSegment) {
      // A segment gets its name after its header.
      if (!sound && s.newest && at == wal::kSegmentHeader) return corrupt(s.path, 0, "bad segment header");
      return {};
    }
    if (TRY(read_records(s, start, h, at)) == Next::kEndOfSegment) return {};
  }
  end = at;
  end_chain = chain_;
  if (all_zero(tail_of(s.data, at))) return {};
  if (!options_.repairable) return corrupt(s.path, at, "bytes after the seal");
  if (out.damage.empty()) out.damage = describe(s.path, at, "bytes after the seal");
  rewrite = true;
  return {};
}

Result<bool> LogReader::read_header(const Source& s) {
  wal::SegmentHeader h;
  const bool whole = wal::read_segment_header(s.data, h);
  const bool first = std::exchange(first_, false);
  if (first) first_path_ = s.path;
  if (!whole) {
    if (!options_.repairable || s.data.size() < wal::kSegmentHeader) {
      return corrupt(s.path, 0, "bad segment header");
    }
    // Nothing but the chain is lost with it: the first batch says how it goes on.
    if (out.damage.empty()) out.damage = describe(s.path, 0, "bad segment header");
    rewrite = true;
    if (first) chain_known_ = false;
    return false;
  }
  if (h.sequence != s.sequence) return corrupt(s.path, 8, "segment is not what its name says");
  if (!first && chain_known_ && h.chain != chain_) {
    return corrupt(s.path, 16, "does not follow the segment before");
  }
  chain_ = h.chain;
  chain_known_ = true;
  return true;
}

// Finds the batch at `at`, or the next one that there is.
Result<LogReader::Next> LogReader::next_batch(const Source& s, std::size_t& at, wal::BatchHeader& h,
                                              std::size_t& start) {
  start = wal::batch_start(at);
  if (!all_zero(tail_of(s.data, at).substr(0, start - at))) {
    if (!options_.repairable) return corrupt(s.path, at, "bytes between batches");
    if (out.damage.empty()) out.damage = describe(s.path, at, "bytes between batches");
    rewrite = true;
  }
  const auto header = tail_of(s.data, start).substr(0, wal::kBatchHeader);
  if (wal::read_batch_header(header, h)) {
    if (!chain_known_) chain_ = h.chain;
    chain_known_ = true;
    if (h.chain == chain_ && h.synced == at) return Next::kBatch;
    if (!options_.repairable) return corrupt(s.path, start, "batch does not follow the one before");
    TRY(skip_to_batch(s, at, start, "batch does not follow the one before"));
  } else if (!s.newest) {
    if (!options_.repairable) {
      return corrupt(s.path, start, "no batch, and no seal, but another segment follows");
    }
    if (TRY(skip_to_batch(s, at, start, "bad batch header")) == Next::kEndOfSegment) {
      return Next::kEndOfSegment;
    }
  } else {
    const bool zero = header.size() < wal::kBatchHeader || all_zero(header);
    const bool proven = later_batch_proves(s.data, start, start);
    if (zero && !proven) {
      out.torn = !all_zero(tail_of(s.data, start));
      return Next::kEndOfSegment;
    }
    const std::string_view what = zero ? "lost batch: a later one is there" : "bad batch header";
    if (!options_.repairable || !proven) return corrupt(s.path, start, what);
    TRY(skip_to_batch(s, at, start, what));
  }
  start = wal::batch_start(at);
  CHECK(wal::read_batch_header(tail_of(s.data, start), h));
  chain_ = h.chain;
  return Next::kBatch;
}

// Leaves out what begins at `start`. kEndOfSegment: no batch follows in this segment, but another segment
// does.
Result<LogReader::Next> LogReader::skip_to_batch(const Source& s, std::size_t& at, std::size_t start,
                                                 std::string_view what) {
  const auto next = find_batch(s.data, start + 8, start);
  if (!next && s.newest) return corrupt(s.path, start, what);
  damage(s.path, start, what);
  if (!next) {
    chain_known_ = false;
    return Next::kEndOfSegment;
  }
  wal::BatchHeader h;
  CHECK(wal::read_batch_header(tail_of(s.data, *next), h));
  at = h.synced;
  return Next::kBatch;
}

Result<LogReader::Next> LogReader::read_records(const Source& s, std::size_t start, const wal::BatchHeader& h,
                                                std::size_t& at) {
  const std::size_t body = start + wal::kBatchHeader;
  const std::size_t batch_end = body + h.size;
  std::size_t pos = body;
  wal::Record record;
  for (std::uint32_t i = 0; i < h.count; ++i) {
    const std::size_t room = batch_end - std::min(pos, batch_end);
    if (!wal::read_record(tail_of(s.data, pos).substr(0, room), chain_, record)) {
      return bad_record(s, start, h, pos, i, at);
    }
    if (!take(record)) return corrupt(s.path, pos, "record out of order");
    pos += record.size;
    if (sealed && i + 1 != h.count) return corrupt(s.path, pos, "record after the seal");
  }
  if (pos != batch_end || chain_ != h.tail) {
    return corrupt(s.path, start, "batch size does not fit its records");
  }
  at = batch_end;
  return Next::kBatch;
}

// Record number `index` of the batch, at `pos`.
Result<LogReader::Next> LogReader::bad_record(const Source& s, std::size_t start, const wal::BatchHeader& h,
                                              std::size_t pos, std::uint32_t index, std::size_t& at) {
  const std::size_t body = start + wal::kBatchHeader;
  const std::size_t batch_end = body + h.size;
  const bool proven = !s.newest || later_batch_proves(s.data, batch_end, start);
  if (proven) {
    if (!options_.repairable || batch_end > s.data.size()) return corrupt(s.path, pos, "bad record");
    damage(s.path, pos, "bad record");
    chain_ = h.tail;
    at = batch_end;
    return Next::kBatch;
  }
  if (batch_end <= s.data.size() && !misses_a_sector(s.data, start, batch_end)) {
    return corrupt(s.path, pos, "bad record, though all of its batch was written");
  }
  out.torn = true;
  if (index > 0) {
    end = pos;
    end_chain = chain_;
    cut_batch_at = start;
    cut_batch = {h.synced, static_cast<std::uint32_t>(pos - body), index, h.chain, chain_};
  }
  return Next::kEndOfSegment;
}

// ---- records

bool LogReader::take(const wal::Record& r) {
  const auto u64 = [&](std::size_t i) { return wal::get64(r.payload.data() + 8 * i); };
  switch (r.type) {
    case RecordType::kEntry:
    case RecordType::kConfChangeEntry:
      return r.payload.size() >= 16 &&
             take_entry(r.type == RecordType::kEntry ? EntryType::kNormal : EntryType::kConfChange,
                        Term(u64(0)), Index(u64(1)), r.payload.substr(16));
    case RecordType::kHardState:
      return take_hard_state(r.payload);
    case RecordType::kMembership:
      if (r.payload.size() < 8) return false;
      out.membership_index = Index(u64(0));
      out.membership = std::string(r.payload.substr(8));
      membership_after_ = true;
      return true;
    case RecordType::kTruncate:
      return r.payload.size() == 8 && take_truncate(Index(u64(0)));
    case RecordType::kPrefixDrop:
      if (r.payload.size() != 16) return false;
      take_prefix_drop(Index(u64(0)), Term(u64(1)));
      return true;
    case RecordType::kSeal:
      sealed = true;
      return r.payload.empty();
  }
  return false;
}

bool LogReader::take_hard_state(std::string_view payload) {
  if (payload.size() != 24 && payload.size() != 32) return false;
  const auto u64 = [&](std::size_t i) { return wal::get64(payload.data() + 8 * i); };
  out.hard_state = {Term(u64(0)), NodeId(u64(1)), Index(u64(2))};
  if (payload.size() == 32 && Index(u64(3)) == out.membership_index) membership_after_ = true;
  hard_state_after_ = true;
  return true;
}

bool LogReader::take_entry(EntryType type, Term term, Index index, std::string_view data) {
  if (index.value() == 0) return false;
  const bool closes = gap_ && gap_->open;
  if (!seen_entry_ && !closes) {
    // The first segment kept starts wherever it does; finish() checks that nothing before it is missed.
    first_entry_ = index;
    out.last = Index(index.value() - 1);
  }
  if (!closes && index > out.last.next()) return false;
  const bool unproven = gap_ && gap_->last_term == Term() && index == gap_->last.next();
  if (closes || unproven || (gap_ && index <= gap_->last)) {
    // What was committed before the damage is never replaced.
    if (index < gap_->first) return false;
    gap_->open = false;
    cut(Index(gap_->first.value() - 1));
    gap_->last = index;
    gap_->last_term = term;
  } else {
    if (index <= out.last) cut(Index(index.value() - 1));
    if (index > keep_from_) out.entries.push_back({term, index, Bytes::copy(data), type});
  }
  seen_entry_ = true;
  out.last = index;
  out.last_term = term;
  if (terms_.empty() || terms_.back().second != term) terms_.emplace_back(index, term);
  return true;
}

bool LogReader::take_truncate(Index after) {
  if (!gap_) {
    cut(after);
    return true;
  }
  if (gap_->open || after.next() < gap_->first) return false;
  cut(after);
  if (after >= gap_->last) return true;
  gap_->last = after;
  gap_->last_term = Term();
  if (gap_->last < gap_->first) gap_.reset();
  return true;
}

void LogReader::take_prefix_drop(Index index, Term term) {
  out.dropped = index;
  out.dropped_term = term;
  if (out.last < out.dropped) {
    out.last = out.dropped;
    out.last_term = out.dropped_term;
  }
  if (!gap_ || gap_->first > index) return;
  gap_->first = index.next();
  if (!gap_->open && gap_->last < gap_->first) gap_.reset();
}

void LogReader::cut(Index after) {
  while (!out.entries.empty() && out.entries.back().index > after) out.entries.pop_back();
  while (!terms_.empty() && terms_.back().first > after) terms_.pop_back();
  if (out.last > after) out.last = after;
  out.last_term = terms_.empty() ? out.dropped_term : terms_.back().second;
}

// Something durable is left out: entries after what was committed so far may be other ones than those seen.
void LogReader::damage(const std::string& where, std::uint64_t offset, std::string_view what) {
  if (out.damage.empty()) out.damage = describe(where, offset, what);
  damaged_ = true;
  hard_state_after_ = membership_after_ = false;
  const Index known = std::max(std::min(out.hard_state.commit, out.last), std::min(out.dropped, out.last));
  const Index first = gap_ ? std::min(gap_->first, known.next()) : known.next();
  if (gap_ && !gap_->open) {
    for (const Entry& e : out.entries) {
      if (e.index > gap_->last && e.index <= known) out.within.push_back(e);
    }
  }
  gap_ = Gap{first, Index(), Term(), true};
  cut(Index(first.value() - 1));
}

Term LogReader::term_at(Index index) const {
  if (index == out.dropped) return out.dropped_term;
  Term term;
  for (const auto& [from, t] : terms_) {
    if (from <= index) term = t;
  }
  return term;
}

// ---- the whole

std::unexpected<Error> LogReader::corrupt_end(std::string_view what) const {
  return corrupt(path, end, what);
}

Result<void> LogReader::finish() {
  TRY(settle_snapshot());
  if (damaged_) {
    const std::string why = " (" + out.damage + ")";
    if (!hard_state_after_) return corrupt_end("term and vote may be lost" + why);
    if (!membership_after_) return corrupt_end("the membership may be lost" + why);
    if (gap_ && gap_->open) return corrupt_end("where the log ended is lost" + why);
  }
  TRY(check_bounds());
  if (gap_) TRY(settle_gap());
  if (!gap_) {
    out.base = std::max(keep_from_, out.dropped);
    out.base_term = term_at(out.base);
    std::erase_if(out.entries, [&](const Entry& e) { return e.index <= out.base; });
    if (!out.entries.empty() && out.entries.front().index > out.base.next()) {
      return corrupt(first_path_, 0, "entries after the applied index are missing");
    }
  }
  if (damaged_ && !gap_) rewrite = true;
  return {};
}

// The log did not yet hear of the snapshot that the state machine was given.
Result<void> LogReader::settle_snapshot() {
  const Index at = options_.snapshot_index;
  if (at == Index() || out.dropped > at) return {};
  const bool knows = out.last >= at && term_at(at) == options_.snapshot_term;
  const bool unclear = gap_ && (gap_->open || gap_->last >= at);
  if (knows || (unclear && out.dropped == at)) return {};
  if (unclear) return corrupt_end("what was installed by a snapshot may be lost (" + out.damage + ")");
  if (options_.applied != at) {
    return corrupt_end("log ends at index " + std::to_string(out.last.value()) + ", but entries up to " +
                       std::to_string(options_.applied.value()) + " were applied after a snapshot");
  }
  gap_.reset();
  out.entries.clear();
  terms_.clear();
  seen_entry_ = false;
  out.last = out.dropped = at;
  out.last_term = out.dropped_term = options_.snapshot_term;
  rewrite = true;
  return {};
}

Result<void> LogReader::check_bounds() const {
  const auto ends = "log ends at index " + std::to_string(out.last.value()) + ", but entries up to ";
  if (out.last < options_.applied) {
    return corrupt_end(ends + std::to_string(options_.applied.value()) + " were applied");
  }
  if (out.last < out.hard_state.commit) {
    return corrupt_end(ends + std::to_string(out.hard_state.commit.value()) + " were committed");
  }
  if (out.dropped > options_.applied) {
    return corrupt_end("entries up to index " + std::to_string(out.dropped.value()) +
                       " were dropped, but only those up to " + std::to_string(options_.applied.value()) +
                       " were applied");
  }
  if (seen_entry_ && first_entry_ > out.dropped.next()) {
    return corrupt(first_path_, 0, "the segments before it are missing");
  }
  return {};
}

void LogReader::end_at_damage() {
  gap_.reset();
  damaged_ = false;
  rewrite = true;
  if (out.last < options_.applied) {
    out.entries.clear();
    out.last = out.dropped = options_.applied;
    out.last_term = out.dropped_term = options_.applied_term;
  }
  out.hard_state.commit = std::min(out.hard_state.commit, out.last);
  out.base = std::max(keep_from_, out.dropped);
  out.base_term = term_at(out.base);
}

// What of the gap matters: entries that the state machine has already need not be had again.
Result<void> LogReader::settle_gap() {
  const Index applied = options_.applied;
  const Index wanted = std::max(keep_from_, out.dropped);
  if (gap_->last <= applied && (gap_->last_term != Term() || gap_->last <= wanted)) {
    if (gap_->last > wanted) {
      out.dropped = gap_->last;
      out.dropped_term = gap_->last_term;
    }
    gap_.reset();
    return {};
  }
  if (applied >= gap_->first && options_.applied_term != Term()) {
    if (applied >= gap_->last) {
      out.dropped = applied;
      out.dropped_term = options_.applied_term;
      gap_.reset();
      return {};
    }
    out.base = applied;
    out.base_term = options_.applied_term;
    gap_->first = applied.next();
  } else {
    out.base = std::min(wanted, Index(gap_->first.value() - 1));
    out.base_term = term_at(out.base);
  }
  std::erase_if(out.entries, [&](const Entry& e) { return e.index <= out.base; });
  out.damaged = IndexRange{gap_->first, gap_->last};
  std::erase_if(out.within, [&](const Entry& e) { return e.index < gap_->first || e.index > gap_->last; });
  out.gap_term = gap_->last_term;
  return {};
}

}  // namespace keelson::raft
