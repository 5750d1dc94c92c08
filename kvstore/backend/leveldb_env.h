// LevelDbEnv: all of the outside world that LevelDB sees, over our FileSystem: so that the simulator can run
// the backend on a MemFileSystem with crashes and faults. No clock, no log file, no threads of its own.
//
// Stricter than LevelDB's own environment about names: a file that is new or renamed has its directory synced
// before anything relies on it.
//
// BackgroundWork::kDrained: work that LevelDB schedules waits until drain(); run inside Schedule() it would
// deadlock, as LevelDB holds its mutex there. The owner drains after every call into LevelDB: then no call
// ever finds work to wait for.
//
// Thread rule: any thread, as leveldb::Env; drain(): the one thread.
#pragma once

#include <leveldb/env.h>

#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "base/file.h"
#include "kvstore/backend/backend.h"

namespace keelson::kvstore {

class LevelDbEnv final : public leveldb::Env {
 public:
  // `fs` outlives it.
  LevelDbEnv(FileSystem& fs, BackgroundWork background) : fs_(fs), background_(background) {}

  // Runs what is scheduled until nothing is. A no-op with kThread.
  void drain();

  leveldb::Status NewSequentialFile(const std::string& path, leveldb::SequentialFile** result) override;
  leveldb::Status NewRandomAccessFile(const std::string& path, leveldb::RandomAccessFile** result) override;
  leveldb::Status NewWritableFile(const std::string& path, leveldb::WritableFile** result) override;
  leveldb::Status NewAppendableFile(const std::string& path, leveldb::WritableFile** result) override;
  bool FileExists(const std::string& path) override;
  leveldb::Status GetChildren(const std::string& dir, std::vector<std::string>* result) override;
  leveldb::Status RemoveFile(const std::string& path) override;
  leveldb::Status CreateDir(const std::string& dir) override;
  leveldb::Status RemoveDir(const std::string& dir) override;
  leveldb::Status GetFileSize(const std::string& path, uint64_t* size) override;
  leveldb::Status RenameFile(const std::string& from, const std::string& to) override;
  leveldb::Status LockFile(const std::string& path, leveldb::FileLock** lock) override;
  leveldb::Status UnlockFile(leveldb::FileLock* lock) override;
  void Schedule(void (*function)(void* arg), void* arg) override;
  void StartThread(void (*function)(void* arg), void* arg) override;
  leveldb::Status GetTestDirectory(std::string* path) override;
  leveldb::Status NewLogger(const std::string& path, leveldb::Logger** result) override;
  uint64_t NowMicros() override { return 0; }
  void SleepForMicroseconds(int micros) override;

 private:
  FileSystem& fs_;
  const BackgroundWork background_;
  std::deque<std::pair<void (*)(void*), void*>> scheduled_;
};

}  // namespace keelson::kvstore
