#include "raft/wal/wal.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "base/check.h"

namespace keelson::raft {

using wal::RecordType;

namespace {
constexpr std::size_t kSealRoom =
    128;  // always left free: a batch header and the seal, wherever they must start

std::string u64s(std::initializer_list<std::uint64_t> values) {
  std::string out;
  for (auto v : values) wal::put64(out, v);
  return out;
}
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

void Wal::append(const Entry& entry) {
  CHECK(entry.index.value() <= last_.value() + 1 && entry.index > dropped_);
  add_record(RecordType::kEntry, u64s({entry.term.value(), entry.index.value()}), entry.data);
  last_ = entry.index;
}

void Wal::set_hard_state(const HardState& state) {
  hard_state_ = state;
  add_record(RecordType::kHardState, u64s({state.term.value(), state.vote.value(), state.commit.value()}),
             {});
}

void Wal::set_membership(Index index, std::string_view encoded) {
  membership_index_ = index;
  membership_ = std::string(encoded);
  add_record(RecordType::kMembership, u64s({index.value()}), encoded);
}

void Wal::truncate_after(Index index) {
  CHECK(index >= dropped_);
  add_record(RecordType::kTruncate, u64s({index.value()}), {});
  last_ = std::min(last_, index);
}

void Wal::drop_prefix(Index index, Term term) {
  if (index <= dropped_) return;
  CHECK(index <= last_);
  dropped_ = index;
  dropped_term_ = term;
  add_record(RecordType::kPrefixDrop, u64s({index.value(), term.value()}), {});
}

// Only once the drop is durable: a log whose first entries are gone without a word is corrupt. The newer
// segments repeat the state (add_state_records), so the old ones are needed for their entries alone.
Result<void> Wal::remove_dropped() {
  bool removed = false;
  while (!closed_.empty() && closed_.front().last <= dropped_) {
    TRY(fs_.remove(closed_.front().path));
    closed_.erase(closed_.begin());
    removed = true;
  }
  if (removed) TRY(fs_.sync_dir(options_.dir));
  return {};
}

// A segment starts with the whole state, so that it can be read without those before it.
void Wal::add_state_records() {
  set_hard_state(HardState(hard_state_));
  if (!membership_.empty() || membership_index_ != Index()) {
    add_record(RecordType::kMembership, u64s({membership_index_.value()}), membership_);
  }
  if (dropped_ != Index()) {
    add_record(RecordType::kPrefixDrop, u64s({dropped_.value(), dropped_term_.value()}), {});
  }
}

Result<void> Wal::sync() {
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

Result<void> Wal::write_batch() {
  wal::BatchHeader h;
  h.synced = end_;
  h.size = static_cast<std::uint32_t>(buffer_.size() - header_at_ - wal::kBatchHeader);
  h.count = count_;
  h.chain = chain_before_;
  h.tail = chain_;
  wal::write_batch_header(buffer_.data() + header_at_, h);
  TRY(file_->pwrite(buffer_, end_));
  TRY(file_->datasync());
  end_ += buffer_.size();
  buffer_.clear();
  active_.last = last_;
  return {};
}

// Seals the active segment and moves what is buffered into a new one, behind its seal in the chain.
Result<void> Wal::roll() {
  const std::string held = std::exchange(buffer_, {}).substr(header_at_ + wal::kBatchHeader);
  const Index last = std::exchange(last_, active_.last);
  std::uint32_t held_chain = chain_before_;
  chain_ = chain_before_;
  add_record(RecordType::kSeal, {}, {});
  TRY(write_batch());
  closed_.push_back(active_);
  const std::size_t needed =
      held.size() + membership_.size() + 1024;  // headers, state records, room for the seal
  TRY(create_segment(active_.sequence + 1, std::max<std::uint64_t>(options_.segment_bytes, needed)));
  add_state_records();
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
  file_ = TRY(take_spare(bytes, tmp));
  TRY(file_->pwrite(wal::segment_header(sequence, chain_), 0));
  TRY(file_->datasync());
  TRY(fs_.rename(tmp, path));
  TRY(fs_.sync_dir(options_.dir));
  active_ = {sequence, path, last_};
  active_bytes_ = bytes;
  end_ = wal::kSegmentHeader;
  return {};
}

}  // namespace keelson::raft
