#include "chaos/sim/canaries.h"

#include <algorithm>

namespace keelson::sim {

using Faults = kvstore::ReplicaFaults;

const std::vector<Canary>& canaries() {
  static const std::vector<Canary> kAll = {
      {"ack-before-fsync", "acknowledges before its log is on disk",
       [](Faults& f) { f.wal.ack_before_fsync = true; }},
      {"forget-vote", "does not know after a restart for whom it voted",
       [](Faults& f) { f.wal.forget_vote = true; }},
      {"commit-earlier-term", "commits an earlier term's entry by counting",
       [](Faults& f) { f.core.commit_earlier_term = true; }},
      {"read-without-quorum", "answers ReadIndex without the round",
       [](Faults& f) { f.core.read_index_without_quorum = true; }},
      {"joint-one-quorum", "counts one quorum of a joint membership",
       [](Faults& f) { f.core.joint_counts_one_quorum = true; }},
      {"snapshot-without-leases", "a snapshot loses its leases",
       [](Faults& f) { f.snapshot_without_leases = true; }},
      {"apply-twice", "applies an entry once more after a crash",
       [](Faults& f) { f.apply_twice_after_crash = true; }},
      {"event-lost", "a watch loses events at an installed snapshot",
       [](Faults& f) { f.event_lost_at_resync = true; }},
      {"keep-conflict", "does not cut off a conflicting suffix",
       [](Faults& f) { f.core.keep_conflicting_suffix = true; }},
      {"pre-vote-despite-leader", "grants a pre-vote while its leader lives",
       [](Faults& f) { f.core.pre_vote_despite_leader = true; }},
      {"stale-lease-expiry", "a leader of old ends leases by its own clock",
       [](Faults& f) { f.lease_expired_by_stale_leader = true; }},
      {"compaction-drops-live", "compaction drops a version that is still visible",
       [](Faults& f) { f.compaction_drops_live_version = true; }},
      {"hash-skipped", "members do not compare their hashes", [](Faults& f) { f.hash_skipped = true; }},
      {"term-not-persisted", "answers before its term is on disk",
       [](Faults& f) { f.wal.term_not_persisted = true; }},
      {"learner-counts", "counts a learner in the quorum", [](Faults& f) { f.core.learner_counts = true; }},
      {"torn-means-truncate", "takes a cut log for a torn one",
       [](Faults& f) { f.wal.torn_means_truncate = true; }},
      {"reply-before-persist", "votes and acknowledges before its log is on disk",
       [](Faults& f) { f.core.reply_before_persist = true; }},
  };
  return kAll;
}

const Canary* find_canary(std::string_view name) {
  const auto& all = canaries();
  auto it = std::find_if(all.begin(), all.end(), [&](const Canary& c) { return c.name == name; });
  return it == all.end() ? nullptr : &*it;
}

}  // namespace keelson::sim
