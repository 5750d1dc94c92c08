#include "kvstore/backend/backend.h"

#include <leveldb/db.h>
#include <leveldb/env.h>
#include <leveldb/helpers/memenv.h>
#include <leveldb/write_batch.h>

#include <algorithm>

#include "base/check.h"
#include "base/wire.h"
#include "kvstore/backend/pread_env.h"

namespace keelson::kvstore {
namespace {

constexpr std::string_view kFormat = "keelson-kv-1";
constexpr char kFormatKey[] = "f";
constexpr char kMetaKey[] = "m";
constexpr char kLeasePrefix = 'l';
constexpr char kVersionPrefix = 'v';

leveldb::Slice slice(std::string_view s) {
  return {s.data(), s.size()};
}
std::string_view view(const leveldb::Slice& s) {
  return {s.data(), s.size()};
}

std::unexpected<Error> db_error(const leveldb::Status& s) {
  return fail(s.IsCorruption() ? Code::kDataLoss : Code::kInternal, "backend: " + s.ToString());
}

void put_big_endian(std::string& out, std::uint64_t v, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<char>(v >> (8 * i)));
}

std::uint64_t get_big_endian(std::string_view s) {
  std::uint64_t v = 0;
  for (char c : s) v = v << 8 | static_cast<unsigned char>(c);
  return v;
}

std::string version_key(FullRevision rev) {
  std::string out(1, kVersionPrefix);
  put_big_endian(out, static_cast<std::uint64_t>(rev.main), 8);
  put_big_endian(out, rev.sub, 4);
  return out;
}

std::string lease_key(LeaseId id) {
  std::string out(1, kLeasePrefix);
  put_big_endian(out, static_cast<std::uint64_t>(id), 8);
  return out;
}

std::string encode_meta(const BackendMeta& m) {
  std::string out;
  wire::Writer w(out);
  w.uint(1, m.applied_index);
  w.uint(2, m.applied_term);
  w.sint(3, m.revision);
  w.sint(4, m.compacted);
  w.boolean(5, m.compaction_done);
  w.fixed64(6, m.state_hash);
  return out;
}

bool decode_meta(std::string_view bytes, BackendMeta& m) {
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        m.applied_index = r.uint();
        break;
      case 2:
        m.applied_term = r.uint();
        break;
      case 3:
        m.revision = r.sint();
        break;
      case 4:
        m.compacted = r.sint();
        break;
      case 5:
        m.compaction_done = r.boolean();
        break;
      case 6:
        m.state_hash = r.fixed64();
        break;
      default:
        break;
    }
  }
  return r.ok();
}

std::size_t staged_bytes(const Item& item) {
  return sizeof(Item) + item.key().size() + item.value().size();
}

}  // namespace

void encode_version(const Item& item, std::string& out) {
  wire::Writer w(out);
  w.bytes(1, item.key());
  if (item.tombstone()) {
    w.boolean(6, true);
    return;
  }
  w.bytes(2, item.value());
  w.sint(3, item.create());
  w.sint(4, item.version());
  if (item.lease() != 0) w.sint(5, item.lease());
}

bool decode_version(std::string_view bytes, DecodedVersion& out) {
  wire::Reader r(bytes);
  while (r.next()) {
    switch (r.field()) {
      case 1:
        out.key = r.bytes();
        break;
      case 2:
        out.value = r.bytes();
        break;
      case 3:
        out.fields.create = r.sint();
        break;
      case 4:
        out.fields.version = r.sint();
        break;
      case 5:
        out.fields.lease = r.sint();
        break;
      case 6:
        out.fields.tombstone = r.boolean();
        break;
      default:
        break;
    }
  }
  return r.ok() && !out.key.empty() && !(out.fields.tombstone && !out.value.empty());
}

Backend::Backend() = default;
Backend::~Backend() = default;

Result<std::unique_ptr<Backend>> Backend::open(const Options& options) {
  std::unique_ptr<Backend> b(new Backend);
  leveldb::Options o;
  o.create_if_missing = true;
  o.compression = leveldb::kNoCompression;  // start-up reads it all; see docs/benchmarks
  o.block_size = 16 << 10;
  o.write_buffer_size = 8 << 20;
  o.max_file_size = 16 << 20;
  o.max_open_files = 500;
  if (options.in_memory) {
    b->env_.reset(leveldb::NewMemEnv(leveldb::Env::Default()));
  } else {
    b->env_ = make_pread_env();
  }
  o.env = b->env_.get();
  leveldb::DB* db = nullptr;
  if (auto s = leveldb::DB::Open(o, options.dir, &db); !s.ok()) return db_error(s);
  b->db_.reset(db);
  std::string format;
  auto s = db->Get({}, kFormatKey, &format);
  if (s.IsNotFound()) {
    s = db->Put({}, kFormatKey, slice(kFormat));
    format = kFormat;
  }
  if (!s.ok()) return db_error(s);
  if (format != kFormat)
    return fail(Code::kDataLoss, "backend: unknown format " + format + " in " + options.dir);
  return b;
}

Result<BackendMeta> Backend::load(const Loader& loader) {
  BackendMeta meta;
  leveldb::ReadOptions ro;
  ro.verify_checksums = true;
  ro.fill_cache = false;
  std::string bytes;
  auto s = db_->Get(ro, kMetaKey, &bytes);
  if (!s.ok() && !s.IsNotFound()) return db_error(s);
  if (s.ok() && !decode_meta(bytes, meta))
    return fail(Code::kDataLoss, "backend: the meta record is malformed");
  std::unique_ptr<leveldb::Iterator> it(db_->NewIterator(ro));
  for (it->Seek(slice({&kLeasePrefix, 1})); it->Valid() && it->key()[0] == kLeasePrefix; it->Next()) {
    wire::Reader r(view(it->value()));
    if (it->key().size() != 9 || !r.next())
      return fail(Code::kDataLoss, "backend: a lease record is malformed");
    loader.lease(static_cast<LeaseId>(get_big_endian(view(it->key()).substr(1))), r.sint());
  }
  for (it->Seek(slice({&kVersionPrefix, 1})); it->Valid() && it->key()[0] == kVersionPrefix; it->Next()) {
    DecodedVersion v;
    const auto key = view(it->key());
    if (key.size() != 13 || !decode_version(view(it->value()), v)) {
      return fail(Code::kDataLoss, "backend: a version record is malformed");
    }
    v.fields.rev.main = static_cast<Revision>(get_big_endian(key.substr(1, 8)));
    v.fields.rev.sub = static_cast<std::uint32_t>(get_big_endian(key.substr(9, 4)));
    loader.version(v.fields, v.key, v.value);
  }
  if (!it->status().ok()) return db_error(it->status());
  meta_ = meta;
  return meta;
}

void Backend::stage(ItemPtr item) {
  std::lock_guard lock(mu_);
  pending_bytes_ += staged_bytes(*item);
  staged_.push_back(std::move(item));
}

void Backend::commit(const BackendMeta& meta, std::vector<LeaseChange> leases,
                     std::vector<FullRevision> dropped) {
  std::lock_guard lock(mu_);
  committed_ = staged_.size();
  meta_ = meta;
  leases_.insert(leases_.end(), leases.begin(), leases.end());
  dropped_.insert(dropped_.end(), dropped.begin(), dropped.end());
  dirty_ = true;
}

bool Backend::has_committed() const {
  std::lock_guard lock(mu_);
  return dirty_;
}

std::size_t Backend::pending_bytes() const {
  std::lock_guard lock(mu_);
  return pending_bytes_;
}

Result<std::uint64_t> Backend::flush(bool sync) {
  std::vector<ItemPtr> items;
  std::vector<LeaseChange> leases;
  std::vector<FullRevision> dropped;
  BackendMeta meta;
  {
    std::lock_guard lock(mu_);
    meta = meta_;
    if (!dirty_ && !sync) return meta.applied_index;
    items.assign(staged_.begin(), staged_.begin() + static_cast<std::ptrdiff_t>(committed_));
    leases.swap(leases_);
    dropped.swap(dropped_);
    dirty_ = false;
  }
  leveldb::WriteBatch batch;
  std::string record;
  for (const auto& item : items) {
    record.clear();
    encode_version(*item, record);
    batch.Put(version_key(item->rev()), record);
  }
  for (const auto& l : leases) {
    if (l.ttl_s == 0) {
      batch.Delete(lease_key(l.id));
      continue;
    }
    record.clear();
    wire::Writer(record).sint(1, l.ttl_s);
    batch.Put(lease_key(l.id), record);
  }
  for (const auto& rev : dropped) batch.Delete(version_key(rev));
  batch.Put(kMetaKey, encode_meta(meta));
  leveldb::WriteOptions wo;
  wo.sync = sync;
  if (auto s = db_->Write(wo, &batch); !s.ok()) return db_error(s);
  std::lock_guard lock(mu_);
  for (const auto& item : items) pending_bytes_ -= staged_bytes(*item);
  staged_.erase(staged_.begin(), staged_.begin() + static_cast<std::ptrdiff_t>(items.size()));
  committed_ -= items.size();
  return meta.applied_index;
}

Result<KeyValue> Backend::read(FullRevision rev) {
  {
    std::lock_guard lock(mu_);
    auto it = std::lower_bound(staged_.begin(), staged_.end(), rev,
                               [](const ItemPtr& item, const FullRevision& r) { return item->rev() < r; });
    if (it != staged_.end() && (*it)->rev() == rev) return Item::to_key_value(*it);
  }
  auto bytes = std::make_shared<std::string>();
  auto s = db_->Get({}, version_key(rev), bytes.get());
  if (s.IsNotFound())
    return fail(Code::kNotFound, "backend: no version at revision " + std::to_string(rev.main));
  if (!s.ok()) return db_error(s);
  DecodedVersion v;
  if (!decode_version(*bytes, v)) return fail(Code::kDataLoss, "backend: a version record is malformed");
  KeyValue kv;
  kv.key = Bytes(bytes, v.key);
  kv.value = Bytes(bytes, v.value);
  kv.mod_revision = rev.main;
  kv.create_revision = v.fields.create;
  kv.version = v.fields.version;
  kv.lease = v.fields.lease;
  return kv;
}

std::uint64_t Backend::disk_bytes() const {
  const leveldb::Range all(leveldb::Slice("", 0), leveldb::Slice("\xff", 1));
  std::uint64_t bytes = 0;
  db_->GetApproximateSizes(&all, 1, &bytes);
  return bytes;
}

}  // namespace keelson::kvstore
