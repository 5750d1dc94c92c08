// MemFileSystem: files in memory that behave at a crash like a disk: what was not synced may be lost, whole
// or in part. For tests and the simulator.
//
//   MemFileSystem fs;  …use…  fs.crash(rng);  …open again: every unsynced 512-byte sector is there or not…
//
// A file keeps its durable bytes and its current bytes; datasync() makes them equal. A directory entry is
// durable after sync_dir(). Open handles of before a crash fail with kUnavailable. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "base/file.h"
#include "base/rng.h"

namespace keelson {

class MemFileSystem final : public FileSystem {
 public:
  MemFileSystem();
  ~MemFileSystem() override;

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
  bool exists(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& dir) override;
  Result<void> make_dirs(const std::string& dir) override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> remove(const std::string& path) override;
  // Directories are not kept: they are there while something is in them.
  Result<void> remove_dir(const std::string& dir) override;
  Result<void> sync_dir(const std::string& dir) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path) override;

  // Power loss: for each sector changed since the last sync, `rng` decides whether the change survives;
  // unsynced directory entries and growth are kept or lost as a whole. Open handles and locks die.
  void crash(Rng& rng);
  // From now on every datasync() fails with `error`; an empty message ends it.
  void fail_datasync(std::string message);
  // The same, but this many succeed before.
  void fail_datasync_after(std::uint64_t successes, std::string message);
  // The current bytes, to look at and to damage. REQUIRES: the file exists and nobody uses it meanwhile.
  std::string& content(const std::string& path);
  std::uint64_t datasyncs() const;

 private:
  friend class MemFile;
  friend class MemLock;
  struct Inode {
    std::string current;
    std::string durable;
  };
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson
