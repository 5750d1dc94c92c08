// Backend: the durable home of revision → version, in LevelDB, and of what the state machine needs at start
// besides: leases, how far the log was applied, and named records of its other parts (users, members,
// alarms). Keys of versions grow with revisions, so LevelDB's compaction has little to merge
// (docs/formats/backend.md).
//
// Two steps, so that the store thread never waits for LevelDB: stage()/put_system()/commit() take changes
// into memory, where read() finds them at once; flush(), on any other thread, writes what was committed,
// whole commits at a time: after a crash LevelDB holds the state of some applied index, and the log has the
// rest.
//
// What a compaction dropped is removed a little with each flush, in the order in which it was dropped, so
// that a flush stays short; until all of it is, the recorded meta says that the compaction is not done.
//
// Every flush is synced: LevelDB's log reader steps over a damaged block, so that of several unsynced batches
// an earlier one could be lost and a later one kept.
//
// A snapshot() is a picture of one applied index; it stays readable while everything goes on. snapshot.h
// turns it into a stream for another member and back into a database, etcd_writer.h into a file of etcd's.
//
// Thread rule: stage(), put_system() and commit(): the store thread. The rest: any thread (flushes wait for
// one another); with BackgroundWork::kDrained everything on one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/file.h"
#include "kvstore/mvcc/state.h"

namespace keelson::kvstore {

class BackendDb;
class BackendSnapshot;

// The state of the state machine that is not in its versions and leases.
struct BackendMeta {
  std::uint64_t applied_index = 0;
  std::uint64_t applied_term = 0;
  Revision revision = 1;
  Revision compacted = 0;
  bool compaction_done = true;
  std::uint64_t state_hash = 0;
  // The applied index of the snapshot that this database was built from; 0: it grew here. While the log ends
  // before it, the member crashed between switching to the database and starting its log anew.
  std::uint64_t snapshot_index = 0;
  // Over leases and system records, as state_hash is over versions; 0: not recorded. Its owner's to make and
  // to check: LevelDB's log reader steps over a damaged block.
  std::uint64_t records_hash = 0;
  bool operator==(const BackendMeta&) const = default;
};

// Names of system records. Their bytes are their owners'.
inline constexpr std::string_view kAuthRecord = "auth";              // AuthStore::encode()
inline constexpr std::string_view kMembershipRecord = "membership";  // raft::encode(Membership)
inline constexpr std::string_view kMembersRecord = "members";  // attributes and removed ids (kvstore/server)
inline constexpr std::string_view kAlarmsRecord = "alarms";    // kvstore/server
inline constexpr std::string_view kClusterRecord = "cluster";  // cluster id and version (kvstore/server)

// Who runs LevelDB's compactions.
enum class BackgroundWork : std::uint8_t {
  kThread,   // LevelDB's background thread
  kDrained,  // the caller's, at the end of each call: deterministic, for the simulator
};

class Backend final : public ValueReader {
 public:
  struct Options {
    std::string dir;
    bool in_memory = false;    // for tests: nothing outlives the Backend
    FileSystem* fs = nullptr;  // null: the operating system's; outlives the Backend and its snapshots
    BackgroundWork background = BackgroundWork::kThread;
    std::size_t write_buffer_bytes = std::size_t{8} << 20;  // at least 64 KiB
    std::size_t removals_per_flush = 1000;
    Failpoints* failpoints = nullptr;  // may be null; outlives the Backend
  };
  // Errors: kDataLoss: LevelDB finds its files corrupt, they are of another format, or of a snapshot that was
  // not received to its end.
  static Result<std::unique_ptr<Backend>> open(const Options& options);
  ~Backend() override;

  struct Loader {
    // `remaining_s`: the last checkpoint; 0 without one.
    std::function<void(LeaseId id, std::int64_t ttl_s, std::int64_t remaining_s)> lease;
    // Named records, in order of their names. Unset: they are passed over.
    std::function<void(std::string_view name, std::string_view bytes)> system;
    // In rising revision order. The views are valid during the call.
    std::function<void(const ItemFields& fields, std::string_view key, std::string_view value)> version;
    // In place of `version`: the same, prepared by `threads` others, many at a time. REQUIRES: threads > 0,
    // BackgroundWork::kThread.
    std::function<void(std::vector<LoadedVersion> versions)> versions;
    unsigned threads = 0;
  };
  // Hands over all leases, then system records, then all versions. kDataLoss when a record does not decode.
  Result<BackendMeta> load(const Loader& loader);

  // From now on read() finds this version. REQUIRES: its revision is newer than all before.
  void stage(ItemPtr item);
  // Replaces a named record (nullopt: removes it) with the next commit().
  void put_system(std::string_view name, std::optional<std::string> bytes);
  // All staged so far belongs to the state described by `meta`, as do these lease changes and removals.
  void commit(const BackendMeta& meta, std::vector<LeaseChange> leases, std::vector<FullRevision> dropped);
  // Writes what was committed; durable on return. Returns the applied index that is in LevelDB now. An error
  // is final: the store stops.
  Result<std::uint64_t> flush();
  bool has_committed() const;
  // Versions dropped whose removal is not yet durable.
  std::size_t removals_pending() const;
  // One flush is enough for them, and would do more.
  bool takes_removals() const;
  // Of what was committed, a compaction or its removals are not done.
  bool compacting() const;
  // Memory held by what is not yet flushed.
  std::size_t pending_bytes() const;

  // The state of the last flush() that has returned, or of a newer one. Costs nothing.
  Result<std::shared_ptr<const BackendSnapshot>> snapshot() const;

  Result<KeyValue> read(FullRevision rev) override;
  // Approximate bytes on disk.
  std::uint64_t disk_bytes() const;

 private:
  // Of flush(). The names are etcd's: there a transaction of bbolt, here one LevelDB batch.
  struct Points {
    explicit Points(Failpoints* set)
        : before_start(set, "beforeStartDBTxn"),
          after_start(set, "afterStartDBTxn"),
          before_meta(set, "commitBeforePreCommitHook"),
          after_meta(set, "commitAfterPreCommitHook"),
          before_write(set, "beforeCommit"),
          after_write(set, "afterCommit") {}
    Failpoint before_start, after_start, before_meta, after_meta, before_write, after_write;
  };
  explicit Backend(Failpoints* failpoints);
  const Points points_;
  std::mutex flush_mu_;  // held by flush(), outside mu_
  mutable std::mutex mu_;
  std::deque<ItemPtr> staged_;  // by revision; the first committed_ of them may be flushed
  std::size_t committed_ = 0;
  std::size_t pending_bytes_ = 0;
  std::vector<LeaseChange> leases_;
  std::deque<FullRevision> dropped_;
  std::size_t removals_pending_ = 0;  // dropped_ and those of the flush under way
  using SystemChanges = std::map<std::string, std::optional<std::string>, std::less<>>;
  SystemChanges system_staged_;
  SystemChanges system_;
  BackendMeta meta_;
  bool dirty_ = false;
  std::size_t removals_per_flush_ = 0;
  std::shared_ptr<BackendDb> db_;
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

// A RunBoth (kvstore/mvcc/run_both.h) for the shell: the second runs on a thread of its own.
void run_on_two_threads(const std::function<void()>& a, const std::function<void()>& b);

}  // namespace keelson::kvstore
