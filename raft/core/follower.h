// Follower: what a leader knows of one member, and how much it may send to it. The leader has one of these
// for itself too, with `match` at what is durable here.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <vector>

#include "raft/core/status.h"
#include "raft/core/types.h"

namespace keelson::raft {

// The last indexes of kAppends not yet answered, oldest first; a ring that grows up to its limit.
class Inflight {
 public:
  explicit Inflight(std::size_t limit) : limit_(limit) {}
  bool full() const { return count_ >= limit_; }
  std::size_t count() const { return count_; }
  void add(Index last);  // REQUIRES: !full()
  // Those up to `index` are answered.
  void free_to(Index index);
  void clear() { count_ = 0; }

 private:
  std::size_t limit_;
  std::size_t head_ = 0;
  std::size_t count_ = 0;
  std::vector<Index> ring_;
};

struct Follower : Progress {
  Follower(NodeId node, std::size_t max_inflight, Index next_index) : inflight(max_inflight) {
    id = node;
    next = next_index;
  }

  // An accepted append. False: told nothing new.
  bool accepted(Index index);
  // A rejected one at `prev`; the logs meet at `hint` at best. False: an old answer, to be ignored.
  bool rejected(Index prev, Index hint);
  // Entries up to `last` were sent (last + 1 == next: none).
  void sent(Index last);
  // Whether an append may be sent now.
  bool may_send() const;

  void become_probe();
  void become_replicate();
  void become_snapshot(Index index);

  Inflight inflight;
  bool probe_sent = false;  // kProbe: wait for its answer, or a heartbeat's
  bool nudge = false;       // a heartbeat was answered though entries are missing: send something
  Index commit;             // what it is known to know as committed
  Index sent_commit;        // the newest commit index it was told, if no message got lost
  std::uint64_t round = 0;  // the newest ReadIndex round it answered
  // Who is asked first in a round: who answered the newest heartbeat to all, and of those who was first.
  std::uint64_t answered = 0;  // the newest heartbeat to all that it answered
  std::size_t place = 0;       // how many were faster then
};

}  // namespace keelson::raft
