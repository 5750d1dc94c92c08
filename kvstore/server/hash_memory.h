// HashMemory: HashKV as of the last compacted revisions, computed before anything was dropped for them. etcd
// remembers them too, so that members can be compared at a revision that all have compacted.
//
//   store thread:  auto hold = memory->begin(revision);            a compaction was applied
//   background:    co_await HashMemory::compute(memory, clock, mvcc, before, revision, hold);
//   anybody:       co_await memory->find(revision)                 waits while it is being computed
//
// Nobody waits for a hash as a rule, so it is computed bit by bit with pauses; without them once somebody
// does. Of this life of the process only, as in etcd. Thread rule: any thread.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "base/async.h"
#include "base/task.h"
#include "kvstore/server/member.h"
#include "kvstore/server/published.h"

namespace keelson::kvstore {

class HashMemory {
 public:
  // Versions must not be dropped while it is true.
  using Hold = std::shared_ptr<std::atomic<bool>>;

  // From now on find(revision) waits until compute() was there. REQUIRES: compute() follows.
  Hold begin(Revision revision);
  // Takes its picture of `mvcc`, lets go of `hold`, then hashes. `before`: what was compacted before.
  // Cancelled or dropped: there is no hash. REQUIRES: the executor may block for moments.
  static Task<> compute(std::shared_ptr<HashMemory> self, Clock& clock, MvccPtr mvcc, Revision before,
                        Revision revision, Hold hold);
  Task<std::optional<HashKv>> find(Revision revision);

 private:
  struct Entry {
    std::optional<HashKv> hash;  // nullopt: being computed
    std::shared_ptr<AsyncEvent> done = std::make_shared<AsyncEvent>();
    bool wanted = false;  // somebody waits
  };
  class Computation;
  static Task<> run(std::unique_ptr<Computation> computation, Clock& clock, MvccPtr mvcc, Revision before);
  bool wanted(Revision revision) const;
  void finish(Revision revision, std::optional<HashKv> hash);

  mutable std::mutex mu_;
  std::map<Revision, Entry> hashes_;
};

}  // namespace keelson::kvstore
