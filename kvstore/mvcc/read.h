// Reading a View: ranges at any revision, compares, and the history a watch catches up on.
//
// The newest versions come from the tree alone; an older version's value comes from the ValueReader (the
// backend). A reader below the compacted revision may find versions missing, so callers that read the past
// check `compacted` *after* reading; the functions here do that.
//
// Thread rule: any thread, as long as the View's Snapshot is held.
#pragma once

#include <atomic>
#include <vector>

#include "base/error.h"
#include "kvstore/mvcc/tree.h"
#include "kvstore/types.h"

namespace keelson::kvstore {

// Where the values of older versions are. Thread-safe.
class ValueReader {
 public:
  virtual ~ValueReader() = default;
  // The whole version written at `rev`. kNotFound when it was compacted away.
  virtual Result<KeyValue> read(FullRevision rev) = 0;
};

struct ReadContext {
  ValueReader* values = nullptr;
  const std::atomic<Revision>* compacted = nullptr;
};

// etcd's Range. Errors: kOutOfRange (compacted or future revision).
Result<RangeResult> read_range(const View& view, const ReadContext& ctx, const RangeRequest& request);

// The key's version visible at `at`; nullopt when there was none. REQUIRES: compacted < = at <=
// view.revision.
Result<std::optional<KeyValue>> read_key(const View& view, const ReadContext& ctx, std::string_view key,
                                         Revision at);

// Whether `compare` holds in the View (etcd: a missing key compares as all zeros, and never for its value).
bool compare_holds(const View& view, const Compare& compare);

// One change of the past: enough to fetch it.
struct PastChange {
  FullRevision rev;
  bool tombstone = false;
  ItemPtr item;     // set where the change is its key's newest version
  std::string key;  // set where it is not and it is a tombstone (the backend is not asked for it)
};
// The changes of `range` with from <= revision <= view.revision, in revision order. Not checked against
// compaction.
std::vector<PastChange> past_changes(const View& view, const KeyRange& range, Revision from);
// Fetches one of them as an event. kOutOfRange when it has been compacted meanwhile.
Result<Event> past_event(const View& view, const ReadContext& ctx, const PastChange& change, bool prev_kv);

}  // namespace keelson::kvstore
