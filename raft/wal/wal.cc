#include "raft/wal/wal.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <initializer_list>
#include <utility>

#include "base/check.h"

namespace keelson::raft {

using wal::RecordType;

namespace {
// Always left free: a batch header and the seal, wherever they must start.
constexpr std::size_t kSealRoom = 128;
// What a segment that starts the log anew is written in.
constexpr std::size_t kAnewBatch = std::size_t{4} << 20;

// A record's numbers, without an allocation.
class Numbers {
 public:
  Numbers(std::initializer_list<std::uint64_t> values) {
    for (auto v : values) {
      wal::set64(bytes_ + size_, v);
      size_ += 8;
    }
  }
  operator std::string_view() const { return {bytes_, size_}; }

 private:
  char bytes_[32];
  std::size_t size_ = 0;
};
}  // namespace

Wal::~Wal() = default;

std::string Wal::segment_path(std::uint64_t sequence) const {
  char name[32];
  std::snprintf(name, sizeof name, "%016" PRIx64 ".wal", sequence);
  return options_.dir + "/" + name;
}

void Wal::begin_batch() {
  if (!buffer_.empty()) return;
  header_at_ = wal::batch_start(end_) - end_;
  buffer_.assign(header_at_ + wal::kBatchHeader, '\0');
  chain_before_ = chain_;
  count_ = 0;
}

void Wal::add_record(RecordType type, std::string_view head, std::string_view tail) {
  begin_batch();
  chain_ = wal::append_record(buffer_, type, head, tail, chain_);
  ++count_;
}

void Wal::add_entry(const Entry& entry) {
  add_record(entry.type == EntryType::kNormal ? RecordType::kEntry : RecordType::kConfChangeEntry,
             Numbers{entry.term.value(), entry.index.value()}, entry.data);
}

// Names the newest membership, so that recovery can tell whether one was lost.
void Wal::add_hard_state(const State& state) {
  HardState h = state.hard;
  if (options_.faults.term_not_persisted) {
    h.term = written_hard_.term;
    h.vote = written_hard_.vote;
  }
  written_hard_ = state.hard;
  add_record(RecordType::kHardState,
             Numbers{h.term.value(), h.vote.value(), h.commit.value(), state.membership_index.value()}, {});
}

// A segment starts with the whole state, so that it can be read without those before it.
void Wal::add_state_records(const State& state) {
  add_hard_state(state);
  if (!state.membership.empty() || state.membership_index != Index()) {
    add_record(RecordType::kMembership, Numbers{state.membership_index.value()}, state.membership);
  }
  if (state.dropped != Index()) {
    add_record(RecordType::kPrefixDrop, Numbers{state.dropped.value(), state.dropped_term.value()}, {});
  }
}

void Wal::append(const Entry& entry) {
  CHECK(damaged_ == nullptr);
  CHECK(entry.index.value() <= last_.value() + 1 && entry.index > state_.dropped);
  if (buffer_.empty()) state_before_ = state_;
  add_entry(entry);
  last_ = entry.index;
}

void Wal::set_hard_state(const HardState& state) {
  CHECK(damaged_ == nullptr);
  if (buffer_.empty()) state_before_ = state_;
  state_.hard = state;
  add_hard_state(state_);
}

void Wal::set_membership(Index index, std::string_view encoded) {
  CHECK(damaged_ == nullptr);
  if (buffer_.empty()) state_before_ = state_;
  state_.membership_index = index;
  state_.membership = Bytes::copy(encoded);
  add_record(RecordType::kMembership, Numbers{index.value()}, encoded);
}

void Wal::truncate_after(Index index) {
  CHECK(damaged_ == nullptr && index >= state_.dropped);
  if (buffer_.empty()) state_before_ = state_;
  add_record(RecordType::kTruncate, Numbers{index.value()}, {});
  last_ = std::min(last_, index);
}

void Wal::drop_prefix(Index index, Term term) {
  CHECK(damaged_ == nullptr);
  if (index <= state_.dropped) return;
  CHECK(index <= last_);
  if (buffer_.empty()) state_before_ = state_;
  state_.dropped = index;
  state_.dropped_term = term;
  add_record(RecordType::kPrefixDrop, Numbers{index.value(), term.value()}, {});
}

// Only once the drop is durable: a log whose first entries are gone without a word is corrupt. The newer
// segments repeat the state (add_state_records), so the old ones are needed for their entries alone.
Result<void> Wal::remove_dropped() {
  bool removed = false;
  while (!closed_.empty() && closed_.front().last <= state_.dropped) {
    TRY(fs_.remove(closed_.front().path));
    closed_.erase(closed_.begin());
    removed = true;
  }
  if (removed) TRY(fs_.sync_dir(options_.dir));
  return {};
}

Result<void> Wal::sync() {
  CHECK(damaged_ == nullptr);
  if (dead_) return std::unexpected(*dead_);
  if (buffer_.empty()) return {};
  auto write = [&]() -> Result<void> {
    if (end_ + buffer_.size() + kSealRoom > active_bytes_) TRY(roll());
    TRY(write_batch());
    return remove_dropped();
  };
  auto r = write();
  if (!r) dead_ = r.error();
  return r;
}

Result<void> Wal::datasync() {
  if (options_.faults.ack_before_fsync) return {};
  if (!options_.on_sync) return file_->datasync();
  const MonoTime begin = options_.clock->now();
  auto r = file_->datasync();
  options_.on_sync(std::chrono::duration<double>(options_.clock->now() - begin).count());
  return r;
}

Result<void> Wal::write_batch() {
  wal::BatchHeader h;
  h.synced = end_;
  h.size = static_cast<std::uint32_t>(buffer_.size() - header_at_ - wal::kBatchHeader);
  h.count = count_;
  h.chain = chain_before_;
  h.tail = chain_;
  wal::write_batch_header(buffer_.data() + header_at_, h);
  TRY(file_->pwrite(buffer_, end_));
  TRY(datasync());
  end_ += buffer_.size();
  buffer_.clear();
  active_.last = last_;
  return {};
}

// Seals the active segment and moves what is buffered into a new one, behind its seal in the chain. The state
// that the new one begins with is that of before the batch: if the batch is torn, nothing of it counts.
Result<void> Wal::roll() {
  const std::string held = std::exchange(buffer_, {}).substr(header_at_ + wal::kBatchHeader);
  const Index last = std::exchange(last_, active_.last);
  std::uint32_t held_chain = chain_before_;
  chain_ = chain_before_;
  add_record(RecordType::kSeal, {}, {});
  TRY(write_batch());
  closed_.push_back(active_);
  const std::size_t needed =
      held.size() + state_before_.membership.size() + 1024;  // headers, state records, room for the seal
  TRY(create_segment(active_.sequence + 1, std::max<std::uint64_t>(options_.segment_bytes, needed)));
  const HardState written = std::exchange(written_hard_, state_before_.hard);
  add_state_records(state_before_);
  written_hard_ = written;
  std::string_view rest = held;
  wal::Record record;
  while (!rest.empty()) {
    CHECK(wal::read_record(rest, held_chain, record));
    add_record(record.type, record.payload, {});
    rest.remove_prefix(record.size);
  }
  last_ = last;
  return {};
}

Result<void> Wal::reset_to(Index index, Term term) {
  CHECK(damaged_ == nullptr && index >= state_.dropped);
  if (dead_) return std::unexpected(*dead_);
  state_.dropped = index;
  state_.dropped_term = term;
  last_ = index;
  return start_anew({});
}

// Makes `entries`, after what was dropped, the whole log: in a new segment before which nothing counts.
Result<void> Wal::start_anew(const std::vector<Entry>& entries) {
  auto r = write_anew(entries);
  if (!r) dead_ = r.error();
  return r;
}

Result<void> Wal::write_anew(const std::vector<Entry>& entries) {
  buffer_.clear();
  std::uint64_t bytes = wal::kSegmentHeader + state_.membership.size() + 1024 + kSealRoom;
  for (const Entry& e : entries) bytes += wal::kRecordHeader + 16 + wal::round_up(e.data.size(), 8);
  bytes += (bytes / kAnewBatch + 1) * wal::kSector;
  const std::uint64_t sequence = active_.sequence + 1;
  const std::string path = segment_path(sequence);
  const std::string tmp = path + ".tmp";
  TRY(begin_segment(tmp, {sequence, 0, true}, std::max(options_.segment_bytes, bytes)));
  written_hard_ = state_.hard;
  add_state_records(state_);
  for (const Entry& e : entries) {
    add_entry(e);
    if (buffer_.size() >= kAnewBatch) TRY(write_batch());
  }
  if (!buffer_.empty()) TRY(write_batch());
  TRY(publish_segment(tmp, path));
  closed_.push_back(active_);
  active_ = {sequence, path, last_};
  while (!closed_.empty()) {
    TRY(fs_.remove(closed_.front().path));
    closed_.erase(closed_.begin());
  }
  return fs_.sync_dir(options_.dir);
}

Result<std::unique_ptr<File>> Wal::take_spare(std::uint64_t bytes, const std::string& path) {
  const std::string spare_path = options_.dir + "/spare.tmp";
  std::lock_guard lock(spare_mu_);
  if (spare_ != nullptr && bytes == options_.segment_bytes) {
    TRY(fs_.rename(spare_path, path));
    return std::exchange(spare_, nullptr);
  }
  auto file = TRY(fs_.open(path, OpenMode::kCreate));
  TRY(file->zero_fill(bytes));
  return file;
}

Result<void> Wal::prepare_spare() {
  std::lock_guard lock(spare_mu_);
  if (spare_ != nullptr) return {};
  auto file = TRY(fs_.open(options_.dir + "/spare.tmp", OpenMode::kCreate));
  TRY(file->zero_fill(options_.segment_bytes));
  spare_ = std::move(file);
  return {};
}

// The name appears only once the header is durable: a segment that can be seen can be read.
Result<void> Wal::create_segment(std::uint64_t sequence, std::uint64_t bytes) {
  const std::string path = segment_path(sequence);
  const std::string tmp = path + ".tmp";
  TRY(begin_segment(tmp, {sequence, chain_, false}, bytes));
  TRY(publish_segment(tmp, path));
  active_ = {sequence, path, last_};
  return {};
}

Result<void> Wal::begin_segment(const std::string& tmp, const wal::SegmentHeader& header,
                                std::uint64_t bytes) {
  file_ = TRY(take_spare(bytes, tmp));
  TRY(file_->pwrite(wal::segment_header(header), 0));
  TRY(file_->datasync());
  chain_ = header.chain;
  active_bytes_ = bytes;
  end_ = wal::kSegmentHeader;
  return {};
}

Result<void> Wal::publish_segment(const std::string& tmp, const std::string& path) {
  TRY(fs_.rename(tmp, path));
  return fs_.sync_dir(options_.dir);
}

}  // namespace keelson::raft
