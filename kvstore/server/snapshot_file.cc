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
  return hash_versions(pictures, meta.compacted, revision);
}

Result<HashKv> hash_versions(const Pictures& pictures, Revision compacted, Revision revision) {
  HashKv out;
  out.compact_revision = compacted;
  out.hash_revision = revision;
  out.hash = crc32c(0, "key");  // the bucket's name
  std::string value;
  Backend::Loader loader;
  loader.lease = [](LeaseId, std::int64_t, std::int64_t) {};
  loader.version = [&](const ItemFields& f, std::string_view key, std::string_view bytes) {
    if (f.rev.main > revision) return;
    // Compacted, dropped already or not: it counts where a reader at `revision` sees it.
    if (f.rev.main <= compacted &&
        (f.tombstone || !seen_at(pictures.versions->view(), key, f.rev, revision))) {
      return;
    }
    out.hash = crc32c(out.hash, etcd_schema::revision_key(f.rev, f.tombstone));
    value.clear();
    etcd_schema::append_key_value(value, f, key, bytes);
    out.hash = crc32c(out.hash, value);
  };
  TRY(pictures.snapshot->load(loader));
  return out;
}

}  // namespace keelson::kvstore
