// The long answers of the Maintenance service, made from a stable picture of the backend: the file of
// `etcdctl snapshot save`, and the hash over all versions. Nobody is stopped by them. Thread rule: any
// thread.
#pragma once

#include <memory>

#include "base/file.h"
#include "kvstore/backend/snapshot.h"
#include "kvstore/server/member.h"
#include "kvstore/server/published.h"

namespace keelson::kvstore {

// The store as an etcd's file (etcd_export.h), written at `path`; it is gone from its directory when this
// returns. Everything acknowledged so far is in it. All that blocks runs on `workers`, the reader's reads
// too; what `keep` holds lives as long as they may be used.
Task<Result<std::unique_ptr<SnapshotReader>>> make_snapshot_file(std::shared_ptr<const void> keep,
                                                                 Executor workers, MvccPtr mvcc,
                                                                 FileSystem& fs, std::string path);

// etcd's HashKV as of `revision` (0: the newest): CRC32C over the key bucket's name and the bytes that etcd
// would store for every version up to it which is after the compacted revision, or seen at `revision`; so it
// is equal on members at one revision, whatever each has dropped already, and equal to that of an etcd.
// Blocking. kOutOfRange: compacted, or in the future.
Result<HashKv> hash_versions(Backend& backend, const State& state, Revision revision);

// A picture of the backend and one of the tree that knows all its versions: as new, and no compaction
// between.
struct Pictures {
  std::shared_ptr<const BackendSnapshot> snapshot;
  SnapshotPtr versions;
};
Result<Pictures> matching_pictures(Backend& backend, const State& state);

// The hash of these as of `revision`, for who has compacted up to `compacted`, some versions at a time.
// Thread rule: one thread at a time.
class VersionHash {
 public:
  VersionHash(Pictures pictures, Revision compacted, Revision revision);
  // Blocking. False: those were all.
  Result<bool> next(std::size_t versions);
  const HashKv& hash() const { return hash_; }

 private:
  void add(const ItemFields& f, std::string_view key, std::string_view value);
  const Pictures pictures_;
  VersionScan scan_;
  HashKv hash_;
  std::string value_;
};

}  // namespace keelson::kvstore
