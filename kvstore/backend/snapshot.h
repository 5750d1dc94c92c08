// Snapshots of the backend: the picture of one applied index, its bytes on the way to another member, and the
// database that member makes of them.
//
//   sender:    auto s = *backend.snapshot();  SnapshotStream stream(s);  stream.read(offset, max) …
//   receiver:  auto b = *SnapshotBuilder::open({.dir = dirs.next()}, index, term);
//              b->write(piece from b->received() on) …  b->finish();       complete and durable, not yet in
//              use dirs.switch_to_next();                                      durable; then Backend::open(…)
//
// The stream is ordered and self-checking (docs/formats/backend.md): chunks of records, each with a CRC32C
// chained to the one before, and an end that counts them. Equal snapshots give equal bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/file.h"
#include "kvstore/backend/backend.h"

namespace leveldb {
class Iterator;
class Snapshot;
}  // namespace leveldb

namespace keelson::kvstore {

// Thread rule: any thread. Outlives its Backend: LevelDB is closed when the last of both goes.
class BackendSnapshot {
 public:
  BackendSnapshot(std::shared_ptr<BackendDb> db, const leveldb::Snapshot* snapshot);
  ~BackendSnapshot();
  BackendSnapshot(const BackendSnapshot&) = delete;
  BackendSnapshot& operator=(const BackendSnapshot&) = delete;

  const BackendMeta& meta() const { return meta_; }
  // A system record; nullopt where there is none.
  Result<std::optional<std::string>> system(std::string_view name) const;
  // As Backend::load().
  Result<void> load(const Backend::Loader& loader) const;
  // All records in order of their keys, or one of them (record.h). For kvstore/backend only.
  std::unique_ptr<leveldb::Iterator> iterator() const;
  Result<std::optional<std::string>> read(std::string_view key) const;

 private:
  friend class Backend;
  friend class SnapshotStream;
  friend class VersionScan;
  const std::shared_ptr<BackendDb> db_;
  const leveldb::Snapshot* const snapshot_;
  BackendMeta meta_;
};

// Walks over the versions of a snapshot, some at a time. Thread rule: one thread at a time.
class VersionScan {
 public:
  using Visit = std::function<void(const ItemFields& fields, std::string_view key, std::string_view value)>;
  explicit VersionScan(std::shared_ptr<const BackendSnapshot> snapshot);
  ~VersionScan();
  // Hands over the next `max` versions, in rising revision order; false: there are no more. The views are
  // valid during the call. kDataLoss when a record does not decode.
  Result<bool> next(std::size_t max, const Visit& visit);

 private:
  const std::shared_ptr<const BackendSnapshot> snapshot_;
  std::unique_ptr<leveldb::Iterator> it_;
};

// The bytes of a snapshot. Thread rule: one thread at a time.
class SnapshotStream {
 public:
  explicit SnapshotStream(std::shared_ptr<const BackendSnapshot> snapshot);
  ~SnapshotStream();

  // The next piece at `offset`, at most `max` bytes; empty at the end. The same offset gives the same bytes.
  // Going on where the last piece ended is cheap; any other offset starts from the nearest chunk known.
  Result<std::string> read(std::uint64_t offset, std::size_t max);

 private:
  struct Mark;
  Result<void> seek(std::uint64_t offset);
  Result<void> next_chunk();

  const std::shared_ptr<const BackendSnapshot> snapshot_;
  std::unique_ptr<leveldb::Iterator> it_;
  std::vector<Mark> marks_;  // starts of chunks, about one per 16 MiB
  std::string chunk_;        // framed bytes at chunk_at_
  std::uint64_t chunk_at_ = 0;
  std::uint64_t records_ = 0;  // up to the end of chunk_
  std::uint32_t crc_ = 0;      // chained, as of the end of chunk_
  bool ended_ = false;         // chunk_ is the last
};

// Makes a database of a stream, durably bit by bit. Thread rule: one thread at a time.
class SnapshotBuilder {
 public:
  // Goes on with what `options.dir` holds of the snapshot (index, term), or starts anew there.
  static Result<std::unique_ptr<SnapshotBuilder>> open(const Backend::Options& options, std::uint64_t index,
                                                       std::uint64_t term);
  ~SnapshotBuilder();

  // Where the stream goes on. After a crash it is what was durable, a chunk's end.
  std::uint64_t received() const { return received_; }
  // Bytes of the stream from received() on, cut anywhere. kDataLoss: they are not what was sent; after that
  // the builder is of no use, and the next open() starts at the last good durable chunk.
  Result<void> write(std::string_view piece);
  // All is here: the database is complete and durable, and closed. kDataLoss: the stream has not ended, or
  // stands for another applied index.
  Result<void> finish();
  // Of the snapshot; REQUIRES: finish() was successful.
  const BackendMeta& meta() const { return meta_; }

 private:
  struct Batch;
  SnapshotBuilder(const Backend::Options& options, std::uint64_t index, std::uint64_t term);
  bool resume();
  Result<std::size_t> take(std::string_view in);
  Result<void> take_records(std::string_view in);
  Result<void> save();
  Result<void> write_batch();

  const Backend::Options options_;
  const std::uint64_t index_;
  const std::uint64_t term_;
  std::shared_ptr<BackendDb> db_;
  std::unique_ptr<Batch> batch_;  // taken, not yet durable
  std::string buffer_;            // of the chunk under way
  std::uint64_t received_ = 0;
  std::uint64_t records_ = 0;
  std::uint32_t crc_ = 0;  // chained; 0: not even the stream's head was taken
  bool ended_ = false;
  bool failed_ = false;
  std::string last_key_;
  std::optional<std::string> meta_record_;
  BackendMeta meta_;
};

// Which of a data directory's databases is the state: `db/` until a snapshot was installed, then the one that
// the file CURRENT_DB names. Thread rule: one thread at a time.
class BackendDirs {
 public:
  static Result<BackendDirs> open(FileSystem& fs, const std::string& data_dir);
  // Paths of databases, for Backend::Options::dir.
  std::string current() const;
  std::string next() const;
  // Makes next() the current one; durable on return, and a crash leaves the one or the other. REQUIRES:
  // next() is complete (SnapshotBuilder::finish()). The old one stays until remove_old().
  Result<void> switch_to_next();
  // Removes the database before the current one. Nobody has it open any more.
  Result<void> remove_old();

 private:
  BackendDirs(FileSystem& fs, std::string data_dir) : fs_(&fs), data_dir_(std::move(data_dir)) {}
  std::string path(std::uint64_t number) const;
  FileSystem* fs_;
  std::string data_dir_;
  std::uint64_t number_ = 0;  // 0: db/
};

}  // namespace keelson::kvstore
