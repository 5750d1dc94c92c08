#include "kvstore/backend/backend.h"

#include <leveldb/write_batch.h>

#include <algorithm>

#include "base/check.h"
#include "kvstore/backend/backend_db.h"
#include "kvstore/backend/record.h"
#include "kvstore/backend/snapshot.h"

namespace keelson::kvstore {
namespace {

std::size_t staged_bytes(const Item& item) {
  return sizeof(Item) + item.key().size() + item.value().size();
}

}  // namespace

Backend::Backend(Failpoints* failpoints) : points_(failpoints) {}
Backend::~Backend() = default;

Result<std::unique_ptr<Backend>> Backend::open(const Options& options) {
  std::unique_ptr<Backend> b(new Backend(options.failpoints));
  CHECK(options.removals_per_flush > 0);
  b->removals_per_flush_ = options.removals_per_flush;
  b->db_ = TRY(BackendDb::open(options));
  leveldb::DB& db = b->db_->db();
  std::string found;
  auto s = db.Get({}, slice(record::kProgressKey), &found);
  if (s.ok()) {
    return fail(Code::kDataLoss,
                "backend: " + options.dir + " is of a snapshot that was not received to its end");
  }
  if (s.IsNotFound()) s = db.Get({}, slice(record::kFormatKey), &found);
  if (s.IsNotFound()) {
    leveldb::WriteOptions wo;
    wo.sync = true;
    s = db.Put(wo, slice(record::kFormatKey), slice(record::kFormat));
    found = record::kFormat;
  }
  b->db_->drain();
  if (!s.ok()) return db_error(s);
  if (found != record::kFormat)
    return fail(Code::kDataLoss, "backend: unknown format " + found + " in " + options.dir);
  return b;
}

Result<BackendMeta> Backend::load(const Loader& loader) {
  auto now = TRY(snapshot());
  TRY(now->load(loader));
  meta_ = now->meta();
  return meta_;
}

void Backend::stage(ItemPtr item) {
  std::lock_guard lock(mu_);
  pending_bytes_ += staged_bytes(*item);
  staged_.push_back(std::move(item));
}

void Backend::put_system(std::string_view name, std::optional<std::string> bytes) {
  std::lock_guard lock(mu_);
  system_staged_.insert_or_assign(std::string(name), std::move(bytes));
}

void Backend::commit(const BackendMeta& meta, std::vector<LeaseChange> leases,
                     std::vector<FullRevision> dropped) {
  std::lock_guard lock(mu_);
  committed_ = staged_.size();
  meta_ = meta;
  leases_.insert(leases_.end(), leases.begin(), leases.end());
  dropped_.insert(dropped_.end(), dropped.begin(), dropped.end());
  removals_pending_ += dropped.size();
  for (auto& [name, bytes] : system_staged_) system_.insert_or_assign(name, std::move(bytes));
  system_staged_.clear();
  dirty_ = true;
}

bool Backend::has_committed() const {
  std::lock_guard lock(mu_);
  return dirty_;
}

std::size_t Backend::removals_pending() const {
  std::lock_guard lock(mu_);
  return removals_pending_;
}

bool Backend::takes_removals() const {
  std::lock_guard lock(mu_);
  return removals_pending_ < removals_per_flush_;
}

bool Backend::compacting() const {
  std::lock_guard lock(mu_);
  return !meta_.compaction_done || removals_pending_ > 0;
}

std::size_t Backend::pending_bytes() const {
  std::lock_guard lock(mu_);
  return pending_bytes_;
}

Result<std::uint64_t> Backend::flush() {
  std::lock_guard one_at_a_time(flush_mu_);
  std::vector<ItemPtr> items;
  std::vector<LeaseChange> leases;
  std::vector<FullRevision> dropped;
  SystemChanges system;
  BackendMeta meta;
  if (has_committed()) points_.before_start.hit();
  {
    std::lock_guard lock(mu_);
    meta = meta_;
    if (!dirty_) return meta.applied_index;
    items.assign(staged_.begin(), staged_.begin() + static_cast<std::ptrdiff_t>(committed_));
    leases.swap(leases_);
    const auto removed =
        dropped_.begin() + static_cast<std::ptrdiff_t>(std::min(dropped_.size(), removals_per_flush_));
    dropped.assign(dropped_.begin(), removed);
    dropped_.erase(dropped_.begin(), removed);
    system.swap(system_);
    dirty_ = !dropped_.empty();
    if (dirty_) meta.compaction_done = false;
  }
  points_.after_start.hit();
  leveldb::WriteBatch batch;
  std::string bytes;
  for (const auto& item : items) {
    bytes.clear();
    encode_version(*item, bytes);
    batch.Put(record::version_key(item->rev()), bytes);
  }
  for (const auto& l : leases) {
    if (l.ttl_s == 0) {
      batch.Delete(record::lease_key(l.id));
    } else {
      batch.Put(record::lease_key(l.id), record::encode_lease(l));
    }
  }
  for (const auto& [name, value] : system) {
    if (value) {
      batch.Put(record::system_key(name), *value);
    } else {
      batch.Delete(record::system_key(name));
    }
  }
  for (const auto& rev : dropped) batch.Delete(record::version_key(rev));
  points_.before_meta.hit();
  batch.Put(slice(record::kMetaKey), record::encode_meta(meta));
  points_.after_meta.hit();
  leveldb::WriteOptions wo;
  wo.sync = true;
  points_.before_write.hit();
  auto s = db_->db().Write(wo, &batch);
  db_->drain();
  if (!s.ok()) return db_error(s);
  points_.after_write.hit();
  std::lock_guard lock(mu_);
  for (const auto& item : items) pending_bytes_ -= staged_bytes(*item);
  staged_.erase(staged_.begin(), staged_.begin() + static_cast<std::ptrdiff_t>(items.size()));
  committed_ -= items.size();
  removals_pending_ -= dropped.size();
  return meta.applied_index;
}

Result<std::shared_ptr<const BackendSnapshot>> Backend::snapshot() const {
  auto s = std::make_shared<BackendSnapshot>(db_, db_->db().GetSnapshot());
  auto meta = s->read(record::kMetaKey);
  if (!meta) return std::unexpected(meta.error());
  if (*meta && !record::decode_meta(**meta, s->meta_)) {
    return fail(Code::kDataLoss, "backend: the meta record is malformed");
  }
  return s;
}

Result<KeyValue> Backend::read(FullRevision rev) {
  {
    std::lock_guard lock(mu_);
    auto it = std::lower_bound(staged_.begin(), staged_.end(), rev,
                               [](const ItemPtr& item, const FullRevision& r) { return item->rev() < r; });
    if (it != staged_.end() && (*it)->rev() == rev) return Item::to_key_value(*it);
  }
  auto bytes = std::make_shared<std::string>();
  auto s = db_->db().Get({}, record::version_key(rev), bytes.get());
  db_->drain();
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
  db_->db().GetApproximateSizes(&all, 1, &bytes);
  return bytes;
}

}  // namespace keelson::kvstore
