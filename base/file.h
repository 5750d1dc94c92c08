// FileSystem and File: the only way to the disk for the write-ahead log and everything that must survive a
// crash. posix_file_system() is the real one, MemFileSystem (base/mem_file.h) the simulated one that loses
// unsynced writes.
//
// Thread rule: FileSystem: any thread. File: one thread at a time, except that pread() may run beside
// anything. Every error names the path and the system's reason. Paths are the caller's; nothing is created
// above them.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace keelson {

class File {
 public:
  virtual ~File() = default;
  // Reads up to `buf.size()` bytes at `offset`; fewer only at the end of the file.
  virtual Result<std::size_t> pread(std::span<char> buf, std::uint64_t offset) = 0;
  // Writes all of `data` at `offset`. Not durable before datasync().
  virtual Result<void> pwrite(std::string_view data, std::uint64_t offset) = 0;
  // Writes all of `data` at the end of the file.
  virtual Result<void> append(std::string_view data) = 0;
  // Makes everything written so far durable. A failure leaves it unknown what is on disk: never retry, stop.
  virtual Result<void> datasync() = 0;
  // Reserves [0, size), fills what was beyond the old end with written zeros and makes that durable, so that
  // later writes inside it change no metadata (DESIGN.md §4, Log).
  virtual Result<void> zero_fill(std::uint64_t size) = 0;
  virtual Result<void> truncate(std::uint64_t size) = 0;
  virtual Result<std::uint64_t> size() = 0;
};

// Held until destroyed; also gone when the process dies.
class FileLock {
 public:
  virtual ~FileLock() = default;
};

enum class OpenMode : std::uint8_t {
  kRead,       // must exist
  kReadWrite,  // must exist
  kCreate,     // read and write; must not exist. Its name is durable after sync_dir()
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual bool exists(const std::string& path) = 0;
  // Names (not paths) in `dir`, sorted.
  virtual Result<std::vector<std::string>> list(const std::string& dir) = 0;
  // Makes `dir` (and its parents) if it is not there, readable by the owner only.
  virtual Result<void> make_dirs(const std::string& dir) = 0;
  // Atomic; durable after sync_dir().
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<void> remove(const std::string& path) = 0;
  // REQUIRES: nothing is in it.
  virtual Result<void> remove_dir(const std::string& dir) = 0;
  // Makes creations, renames and removals in `dir` durable.
  virtual Result<void> sync_dir(const std::string& dir) = 0;
  // An exclusive lock on `path`, created if needed. kFailedPrecondition when another process or another owner
  // in this process holds it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path) = 0;
};

// The operating system's files. Stateless; lives for the whole process.
FileSystem& posix_file_system();
// The same without any sync: what a crash of the machine leaves is anything. (--unsafe-no-fsync)
FileSystem& unsynced_posix_file_system();

// The whole file as a string.
Result<std::string> read_file(FileSystem& fs, const std::string& path);
// Into `out`, whose memory is used again. After an error `out` is anything.
Result<void> read_file(FileSystem& fs, const std::string& path, std::string& out);
// Replaces `path` by `data` so that a crash leaves the old or the new content: temporary file, sync, rename,
// sync_dir.
Result<void> write_file_atomic(FileSystem& fs, const std::string& path, std::string_view data);

}  // namespace keelson
