// Where the member keeps its files: DATA-DIR/member, as etcd does, or DATA-DIR itself where a store of
// `keelson up` or `keelson apiserver` lives.
#pragma once

#include <string>

#include "base/error.h"
#include "base/file.h"
#include "cmd/kvstore/config.h"

namespace keelson::cmd {

struct DataDir {
  std::string member;  // LOCK, db, and wal unless --wal-dir says otherwise
  std::string wal;     // empty: member + "/wal"
  bool used = false;   // a member has lived here: it knows its cluster itself
};

// Looks only; makes nothing. kFailedPrecondition where an etcd's files are: they are not ours to read.
Result<DataDir> find_data_dir(const KvstoreConfig& config, FileSystem& fs);

}  // namespace keelson::cmd
