// write_etcd_file: a snapshot of the backend as the bbolt file that an etcd 3.7 keeps (etcd_schema.h), for
// `etcdctl snapshot save`: etcdutl and etcd accept it. Reads a stable picture and holds a few pages in
// memory: it may run on any thread beside everything, and stops nobody.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "kvstore/backend/etcd_schema.h"
#include "kvstore/backend/snapshot.h"
#include "kvstore/mvcc/auth_store.h"

namespace keelson::kvstore {

// `path` must not exist. Returns the file's size; no digest is in it, and it is not synced. `cluster` and
// `auth` are those of the snapshot's applied index. Errors: those of the file system, kDataLoss when the
// backend's records do not decode.
Result<std::uint64_t> write_etcd_file(const BackendSnapshot& snapshot, const EtcdCluster& cluster,
                                      const AuthView& auth, FileSystem& fs, const std::string& path);

}  // namespace keelson::kvstore
