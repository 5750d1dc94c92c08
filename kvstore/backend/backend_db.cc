#include "kvstore/backend/backend_db.h"

namespace keelson::kvstore {

std::unexpected<Error> db_error(const leveldb::Status& s) {
  return fail(s.IsCorruption() ? Code::kDataLoss : Code::kInternal, "backend: " + s.ToString());
}

Result<std::shared_ptr<BackendDb>> BackendDb::open(const Backend::Options& options) {
  std::shared_ptr<BackendDb> b(new BackendDb);
  FileSystem* fs = options.fs != nullptr ? options.fs : &posix_file_system();
  if (options.in_memory) {
    b->memory_ = std::make_unique<MemFileSystem>();
    fs = b->memory_.get();
  } else {
    TRY(fs->make_dirs(options.dir));
  }
  b->env_ = std::make_unique<LevelDbEnv>(*fs, options.background);
  leveldb::Options o;
  o.env = b->env_.get();
  o.create_if_missing = true;
  o.compression = leveldb::kNoCompression;  // start-up reads it all; see docs/benchmarks
  o.block_size = 16 << 10;
  o.write_buffer_size = options.write_buffer_bytes;
  o.max_file_size = 16 << 20;
  o.max_open_files = 500;
  leveldb::DB* db = nullptr;
  auto s = leveldb::DB::Open(o, options.dir, &db);
  b->db_.reset(db);
  b->drain();
  if (!s.ok()) return db_error(s);
  return b;
}

Result<void> BackendDb::remove(FileSystem& fs, const std::string& dir) {
  auto names = fs.list(dir);
  if (!names) {
    if (names.error().code == Code::kNotFound) return {};
    return std::unexpected(names.error());
  }
  for (const auto& name : *names) TRY(fs.remove(dir + "/" + name));
  TRY(fs.sync_dir(dir));
  return fs.remove_dir(dir);
}

BackendDb::~BackendDb() {
  drain();
  db_.reset();
}

}  // namespace keelson::kvstore
