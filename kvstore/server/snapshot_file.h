// The long answers of the Maintenance service, made from a stable picture of the backend: the file of
// `etcdctl snapshot save`, and the hash over all versions. Nobody is stopped by them. Thread rule: any
// thread.
#pragma once

#include <memory>

#include "base/file.h"
#include "kvstore/server/member.h"
#include "kvstore/server/published.h"

namespace keelson::kvstore {

// The store as an etcd's file (etcd_export.h), written at `path`; it is gone from its directory when this
// returns. Everything acknowledged so far is in it. All that blocks runs on `workers`, the reader's reads
// too; what `keep` holds lives as long as they may be used.
Task<Result<std::unique_ptr<SnapshotReader>>> make_snapshot_file(std::shared_ptr<const void> keep,
                                                                 Executor workers, MvccPtr mvcc,
                                                                 FileSystem& fs, std::string path);

// Over every version that a reader at `revision` (0: the newest) or later, up to it, could ask for: those
// after the compacted revision, and each key's newest at it. kOutOfRange: compacted, or in the future.
Result<HashKv> hash_versions(const Mvcc& mvcc, Revision revision);

}  // namespace keelson::kvstore
