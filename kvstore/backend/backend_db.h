// BackendDb: an open LevelDB with its environment, shared by a Backend and its snapshots; closed with the
// last of them. For kvstore/backend only.
//
// Thread rule: any thread; with BackgroundWork::kDrained one thread. drain() after every call into db().
#pragma once

#include <leveldb/db.h>

#include <memory>

#include "base/error.h"
#include "base/mem_file.h"
#include "kvstore/backend/backend.h"
#include "kvstore/backend/leveldb_env.h"

namespace keelson::kvstore {

class BackendDb {
 public:
  // Makes the database where there is none. Looks at nothing in it. kDataLoss: LevelDB finds it corrupt.
  static Result<std::shared_ptr<BackendDb>> open(const Backend::Options& options);
  // Removes a database that nobody has open; fine when it is not there.
  static Result<void> remove(FileSystem& fs, const std::string& dir);
  ~BackendDb();

  leveldb::DB& db() { return *db_; }
  void drain() { env_->drain(); }

 private:
  BackendDb() = default;
  std::unique_ptr<MemFileSystem> memory_;
  std::unique_ptr<LevelDbEnv> env_;
  std::unique_ptr<leveldb::DB> db_;
};

std::unexpected<Error> db_error(const leveldb::Status& s);
inline leveldb::Slice slice(std::string_view s) {
  return {s.data(), s.size()};
}
inline std::string_view view(const leveldb::Slice& s) {
  return {s.data(), s.size()};
}

}  // namespace keelson::kvstore
