// import_etcd: a data directory for a member of a new cluster, from what an etcd kept (`keelson kv snapshot
// restore`): versions with their history, leases, users and roles. Members are the new cluster's; alarms stay
// where they are of one of its members. Thread rule: one thread; nobody else uses the directory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "kvstore/backend/etcd_reader.h"
#include "kvstore/server/cluster_state.h"

namespace keelson::kvstore {

struct EtcdImportOptions {
  std::string data_dir;  // must not exist, or be empty
  std::uint64_t id = 0;  // of this member
  std::uint64_t cluster_id = 0;
  std::vector<MemberInfo> members;  // of the new cluster, this one among them: all vote
  // Raises the newest revision by this and marks all before as compacted, so that no revision that a client
  // has seen since the snapshot is given twice; 0: not.
  std::uint64_t bump_revision = 0;
};

struct EtcdImported {
  Revision revision = 0;
  std::size_t keys = 0;
};

// Durable on return; the directory appears as a whole or not at all. Errors: kAlreadyExists (the directory is
// in use), kDataLoss (the file is damaged), of the file system.
Result<EtcdImported> import_etcd(EtcdReader& reader, FileSystem& fs, const EtcdImportOptions& options);

}  // namespace keelson::kvstore
