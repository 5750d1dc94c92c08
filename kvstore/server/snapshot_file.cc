#include "kvstore/server/snapshot_file.h"

#include <map>

#include "base/crc32c.h"
#include "kvstore/backend/etcd_writer.h"
#include "kvstore/server/errors.h"

namespace keelson::kvstore {
namespace {

constexpr std::size_t kPieceBytes = 64 << 10;

EtcdCluster etcd_cluster(const ClusterState& c) {
  EtcdCluster out;
  for (const auto& [id, m] : c.members) {
    out.members.push_back({id, m.name, m.peer_urls, m.client_urls, m.learner});
  }
  out.removed.assign(c.removed.begin(), c.removed.end());
  const auto ids = [](const std::vector<raft::NodeId>& from) {
    std::vector<std::uint64_t> to;
    for (raft::NodeId id : from) to.push_back(id.value());
    return to;
  };
  out.voters = ids(c.raft.voters);
  out.voters_outgoing = ids(c.raft.voters_old);
  out.learners = ids(c.raft.learners);
  out.learners_next = ids(c.raft.learners_next);
  out.auto_leave = c.raft.auto_leave;
  for (const Alarm& a : c.alarms) out.alarms.push_back({a.member_id, static_cast<std::uint32_t>(a.type)});
  return out;
}

class FileReader final : public SnapshotReader {
 public:
  FileReader(FileSystem& fs, std::string path, std::unique_ptr<File> file, std::uint64_t size)
      : fs_(fs), path_(std::move(path)), file_(std::move(file)), size_(size) {}
  ~FileReader() override {
    file_.reset();
    (void)fs_.remove(path_);
  }
  std::uint64_t size() const override { return size_; }
  Task<Result<std::string>> read() override {
    std::string out(kPieceBytes, '\0');
    const std::size_t n = CO_TRY(file_->pread(out, at_));
    out.resize(n);
    at_ += n;
    co_return out;
  }

 private:
  FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<File> file_;
  const std::uint64_t size_;
  std::uint64_t at_ = 0;
};

}  // namespace

Result<std::unique_ptr<SnapshotReader>> make_snapshot_file(Replica& replica, FileSystem& fs) {
  // What was acknowledged must be in it: the backend is at most half a second behind.
  const MvccPtr mvcc = replica.published().mvcc();
  TRY(mvcc->backend->flush());
  auto snapshot = TRY(mvcc->backend->snapshot());
  ClusterState cluster = *replica.published().cluster();
  static std::atomic<std::uint64_t> next{1};
  const std::string path =
      replica.options().data_dir + "/snapshot-" + std::to_string(next.fetch_add(1)) + ".tmp";
  if (fs.exists(path)) TRY(fs.remove(path));
  const std::uint64_t size =
      TRY(write_etcd_file(*snapshot, etcd_cluster(cluster), *replica.published().auth(), fs, path));
  auto file = TRY(fs.open(path, OpenMode::kRead));
  return std::unique_ptr<SnapshotReader>(new FileReader(fs, path, std::move(file), size));
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
