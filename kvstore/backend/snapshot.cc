#include "kvstore/backend/snapshot.h"

#include <leveldb/write_batch.h>

#include <algorithm>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/wire.h"
#include "kvstore/backend/backend_db.h"
#include "kvstore/backend/parallel_load.h"
#include "kvstore/backend/record.h"

namespace keelson::kvstore {
namespace {

constexpr std::string_view kMagic = "KLSNAP01";
constexpr std::size_t kHeadBytes = 8;                         // of a chunk: length, CRC
constexpr std::size_t kCountBytes = 8;                        // after the head of the last
constexpr std::size_t kChunkBytes = 256 << 10;                // a chunk ends with the record that reaches it
constexpr std::size_t kChunkBytesMax = std::size_t{1} << 30;  // of what is accepted
constexpr std::uint64_t kMarkEvery = 16 << 20;
constexpr std::size_t kSaveEvery = 1 << 20;
constexpr std::string_view kPointer = "/CURRENT_DB";

void put_little_endian(std::string& out, std::uint64_t v, int bytes) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(v >> (8 * i)));
}

std::uint64_t get_little_endian(std::string_view s) {
  std::uint64_t v = 0;
  for (std::size_t i = s.size(); i-- > 0;) v = v << 8 | static_cast<unsigned char>(s[i]);
  return v;
}

std::unexpected<Error> bad_stream(std::string_view what) {
  return fail(Code::kDataLoss, "snapshot stream: " + std::string(what));
}

bool get_varint(std::string_view& in, std::uint64_t& v) {
  v = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(in[0]);
    in.remove_prefix(1);
    v |= std::uint64_t{byte & 0x7fU} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool get_string(std::string_view& in, std::string_view& s) {
  std::uint64_t n = 0;
  if (!get_varint(in, n) || n > in.size()) return false;
  s = in.substr(0, n);
  in.remove_prefix(n);
  return true;
}

}  // namespace

// ---- BackendSnapshot

BackendSnapshot::BackendSnapshot(std::shared_ptr<BackendDb> db, const leveldb::Snapshot* snapshot)
    : db_(std::move(db)), snapshot_(snapshot) {}

BackendSnapshot::~BackendSnapshot() {
  db_->db().ReleaseSnapshot(snapshot_);
}

Result<std::optional<std::string>> BackendSnapshot::read(std::string_view key) const {
  leveldb::ReadOptions ro;
  ro.snapshot = snapshot_;
  std::string bytes;
  auto s = db_->db().Get(ro, slice(key), &bytes);
  db_->drain();
  if (s.IsNotFound()) return std::nullopt;
  if (!s.ok()) return db_error(s);
  return bytes;
}

Result<std::optional<std::string>> BackendSnapshot::system(std::string_view name) const {
  return read(record::system_key(name));
}

std::unique_ptr<leveldb::Iterator> BackendSnapshot::iterator() const {
  leveldb::ReadOptions ro;
  ro.snapshot = snapshot_;
  ro.fill_cache = false;
  return std::unique_ptr<leveldb::Iterator>(db_->db().NewIterator(ro));
}

Result<void> BackendSnapshot::load(const Backend::Loader& loader) const {
  auto it = iterator();
  for (it->Seek(slice({&record::kLeasePrefix, 1})); it->Valid(); it->Next()) {
    const auto key = view(it->key());
    const auto value = view(it->value());
    if (key[0] == record::kLeasePrefix) {
      LeaseChange l;
      if (!record::decode_lease(key, value, l))
        return fail(Code::kDataLoss, "backend: a lease record is malformed");
      if (loader.lease) loader.lease(l.id, l.ttl_s, l.remaining_s);
    } else if (key[0] == record::kSystemPrefix) {
      if (loader.system) loader.system(key.substr(1), value);
    } else if (key[0] == record::kVersionPrefix) {
      if (!loader.version || loader.versions) break;
      const DecodedVersion v = TRY(record::parse_version(key, value));
      loader.version(v.fields, v.key, v.value);
    }
  }
  const auto s = it->status();
  it.reset();
  db_->drain();
  if (!s.ok()) return db_error(s);
  if (!loader.versions) return {};
  const leveldb::Range all(slice({&record::kVersionPrefix, 1}), leveldb::Slice("\xff", 1));
  std::uint64_t bytes = 0;
  db_->db().GetApproximateSizes(&all, 1, &bytes);
  return ParallelLoad(*this, bytes, loader.threads).run(loader.versions);
}

// ---- VersionScan

VersionScan::VersionScan(std::shared_ptr<const BackendSnapshot> snapshot)
    : snapshot_(std::move(snapshot)), it_(snapshot_->iterator()) {
  it_->Seek(slice({&record::kVersionPrefix, 1}));
  snapshot_->db_->drain();
}

VersionScan::~VersionScan() {
  it_.reset();
  snapshot_->db_->drain();
}

Result<bool> VersionScan::next(std::size_t max, const Visit& visit) {
  for (; max > 0 && it_->Valid() && it_->key()[0] == record::kVersionPrefix; it_->Next(), --max) {
    const DecodedVersion v = TRY(record::parse_version(view(it_->key()), view(it_->value())));
    visit(v.fields, v.key, v.value);
  }
  const auto s = it_->status();
  snapshot_->db_->drain();
  if (!s.ok()) return db_error(s);
  return max == 0;
}

// ---- SnapshotStream

struct SnapshotStream::Mark {
  std::uint64_t at = 0;
  std::uint64_t records = 0;
  std::uint32_t crc = 0;
  std::string key;  // of the next record
};

SnapshotStream::SnapshotStream(std::shared_ptr<const BackendSnapshot> snapshot)
    : snapshot_(std::move(snapshot)) {
  CHECK(snapshot_ != nullptr);
}

SnapshotStream::~SnapshotStream() {
  it_.reset();
  snapshot_->db_->drain();
}

Result<std::string> SnapshotStream::read(std::uint64_t offset, std::size_t max) {
  CHECK(max > 0);
  if (!it_ || offset < chunk_at_) TRY(seek(offset));
  while (offset >= chunk_at_ + chunk_.size()) {
    if (ended_) {
      if (offset == chunk_at_ + chunk_.size()) return std::string();
      return fail(Code::kOutOfRange, "snapshot stream: offset beyond its end");
    }
    TRY(next_chunk());
  }
  return chunk_.substr(offset - chunk_at_, max);
}

Result<void> SnapshotStream::seek(std::uint64_t offset) {
  if (!it_) it_ = snapshot_->iterator();
  ended_ = false;
  auto mark = std::upper_bound(marks_.begin(), marks_.end(), offset,
                               [](std::uint64_t at, const Mark& m) { return at < m.at; });
  if (mark == marks_.begin()) {
    it_->SeekToFirst();
    chunk_ = kMagic;
    chunk_at_ = records_ = 0;
    crc_ = crc32c(0, kMagic);
    return {};
  }
  --mark;
  it_->Seek(slice(mark->key));
  chunk_.clear();
  chunk_at_ = mark->at;
  records_ = mark->records;
  crc_ = mark->crc;
  return {};
}

Result<void> SnapshotStream::next_chunk() {
  chunk_at_ += chunk_.size();
  if (it_->Valid() && (marks_.empty() || chunk_at_ >= marks_.back().at + kMarkEvery)) {
    marks_.push_back({chunk_at_, records_, crc_, it_->key().ToString()});
  }
  chunk_.assign(kHeadBytes, '\0');
  for (; it_->Valid() && chunk_.size() < kHeadBytes + kChunkBytes; it_->Next(), ++records_) {
    for (auto part : {view(it_->key()), view(it_->value())}) {
      wire::append_varint(chunk_, part.size());
      chunk_.append(part);
    }
  }
  const auto s = it_->status();
  snapshot_->db_->drain();
  if (!s.ok()) return db_error(s);
  const auto length = static_cast<std::uint32_t>(chunk_.size() - kHeadBytes);
  if (length == 0) {
    ended_ = true;
    put_little_endian(chunk_, records_, kCountBytes);
  }
  crc_ = crc32c(crc_, std::string_view(chunk_).substr(kHeadBytes));
  std::string head;
  put_little_endian(head, length, 4);
  put_little_endian(head, crc_, 4);
  chunk_.replace(0, kHeadBytes, head);
  return {};
}

// ---- SnapshotBuilder

struct SnapshotBuilder::Batch : leveldb::WriteBatch {};

SnapshotBuilder::SnapshotBuilder(const Backend::Options& options, std::uint64_t index, std::uint64_t term)
    : options_(options), index_(index), term_(term), batch_(std::make_unique<Batch>()) {}
SnapshotBuilder::~SnapshotBuilder() = default;

Result<std::unique_ptr<SnapshotBuilder>> SnapshotBuilder::open(const Backend::Options& options,
                                                               std::uint64_t index, std::uint64_t term) {
  std::unique_ptr<SnapshotBuilder> b(new SnapshotBuilder(options, index, term));
  auto db = BackendDb::open(options);
  if (db) {
    b->db_ = std::move(*db);
    if (b->resume()) return b;
    b->db_.reset();
  }
  // Of another snapshot, complete, or damaged: anew.
  FileSystem& fs = options.fs != nullptr ? *options.fs : posix_file_system();
  if (!options.in_memory) TRY(BackendDb::remove(fs, options.dir));
  b = std::unique_ptr<SnapshotBuilder>(new SnapshotBuilder(options, index, term));
  b->db_ = TRY(BackendDb::open(options));
  TRY(b->save());
  return b;
}

bool SnapshotBuilder::resume() {
  std::string bytes;
  if (!db_->db().Get({}, slice(record::kProgressKey), &bytes).ok()) return false;
  wire::Reader r(bytes);
  std::uint64_t index = 0;
  std::uint64_t term = 0;
  while (r.next()) {
    switch (r.field()) {
      case 1:
        index = r.uint();
        break;
      case 2:
        term = r.uint();
        break;
      case 3:
        received_ = r.uint();
        break;
      case 4:
        records_ = r.uint();
        break;
      case 5:
        crc_ = r.fixed32();
        break;
      case 6:
        last_key_ = r.bytes();
        break;
      case 7:
        meta_record_ = std::string(r.bytes());
        break;
      default:
        break;
    }
  }
  return r.ok() && index == index_ && term == term_;
}

// Makes what was taken so far durable, with the place in the stream.
Result<void> SnapshotBuilder::save() {
  std::string bytes;
  wire::Writer w(bytes);
  w.uint(1, index_);
  w.uint(2, term_);
  w.uint(3, received_ - buffer_.size());
  w.uint(4, records_);
  w.fixed32(5, crc_);
  w.bytes(6, last_key_);
  if (meta_record_) w.bytes(7, *meta_record_);
  batch_->Put(slice(record::kProgressKey), bytes);
  return write_batch();
}

Result<void> SnapshotBuilder::write_batch() {
  leveldb::WriteOptions wo;
  wo.sync = true;
  auto s = db_->db().Write(wo, batch_.get());
  db_->drain();
  batch_->Clear();
  if (!s.ok()) return db_error(s);
  return {};
}

Result<void> SnapshotBuilder::write(std::string_view piece) {
  if (failed_) return bad_stream("it has failed already");
  received_ += piece.size();
  buffer_.append(piece);
  std::size_t at = 0;
  while (true) {
    auto used = take(std::string_view(buffer_).substr(at));
    if (!used) {
      failed_ = true;
      return std::unexpected(used.error());
    }
    if (*used == 0) break;
    at += *used;
  }
  buffer_.erase(0, at);
  if (batch_->ApproximateSize() >= kSaveEvery) TRY(save());
  return {};
}

// Takes one unit off the front of `in`, where a whole one is there; its size, or 0.
Result<std::size_t> SnapshotBuilder::take(std::string_view in) {
  if (ended_) {
    if (!in.empty()) return bad_stream("bytes after its end");
    return std::size_t{0};
  }
  if (crc_ == 0 && records_ == 0) {
    if (in.size() < kMagic.size()) return std::size_t{0};
    if (!in.starts_with(kMagic)) return bad_stream("it does not begin as one");
    crc_ = crc32c(0, kMagic);
    return kMagic.size();
  }
  if (in.size() < kHeadBytes) return std::size_t{0};
  const auto length = get_little_endian(in.substr(0, 4));
  if (length > kChunkBytesMax) return bad_stream("a chunk is too long");
  const std::size_t body = length == 0 ? kCountBytes : length;
  if (in.size() < kHeadBytes + body) return std::size_t{0};
  const auto payload = in.substr(kHeadBytes, body);
  crc_ = crc32c(crc_, payload);
  if (crc_ != get_little_endian(in.substr(4, 4))) return bad_stream("a chunk's checksum is wrong");
  if (length == 0) {
    ended_ = true;
    if (get_little_endian(payload) != records_) return bad_stream("records are missing");
  } else {
    TRY(take_records(payload));
  }
  return kHeadBytes + body;
}

Result<void> SnapshotBuilder::take_records(std::string_view in) {
  while (!in.empty()) {
    std::string_view key;
    std::string_view value;
    if (!get_string(in, key) || !get_string(in, value) || key.empty())
      return bad_stream("a record is malformed");
    if (key <= last_key_) return bad_stream("records are out of order");
    last_key_ = key;
    ++records_;
    if (key == record::kMetaKey) {
      meta_record_ = std::string(value);
    } else if (key == record::kFormatKey) {
      if (value != record::kFormat) return bad_stream("unknown format " + std::string(value));
    } else if (key != record::kProgressKey) {
      batch_->Put(slice(key), slice(value));
    }
  }
  return {};
}

Result<void> SnapshotBuilder::finish() {
  if (failed_ || !ended_) return bad_stream("it has not ended");
  if (!meta_record_ || !record::decode_meta(*meta_record_, meta_))
    return bad_stream("its meta record is malformed");
  if (meta_.applied_index != index_ || meta_.applied_term != term_)
    return bad_stream("it stands for another index than announced");
  meta_.snapshot_index = index_;
  batch_->Put(slice(record::kFormatKey), slice(record::kFormat));
  batch_->Put(slice(record::kMetaKey), record::encode_meta(meta_));
  batch_->Delete(slice(record::kProgressKey));
  TRY(write_batch());
  db_.reset();
  return {};
}

// ---- BackendDirs

std::string BackendDirs::path(std::uint64_t number) const {
  return data_dir_ + "/db" + (number == 0 ? "" : "-" + std::to_string(number));
}

Result<BackendDirs> BackendDirs::open(FileSystem& fs, const std::string& data_dir) {
  BackendDirs dirs(fs, data_dir);
  const std::string pointer = data_dir + std::string(kPointer);
  if (!fs.exists(pointer)) return dirs;
  const std::string text = TRY(read_file(fs, pointer));
  std::uint64_t number = 0;
  for (char c : text.starts_with("db-") ? std::string_view(text).substr(3) : "?") {
    if (c == '\n') break;
    if (c < '0' || c > '9' || number > 1'000'000'000) {
      return fail(Code::kDataLoss, pointer + " does not name a database: " + text);
    }
    number = number * 10 + static_cast<std::uint64_t>(c - '0');
  }
  if (number == 0) return fail(Code::kDataLoss, pointer + " does not name a database: " + text);
  dirs.number_ = number;
  return dirs;
}

std::string BackendDirs::current() const {
  return path(number_);
}
std::string BackendDirs::next() const {
  return path(number_ + 1);
}

Result<void> BackendDirs::switch_to_next() {
  TRY(write_file_atomic(*fs_, data_dir_ + std::string(kPointer), "db-" + std::to_string(number_ + 1) + "\n"));
  ++number_;
  return {};
}

Result<void> BackendDirs::remove_old() {
  if (number_ == 0) return {};
  return BackendDb::remove(*fs_, path(number_ - 1));
}

}  // namespace keelson::kvstore
