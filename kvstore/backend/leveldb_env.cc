#include "kvstore/backend/leveldb_env.h"

#include <cstring>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "base/crc32c.h"

namespace keelson::kvstore {
namespace {

constexpr std::size_t kWriteBuffer = 64 << 10;

leveldb::Status status_of(const Error& e) {
  if (e.code == Code::kNotFound) return leveldb::Status::NotFound(e.message);
  return leveldb::Status::IOError(e.message);
}

leveldb::Status status_of(const Result<void>& r) {
  return r ? leveldb::Status::OK() : status_of(r.error());
}

std::string parent_of(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

class SequentialFile final : public leveldb::SequentialFile {
 public:
  explicit SequentialFile(std::unique_ptr<File> file) : file_(std::move(file)) {}
  leveldb::Status Read(size_t n, leveldb::Slice* result, char* scratch) override {
    auto got = file_->pread({scratch, n}, at_);
    if (!got) return status_of(got.error());
    at_ += *got;
    *result = leveldb::Slice(scratch, *got);
    return leveldb::Status::OK();
  }
  leveldb::Status Skip(uint64_t n) override {
    at_ += n;
    return leveldb::Status::OK();
  }

 private:
  const std::unique_ptr<File> file_;
  std::uint64_t at_ = 0;
};

// A table's blocks, each read whole, end with a type and the masked CRC-32C of all before it.
constexpr std::size_t kTableFooter = 48;
constexpr std::size_t kBlockTrailer = 5;
bool block_is_sound(std::string_view block) {
  const std::string_view covered = block.substr(0, block.size() - 4);
  std::uint32_t stored = 0;
  std::memcpy(&stored, block.data() + covered.size(), 4);
  const std::uint32_t crc = crc32c(0, covered);
  return stored == (crc >> 15 | crc << 17) + 0xa282ead8U;
}

// Tables are read by pread() rather than mapped: mapped ones would count as our memory, and a read error
// would be a signal. Every block is checked here, since LevelDB's compactions do not: they would give damaged
// data a good checksum.
class RandomAccessFile final : public leveldb::RandomAccessFile {
 public:
  RandomAccessFile(std::unique_ptr<File> file, std::string path, std::uint64_t size)
      : file_(std::move(file)), path_(std::move(path)), size_(size) {}
  leveldb::Status Read(uint64_t offset, size_t n, leveldb::Slice* result, char* scratch) const override {
    auto got = file_->pread({scratch, n}, offset);
    if (!got) return status_of(got.error());
    *result = leveldb::Slice(scratch, *got);
    const bool footer = n == kTableFooter && offset + n == size_;
    if (!footer && *got == n && n >= kBlockTrailer && !block_is_sound({scratch, n})) {
      return leveldb::Status::Corruption(path_ + ": bad block at offset " + std::to_string(offset));
    }
    return leveldb::Status::OK();
  }

 private:
  const std::unique_ptr<File> file_;
  const std::string path_;
  const std::uint64_t size_;
};

class WritableFile final : public leveldb::WritableFile {
 public:
  WritableFile(FileSystem& fs, const std::string& path, std::unique_ptr<File> file, std::uint64_t at,
               bool fresh)
      : fs_(fs),
        dir_(parent_of(path)),
        // A manifest makes files count that others have made meanwhile.
        manifest_(path.substr(path.rfind('/') + 1).starts_with("MANIFEST")),
        file_(std::move(file)),
        at_(at),
        name_durable_(!fresh) {}

  leveldb::Status Append(const leveldb::Slice& data) override {
    if (buffer_.size() + data.size() <= kWriteBuffer) {
      buffer_.append(data.data(), data.size());
      return leveldb::Status::OK();
    }
    if (auto s = Flush(); !s.ok()) return s;
    return write({data.data(), data.size()});
  }
  leveldb::Status Flush() override {
    auto s = write(buffer_);
    buffer_.clear();
    return s;
  }
  leveldb::Status Sync() override {
    if (!name_durable_ || manifest_) {
      if (auto r = fs_.sync_dir(dir_); !r) return status_of(r.error());
      name_durable_ = true;
    }
    if (auto s = Flush(); !s.ok()) return s;
    return status_of(file_->datasync());
  }
  leveldb::Status Close() override {
    auto s = Flush();
    file_.reset();
    return s;
  }

 private:
  leveldb::Status write(std::string_view data) {
    if (data.empty()) return leveldb::Status::OK();
    if (!file_) return leveldb::Status::IOError("the file is closed");
    auto r = file_->pwrite(data, at_);
    if (r) at_ += data.size();
    return status_of(r);
  }

  FileSystem& fs_;
  const std::string dir_;
  const bool manifest_;
  std::unique_ptr<File> file_;
  std::uint64_t at_;
  bool name_durable_;
  std::string buffer_;
};

class Lock final : public leveldb::FileLock {
 public:
  explicit Lock(std::unique_ptr<keelson::FileLock> lock) : lock_(std::move(lock)) {}

 private:
  const std::unique_ptr<keelson::FileLock> lock_;
};

class NoLogger final : public leveldb::Logger {
 public:
  void Logv(const char*, std::va_list) override {}
};

}  // namespace

void LevelDbEnv::drain() {
  while (!scheduled_.empty()) {
    auto [function, arg] = scheduled_.front();
    scheduled_.pop_front();
    function(arg);
  }
}

leveldb::Status LevelDbEnv::NewSequentialFile(const std::string& path, leveldb::SequentialFile** result) {
  auto file = fs_.open(path, OpenMode::kRead);
  if (!file) return status_of(file.error());
  *result = new SequentialFile(std::move(*file));
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** result) {
  auto file = fs_.open(path, OpenMode::kRead);
  if (!file) return status_of(file.error());
  auto size = (*file)->size();
  if (!size) return status_of(size.error());
  *result = new RandomAccessFile(std::move(*file), path, *size);
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::NewWritableFile(const std::string& path, leveldb::WritableFile** result) {
  if (fs_.exists(path)) {
    if (auto r = fs_.remove(path); !r) return status_of(r.error());
  }
  auto file = fs_.open(path, OpenMode::kCreate);
  if (!file) return status_of(file.error());
  *result = new WritableFile(fs_, path, std::move(*file), 0, true);
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::NewAppendableFile(const std::string& path, leveldb::WritableFile** result) {
  if (!fs_.exists(path)) return NewWritableFile(path, result);
  auto file = fs_.open(path, OpenMode::kReadWrite);
  if (!file) return status_of(file.error());
  auto size = (*file)->size();
  if (!size) return status_of(size.error());
  *result = new WritableFile(fs_, path, std::move(*file), *size, false);
  return leveldb::Status::OK();
}

bool LevelDbEnv::FileExists(const std::string& path) {
  return fs_.exists(path);
}

leveldb::Status LevelDbEnv::GetChildren(const std::string& dir, std::vector<std::string>* result) {
  auto names = fs_.list(dir);
  if (!names) return status_of(names.error());
  *result = std::move(*names);
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::RemoveFile(const std::string& path) {
  return status_of(fs_.remove(path));
}

leveldb::Status LevelDbEnv::CreateDir(const std::string& dir) {
  return status_of(fs_.make_dirs(dir));
}

leveldb::Status LevelDbEnv::RemoveDir(const std::string& dir) {
  return status_of(fs_.remove_dir(dir));
}

leveldb::Status LevelDbEnv::GetFileSize(const std::string& path, uint64_t* size) {
  auto file = fs_.open(path, OpenMode::kRead);
  if (!file) return status_of(file.error());
  auto got = (*file)->size();
  if (!got) return status_of(got.error());
  *size = *got;
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::RenameFile(const std::string& from, const std::string& to) {
  if (auto r = fs_.rename(from, to); !r) return status_of(r.error());
  return status_of(fs_.sync_dir(parent_of(to)));
}

leveldb::Status LevelDbEnv::LockFile(const std::string& path, leveldb::FileLock** lock) {
  auto got = fs_.lock(path);
  if (!got) return status_of(got.error());
  *lock = new Lock(std::move(*got));
  return leveldb::Status::OK();
}

leveldb::Status LevelDbEnv::UnlockFile(leveldb::FileLock* lock) {
  delete lock;
  return leveldb::Status::OK();
}

void LevelDbEnv::Schedule(void (*function)(void* arg), void* arg) {
  if (background_ == BackgroundWork::kThread) {
    leveldb::Env::Default()->Schedule(function, arg);
  } else {
    scheduled_.emplace_back(function, arg);
  }
}

void LevelDbEnv::StartThread(void (*function)(void* arg), void* arg) {
  CHECK_MSG(false, "LevelDB starts no threads of its own");
}

leveldb::Status LevelDbEnv::GetTestDirectory(std::string* path) {
  return leveldb::Status::NotSupported("test directory");
}

leveldb::Status LevelDbEnv::NewLogger(const std::string& path, leveldb::Logger** result) {
  *result = new NoLogger;
  return leveldb::Status::OK();
}

void LevelDbEnv::SleepForMicroseconds(int micros) {
  if (background_ == BackgroundWork::kThread) leveldb::Env::Default()->SleepForMicroseconds(micros);
}

}  // namespace keelson::kvstore
