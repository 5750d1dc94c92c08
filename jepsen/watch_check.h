// The nine properties of etcd's watch, judged against the log: Bookmarkable, Ordered, Unique, Atomic,
// Reliable, Resumable, PrevKV, IsCreate, Filter (etcd docs "Watch API guarantees", etcd robustness tests).
#pragma once

#include "jepsen/model.h"

namespace keelson::jepsen {

// What one watch delivered from its creation to its end.
struct WatchRecord {
  std::uint64_t id = 0;
  kvstore::WatchRequest request;  // start_revision 0: the first delivery tells where it began
  std::vector<kvstore::WatchBatch> batches;
  // The watch was up to date when the history ended: nothing up to this revision may be missing. 0: it was
  // cut off somewhere.
  Revision complete_to = 0;
};

// `compacted`: the newest compaction of the history; a prev_kv may be missing at or below it.
Violations check_watch(const WatchRecord& watch, const Model& model, Revision compacted);

}  // namespace keelson::jepsen
