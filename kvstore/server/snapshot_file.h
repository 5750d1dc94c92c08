// The long answers of the Maintenance service, made from a stable picture of the backend on the caller's
// thread: the file of `etcdctl snapshot save`, and the hash over all versions. Thread rule: any thread.
#pragma once

#include <memory>

#include "base/file.h"
#include "kvstore/server/member.h"
#include "kvstore/server/replica.h"

namespace keelson::kvstore {

// Writes the file beside the data and removes it when the reader goes. What is acknowledged is in it.
Result<std::unique_ptr<SnapshotReader>> make_snapshot_file(Replica& replica, FileSystem& fs);

// Over every version that a reader at `revision` (0: the newest) or later, up to it, could ask for: those
// after the compacted revision, and each key's newest at it. kOutOfRange: compacted, or in the future.
Result<HashKv> hash_versions(const Mvcc& mvcc, Revision revision);

}  // namespace keelson::kvstore
