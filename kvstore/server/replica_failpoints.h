// The places of a Replica that can be told to pause or to end, by the names that etcd's have for the same
// step of a member's life (base/failpoint.h). The others are in kvstore/backend/backend.h (writes to the
// backend) and kvstore/server/etcd/api_failpoints.h (requests).
//
// All are on the store's thread: while one pauses, the member neither ticks nor hears others.
#pragma once

#include "base/failpoint.h"

namespace keelson::kvstore {

struct ReplicaFailpoints {
  // `set` may be null.
  explicit ReplicaFailpoints(Failpoints* set)
      : enabled(set != nullptr),
        before_leader_send(set, "raftBeforeLeaderSend"),
        before_save(set, "raftBeforeSave"),
        after_save(set, "raftAfterSave"),
        before_sync(set, "walBeforeSync"),
        after_sync(set, "walAfterSync"),
        before_follower_send(set, "raftBeforeFollowerSend"),
        before_advance(set, "raftBeforeAdvance"),
        before_save_snap(set, "raftBeforeSaveSnap"),
        after_save_snap(set, "raftAfterSaveSnap"),
        after_wal_release(set, "raftAfterWALRelease"),
        before_apply_snap(set, "raftBeforeApplySnap"),
        before_open_snapshot(set, "applyBeforeOpenSnapshot"),
        after_open_snapshot(set, "applyAfterOpenSnapshot"),
        after_apply_snap(set, "raftAfterApplySnap"),
        before_apply_entry(set, "beforeApplyOneEntryNormal"),
        before_apply_conf_change(set, "beforeApplyOneConfChange"),
        before_writeback(set, "beforeWritebackBuf"),
        after_writeback(set, "afterWritebackBuf"),
        before_compact(set, "compactBeforeCommitScheduledCompact"),
        after_compact(set, "compactAfterCommitScheduledCompact"),
        before_compact_batch(set, "compactAfterAcquiredBatchTxLock"),
        before_commit_batch(set, "compactBeforeCommitBatch"),
        after_commit_batch(set, "compactAfterCommitBatch"),
        before_compact_finished(set, "compactBeforeSetFinishedCompact"),
        after_compact_finished(set, "compactAfterSetFinishedCompact"),
        before_publishing(set, "beforePublishing") {}

  const bool enabled;  // there is a set

  // ---- One Ready
  Failpoint before_leader_send;  // messages that do not wait for the disk
  Failpoint before_save;         // entries and hard state: handed to the log
  Failpoint after_save;          // and synced
  Failpoint before_sync, after_sync;
  Failpoint before_follower_send;  // messages that waited for the disk
  Failpoint before_advance;        // the Ready is done

  // ---- A snapshot that takes the place of everything
  Failpoint before_save_snap;      // the switch to its database…
  Failpoint after_save_snap;       // …is durable
  Failpoint after_wal_release;     // the log begins behind it
  Failpoint before_apply_snap;     // readers see it…
  Failpoint before_open_snapshot;  // (etcd has two: its log and its store take it up apart)
  Failpoint after_open_snapshot;   // …from here on
  Failpoint after_apply_snap;      // and everybody was told

  // ---- Applying
  Failpoint before_apply_entry, before_apply_conf_change;
  Failpoint before_writeback, after_writeback;  // what was applied becomes readable

  // ---- Compaction
  Failpoint before_compact, after_compact;  // the new compacted revision holds
  Failpoint before_compact_batch;
  Failpoint before_commit_batch, after_commit_batch;          // of all batches but the last
  Failpoint before_compact_finished, after_compact_finished;  // of the last

  Failpoint before_publishing;  // the member's own name and URLs
};

}  // namespace keelson::kvstore
