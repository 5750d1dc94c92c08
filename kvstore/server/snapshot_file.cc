#include "kvstore/server/snapshot_file.h"

#include <thread>

#include "base/blocking.h"
#include "base/crc32c.h"
#include "base/process.h"
#include "kvstore/backend/etcd_schema.h"
#include "kvstore/backend/snapshot.h"
#include "kvstore/server/errors.h"
#include "kvstore/server/etcd_export.h"

namespace keelson::kvstore {
namespace {

constexpr std::size_t kVersionsAtOnce = 10000;

class ExportReader final : public SnapshotReader {
 public:
  ExportReader(std::shared_ptr<const void> keep, Executor workers, std::unique_ptr<EtcdExport> file)
      : keep_(std::move(keep)), workers_(std::move(workers)), file_(std::move(file)) {}
  std::uint64_t size() const override { return file_->size(); }
  Task<Result<std::string>> read() override {
    return run_blocking(workers_, [file = file_] { return file->next(); });
  }

 private:
  const std::shared_ptr<const void> keep_;
  const Executor workers_;
  const std::shared_ptr<EtcdExport> file_;
};

// What was acknowledged is committed to the backend, which is at most half a second behind on disk.
Result<std::unique_ptr<EtcdExport>> write_file(Backend& backend, FileSystem& fs, const std::string& path) {
  lower_thread_priority();
  TRY(backend.flush());
  const auto snapshot = TRY(backend.snapshot());
  return export_etcd(*snapshot, fs, path);
}

// Whether `rev` is the version of `key` that a reader at `revision` sees.
bool seen_at(const View& view, std::string_view key, FullRevision rev, Revision revision) {
  const Item* item = view.find(key);
  if (item == nullptr) return false;
  if (item->rev().main <= revision) return item->rev() == rev;
  const VersionRef* older = item->older_at(revision);
  return older != nullptr && older->rev() == rev;
}

}  // namespace

Task<Result<std::unique_ptr<SnapshotReader>>> make_snapshot_file(std::shared_ptr<const void> keep,
                                                                 Executor workers, MvccPtr mvcc,
                                                                 FileSystem& fs, std::string path) {
  auto file = CO_TRY(co_await run_blocking(workers, [&] { return write_file(*mvcc->backend, fs, path); }));
  co_return std::make_unique<ExportReader>(std::move(keep), workers, std::move(file));
}

Result<Pictures> matching_pictures(Backend& backend, const State& state) {
  constexpr int kTriesMax = 1000;  // the two are apart for moments
  for (int i = 0; i < kTriesMax; ++i) {
    TRY(backend.flush());
    Pictures p;
    p.snapshot = TRY(backend.snapshot());
    p.versions = state.snapshot();
    const BackendMeta& meta = p.snapshot->meta();
    if (p.versions->revision() >= meta.revision && state.compacted().load() == meta.compacted) return p;
    std::this_thread::yield();
  }
  return fail(Code::kUnavailable, "the store is too busy to be hashed");
}

Result<HashKv> hash_versions(Backend& backend, const State& state, Revision revision) {
  const Pictures pictures = TRY(matching_pictures(backend, state));
  const BackendMeta& meta = pictures.snapshot->meta();
  if (revision == 0) revision = meta.revision;
  if (revision > meta.revision) return fail(future_revision_error());
  if (revision < meta.compacted) return fail(compacted_error());
  VersionHash hash(pictures, meta.compacted, revision);
  while (TRY(hash.next(kVersionsAtOnce))) {
  }
  return hash.hash();
}

VersionHash::VersionHash(Pictures pictures, Revision compacted, Revision revision)
    : pictures_(std::move(pictures)), scan_(pictures_.snapshot) {
  hash_.compact_revision = compacted;
  hash_.hash_revision = revision;
  hash_.hash = crc32c(0, "key");  // the bucket's name
}

Result<bool> VersionHash::next(std::size_t versions) {
  return scan_.next(versions, [&](const ItemFields& f, std::string_view key, std::string_view value) {
    add(f, key, value);
  });
}

void VersionHash::add(const ItemFields& f, std::string_view key, std::string_view value) {
  if (f.rev.main > hash_.hash_revision) return;
  // Compacted, dropped already or not: it counts where a reader at the revision sees it.
  if (f.rev.main <= hash_.compact_revision &&
      (f.tombstone || !seen_at(pictures_.versions->view(), key, f.rev, hash_.hash_revision))) {
    return;
  }
  hash_.hash = crc32c(hash_.hash, etcd_schema::revision_key(f.rev, f.tombstone));
  value_.clear();
  etcd_schema::append_key_value(value_, f, key, value);
  hash_.hash = crc32c(hash_.hash, value_);
}

}  // namespace keelson::kvstore
