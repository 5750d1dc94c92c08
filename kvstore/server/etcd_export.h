// The store as an etcd's file, for Maintenance.Snapshot (member.h's SnapshotReader).
//
//   auto snapshot = *backend.snapshot();                            on the store's thread, or any
//   auto file = *export_etcd(*snapshot, fs, data_dir + "/x.tmp");   on a worker: takes seconds, stops nobody
//   while (piece = *file->next(); !piece.empty()) …                 the file, then its SHA-256
//
// Thread rule: EtcdExport: one thread at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/file.h"
#include "kvstore/backend/etcd_schema.h"
#include "kvstore/backend/snapshot.h"
#include "kvstore/server/cluster_state.h"

namespace keelson::kvstore {

// A finished file, which is gone from its directory already: its space is free when this is.
class EtcdExport {
 public:
  EtcdExport(std::unique_ptr<File> file, std::uint64_t size);
  ~EtcdExport();
  std::uint64_t size() const { return size_; }  // the SHA-256 not counted
  // The next piece of at most 256 KiB, the last one the SHA-256 alone; empty at the end. Blocking.
  Result<std::string> next();

 private:
  class Digest;
  const std::unique_ptr<File> file_;
  const std::uint64_t size_;
  std::uint64_t at_ = 0;
  std::unique_ptr<Digest> digest_;  // of the first at_ bytes; null once it was handed out
};

// Members, alarms and users are those of the snapshot's own records. What is left at `path` by a crash is
// replaced. Errors: of the file system; kDataLoss when a record does not decode.
Result<std::unique_ptr<EtcdExport>> export_etcd(const BackendSnapshot& snapshot, FileSystem& fs,
                                                const std::string& path);

// As etcd keeps it.
EtcdCluster etcd_cluster(const ClusterState& cluster);

}  // namespace keelson::kvstore
