#include "kvstore/server/snapshot_file.h"

#include <map>

#include "base/blocking.h"
#include "base/crc32c.h"
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
  TRY(backend.flush());
  const auto snapshot = TRY(backend.snapshot());
  return export_etcd(*snapshot, fs, path);
}

}  // namespace

Task<Result<std::unique_ptr<SnapshotReader>>> make_snapshot_file(std::shared_ptr<const void> keep,
                                                                 Executor workers, MvccPtr mvcc,
                                                                 FileSystem& fs, std::string path) {
  auto file = CO_TRY(co_await run_blocking(workers, [&] { return write_file(*mvcc->backend, fs, path); }));
  co_return std::make_unique<ExportReader>(std::move(keep), workers, std::move(file));
}

Result<HashKv> hash_versions(const Mvcc& mvcc, Revision revision) {
  TRY(mvcc.backend->flush());
  auto snapshot = TRY(mvcc.backend->snapshot());
  const BackendMeta& meta = snapshot->meta();
  if (revision == 0) revision = meta.revision;
  if (revision > meta.revision) return fail(future_revision_error());
  if (revision < meta.compacted) return fail(compacted_error());
  // The newest version of each key at the compacted revision counts, whatever has been dropped already.
  std::map<std::string, FullRevision, std::less<>> kept;
  Backend::Loader first;
  first.lease = [](LeaseId, std::int64_t, std::int64_t) {};
  first.version = [&](const ItemFields& f, std::string_view key, std::string_view) {
    if (f.rev.main > meta.compacted) return;
    if (f.tombstone) {
      if (auto it = kept.find(key); it != kept.end()) kept.erase(it);
    } else {
      kept.insert_or_assign(std::string(key), f.rev);
    }
  };
  if (meta.compacted > 0) TRY(snapshot->load(first));
  HashKv out;
  Backend::Loader second;
  second.lease = first.lease;
  second.version = [&](const ItemFields& f, std::string_view key, std::string_view value) {
    if (f.rev.main > revision) return;
    if (f.rev.main <= meta.compacted) {
      const auto it = kept.find(key);
      if (it == kept.end() || it->second != f.rev) return;
    }
    const std::int64_t numbers[] = {f.rev.main,
                                    f.rev.sub,
                                    f.create,
                                    f.version,
                                    f.lease,
                                    f.tombstone ? 1 : 0,
                                    static_cast<std::int64_t>(key.size())};
    out.hash = crc32c(out.hash, {reinterpret_cast<const char*>(numbers), sizeof numbers});
    out.hash = crc32c(out.hash, key);
    out.hash = crc32c(out.hash, value);
  };
  TRY(snapshot->load(second));
  out.compact_revision = meta.compacted;
  out.hash_revision = revision;
  return out;
}

}  // namespace keelson::kvstore
