// State: the multi-version state machine. Commands go in one after another, in log order; out come results,
// and Effects: what the backend must keep and what watchers must hear. Pure and synchronous: no clock (time
// is handed in), no I/O but the ValueReader, no threads.
//
//   state.txn(request, effects);  …more commands…  state.publish();   then backend.write(effects),
//   hub.dispatch(effects)
//
// Invariants: the revision starts at 1 and rises by one per command that changed keys; equal command
// sequences give equal states, results and state_hash() on every member. Times (lease ends) are not part of
// the state that is compared.
//
// Thread rule: one writer thread, except snapshot(), revision() and compacted(): any thread.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "kvstore/mvcc/lease_table.h"
#include "kvstore/mvcc/read.h"
#include "kvstore/mvcc/tree.h"

namespace keelson::kvstore {

// One key's change: `now` is new (a tombstone for a delete), `prev` the version replaced (null, or a
// tombstone).
struct Change {
  ItemPtr now;
  ItemPtr prev;
};

struct LeaseChange {
  LeaseId id = 0;
  std::int64_t ttl_s = 0;  // 0: the lease is gone
  std::int64_t remaining_s =
      0;  // a checkpoint of what is left of it; 0: none since it was granted or renewed
};

// Appended to by each command, in order; the caller clears it.
struct Effects {
  std::vector<Change> changes;
  std::vector<LeaseChange> leases;
  std::vector<FullRevision> dropped;  // by compaction: the backend may forget these
};

class BulkLoad;

// A version on its way into a State that is being loaded.
struct LoadedVersion {
  ItemPtr item;
  std::uint64_t key_hash = 0;
  std::uint64_t item_hash = 0;
};

class State {
 public:
  // `values` serves reads of older versions and outlives the State.
  explicit State(ValueReader* values);
  ~State();

  // ---- Recovery, before the first command: leases, then versions in rising revision order, then the rest.
  void load_lease(LeaseId id, std::int64_t ttl_s, MonoTime now, std::int64_t remaining_s = 0);
  void load_version(const ItemFields& fields, std::string_view key, std::string_view value);
  // The same in two halves: most of the work, on any thread, and the rest.
  static LoadedVersion prepare(const ItemFields& fields, std::string_view key, std::string_view value);
  void load_versions(std::vector<LoadedVersion> versions);
  // Call last. Resumes an unfinished compaction where `compaction_done` is false.
  void finish_load(Revision revision, Revision compacted, bool compaction_done,
                   const RunBoth& run_both = run_in_turn);

  // ---- Commands. What fails changes nothing.
  // Errors: kOutOfRange (a range's revision), kNotFound (a lease), kInvalidArgument
  // (ignore_value/ignore_lease without key).
  Result<TxnResult> txn(const TxnRequest& request, Effects& effects);
  // The same for a request that writes nothing, on any Snapshot and thread. REQUIRES: is_read_only(request).
  static Result<TxnResult> read_only_txn(const View& view, const ReadContext& ctx, const TxnRequest& request);
  // Errors: kOutOfRange: compacted already, or in the future. Versions are dropped by compact_step().
  Result<void> compact(Revision revision);
  // Errors: kFailedPrecondition (exists), kOutOfRange (TTL). Returns the TTL granted.
  Result<std::int64_t> lease_grant(LeaseId id, std::int64_t ttl_s, MonoTime now, Effects& effects);
  // Deletes the lease's keys in one transaction. Errors: kNotFound.
  Result<void> lease_revoke(LeaseId id, Effects& effects);

  // What leases have left, as their leader says; unknown ones are passed over.
  void lease_checkpoint(const std::vector<LeaseCheckpoint>& remains, Effects& effects);

  // Looks at up to `keys_max` keys for the compaction under way and drops what it may. True when none is
  // under way any more.
  bool compact_step(std::size_t keys_max, Effects& effects);
  bool compacting() const { return compacting_; }

  // Makes all commands so far visible to readers.
  void publish();
  SnapshotPtr snapshot() const;
  // Newest published revision.
  Revision revision() const { return published_revision_.load(std::memory_order_acquire); }
  const std::atomic<Revision>& compacted() const { return compacted_; }
  ReadContext read_context() const { return {values_, &compacted_}; }
  // Newest revision, published or not.
  Revision working_revision() const { return revision_; }
  std::uint64_t state_hash() const { return hash_; }
  std::size_t keys() const { return tree_.keys(); }
  std::int64_t live_keys() const { return tree_.live(); }
  // What all versions take in the backend, history included: what the quota is held against. Equal on all
  // members that have dropped the same versions.
  std::uint64_t stored_bytes() const { return stored_bytes_; }

  // A planted bug for the simulator: the newest version at the compacted revision is dropped too.
  void set_fault_drops_live_version(bool on) { fault_drops_live_version_ = on; }

  LeaseTable& leases() { return leases_; }
  const LeaseTable& leases() const { return leases_; }

 private:
  class TxnRun;
  // Writes one version at the transaction's revision.
  void write(const ItemFields& fields, std::string_view key, std::string_view value, Effects& effects);
  void load(LoadedVersion version);
  void count(const Item& item, std::uint64_t own_hash, const Item* prev, std::uint64_t key_hash);

  ValueReader* const values_;
  Tree tree_;
  std::unique_ptr<BulkLoad> loading_;  // until finish_load()
  LeaseTable leases_;
  Revision revision_ = 1;
  std::uint64_t hash_ = 0;
  std::uint64_t stored_bytes_ = 0;
  std::atomic<Revision> compacted_{0};
  std::atomic<Revision> published_revision_{1};
  bool compacting_ = false;
  bool fault_drops_live_version_ = false;
  std::string compaction_cursor_;
  mutable std::mutex snapshot_mu_;
  SnapshotPtr snapshot_;
};

// Whether neither branch, nested ones included, writes: such a transaction needs no log.
bool is_read_only(const TxnRequest& request);

// Transactions inside transactions, at most.
inline constexpr int kTxnNestingMax = 32;
// What etcd refuses before a request gets near the log: empty keys, too many operations, one key written
// twice.
Result<void> validate(const RangeRequest& request);
Result<void> validate(const TxnRequest& request, std::size_t ops_max);

}  // namespace keelson::kvstore
