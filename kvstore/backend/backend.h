// Backend: the durable home of revision → version, in LevelDB, and of what the state machine needs at start
// besides: leases and how far the log was applied. Keys grow with revisions, so LevelDB's compaction has
// little to merge (docs/formats/backend.md).
//
// Two steps, so that the store thread never waits for LevelDB: stage()/commit() take changes into memory,
// where read() finds them at once; flush(), on any other thread, writes what was committed, whole commits at
// a time: after a crash LevelDB holds the state of some applied index, and the log has the rest.
//
// Thread rule: stage() and commit(): the store thread. flush(): one thread at a time. The rest: any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/error.h"
#include "kvstore/mvcc/state.h"

namespace leveldb {
class DB;
class Env;
class WriteBatch;
}  // namespace leveldb

namespace keelson::kvstore {

// The state of the state machine that is not in its versions and leases.
struct BackendMeta {
  std::uint64_t applied_index = 0;
  std::uint64_t applied_term = 0;
  Revision revision = 1;
  Revision compacted = 0;
  bool compaction_done = true;
  std::uint64_t state_hash = 0;
};

class Backend final : public ValueReader {
 public:
  struct Options {
    std::string dir;
    bool in_memory = false;  // for tests: nothing outlives the Backend
  };
  // Errors: kDataLoss: LevelDB finds its files corrupt, or they are of another format.
  static Result<std::unique_ptr<Backend>> open(const Options& options);
  ~Backend() override;

  struct Loader {
    std::function<void(LeaseId id, std::int64_t ttl_s)> lease;
    // In rising revision order. The views are valid during the call.
    std::function<void(const ItemFields& fields, std::string_view key, std::string_view value)> version;
  };
  // Hands over all leases, then all versions. kDataLoss when a record does not decode.
  Result<BackendMeta> load(const Loader& loader);

  // From now on read() finds this version. REQUIRES: its revision is newer than all before.
  void stage(ItemPtr item);
  // All staged so far belongs to the state described by `meta`, as do these lease changes and removals.
  void commit(const BackendMeta& meta, std::vector<LeaseChange> leases, std::vector<FullRevision> dropped);
  // Writes what was committed. `sync`: durable on return. Returns the applied index that is in LevelDB now.
  // An error is final: the store stops.
  Result<std::uint64_t> flush(bool sync);
  bool has_committed() const;
  // Memory held by what is not yet flushed.
  std::size_t pending_bytes() const;

  Result<KeyValue> read(FullRevision rev) override;
  // Approximate bytes on disk.
  std::uint64_t disk_bytes() const;

 private:
  Backend();
  mutable std::mutex mu_;
  std::deque<ItemPtr> staged_;  // by revision; the first committed_ of them may be flushed
  std::size_t committed_ = 0;
  std::size_t pending_bytes_ = 0;
  std::vector<LeaseChange> leases_;
  std::vector<FullRevision> dropped_;
  BackendMeta meta_;
  bool dirty_ = false;

  std::unique_ptr<leveldb::Env> env_;
  std::unique_ptr<leveldb::DB> db_;
};

// The record of one version (docs/formats/backend.md). `out` is appended to.
void encode_version(const Item& item, std::string& out);
struct DecodedVersion {
  ItemFields fields;
  std::string_view key;
  std::string_view value;
};
// False for malformed bytes. The views are into `bytes`; the revision is not in them.
bool decode_version(std::string_view bytes, DecodedVersion& out);

}  // namespace keelson::kvstore
