#include "kvstore/backend/pread_env.h"

#include <string>

#include "base/file.h"

namespace keelson::kvstore {
namespace {

leveldb::Status status_of(const Error& e) {
  if (e.code == Code::kNotFound) return leveldb::Status::NotFound(e.message);
  return leveldb::Status::IOError(e.message);
}

class PreadFile final : public leveldb::RandomAccessFile {
 public:
  explicit PreadFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  leveldb::Status Read(uint64_t offset, size_t n, leveldb::Slice* result, char* scratch) const override {
    auto got = file_->pread({scratch, n}, offset);
    if (!got) return status_of(got.error());
    *result = leveldb::Slice(scratch, *got);
    return leveldb::Status::OK();
  }

 private:
  const std::unique_ptr<File> file_;
};

class PreadEnv final : public leveldb::EnvWrapper {
 public:
  PreadEnv() : EnvWrapper(leveldb::Env::Default()) {}
  leveldb::Status NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** result) override {
    auto file = posix_file_system().open(path, OpenMode::kRead);
    if (!file) return status_of(file.error());
    *result = new PreadFile(std::move(*file));
    return leveldb::Status::OK();
  }
};

}  // namespace

std::unique_ptr<leveldb::Env> make_pread_env() {
  return std::make_unique<PreadEnv>();
}

}  // namespace keelson::kvstore
