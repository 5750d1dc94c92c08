// Node: one member's consensus, as a pure state machine: no clock, threads, I/O or randomness of its own.
// (Ongaro: Raft paper and dissertation; names as there.)
//
//   node.tick(); node.step(message); node.propose(data); …
//   while (node.has_ready()) {
//     Ready r = node.take_ready();
//     send(r.messages);                       at once, in parallel with the disk
//     apply(r.committed); node.applied(last); durable already
//     install r.snapshot; wal: r.entries, r.hard_state; fsync
//     node.persisted(r.number);
//     send(r.messages_after_persist);
//   }
//
// The order is a contract, written on Ready's fields. persisted() may be called later than the next
// take_ready() (a disk on a thread of its own), but in order of the numbers; one call for the newest of
// several will do.
//
// The log is held in memory from the compacted index on; the owner persists it and hands it back at start.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/rng.h"
#include "raft/core/membership.h"
#include "raft/core/message.h"
#include "raft/core/read_index.h"
#include "raft/core/status.h"
#include "raft/core/types.h"

namespace keelson::raft {

// How a linearizable read learns that its leader still leads.
enum class ReadMode : std::uint8_t {
  kQuorum,  // a round of heartbeats answered by a quorum (dissertation §6.4); batched
  kLease,   // by the clock: a quorum answered within an election timeout. Trusts that clocks run at the same
            // speed
};

// Planted bugs for the simulator's canaries (chaos/sim); all off otherwise. Only tests set one.
struct CoreFaults {
  bool commit_earlier_term = false;  // commits an earlier term's entry by counting (paper, figure 8)
  bool read_index_without_quorum = false;
  bool joint_counts_one_quorum = false;
  bool keep_conflicting_suffix = false;  // a conflicting suffix is not truncated
  bool pre_vote_despite_leader = false;  // a pre-vote is granted while a leader is live
  bool learner_counts = false;           // a learner is counted in the quorum
  bool reply_before_persist = false;     // votes and append replies go out with Ready::messages
};

struct NodeConfig {
  NodeId id;
  // In ticks. The randomized timeout is uniform in [election, 1.3 × election] (DESIGN.md §4).
  int election_ticks = 10;
  int heartbeat_ticks = 1;
  bool pre_vote = true;
  bool check_quorum = true;
  ReadMode read_mode = ReadMode::kQuorum;
  std::size_t max_append_bytes = std::size_t{1} << 20;  // of entries in one kAppend; at least one entry
  std::size_t max_inflight = 512;                       // kAppends not yet answered, per follower
  std::size_t max_uncommitted_bytes = std::size_t{256} << 20;  // more proposals are refused
  std::size_t max_apply_bytes = std::size_t{4} << 20;          // in one Ready::committed; at least one entry
  CoreFaults faults;
};

// What the owner read back from its disk. `entries` follow snapshot_index without a gap.
struct Restored {
  HardState hard_state;
  Membership membership;  // as of `applied`
  Index snapshot_index;   // entries up to here are gone
  Term snapshot_term;
  std::vector<Entry> entries;
  Index applied;  // the state machine has these; committed ones after it come out again
};

// A proposal of this member's own that no log holds, nor will: it may be proposed again.
struct Returned {
  Bytes data;
  bool overload = false;  // the leader had too much to do
};

struct Ready {
  std::uint64_t number = 0;  // rises by one
  // Changed role, leader or term; for information.
  std::optional<Role> role;
  std::optional<NodeId> leader;  // 0: none known
  // 1. Send now, in parallel with 2: appends, heartbeats, requests for pre-votes.
  std::vector<Message> messages;
  // 2. Make durable, in this order, with one sync: the snapshot (its state is already with the owner; the log
  // starts anew after it), the entries (the first replaces what had its index or a higher one), the hard
  // state.
  std::optional<SnapshotMeta> snapshot;
  std::vector<Entry> entries;
  std::optional<HardState> hard_state;
  bool must_sync = false;  // false: at most the commit index changed, the write may wait for the next sync
  // 3. Send once 2 of this and of every earlier Ready is durable: votes given, append replies, a candidate's
  // own vote requests.
  std::vector<Message> messages_after_persist;
  // 4. Apply, in order; at any time, as these are durable here already (a Ready with a snapshot has none). A
  // kConfChange entry is handed to apply_conf_change().
  std::vector<Entry> committed;
  // Reads that may be answered once their index is applied.
  std::vector<ReadState> reads;
  // What was forwarded to a leader that has given it back, or was never sent.
  std::vector<Returned> returned;
};

class Node {
 public:
  // `rng` and what `config` points to outlive the node. A node whose membership does not contain it waits to
  // be told (a new member of an existing cluster).
  Node(NodeConfig config, Restored restored, Rng& rng);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  // One unit of time has passed.
  void tick();
  // A message has come. Those of unknown senders and stale terms are answered or dropped as Raft says; bad
  // contents never crash: they are dropped.
  void step(Message message);

  // Proposes on the leader, or hands on to it. kUnavailable: no leader known, a transfer under way, or we are
  // no member; kResourceExhausted: too much uncommitted. Success is no promise: the entry may be lost. It is
  // appended at most once, also where the network repeats messages.
  Result<void> propose(Bytes data);
  // kFailedPrecondition when a change is in flight (only the leader knows; handed on otherwise).
  Result<void> propose_conf_change(const ConfChange& change);
  // Asks for a read index; comes out as Ready::reads with this context. All asked before one take_ready()
  // share a round. kUnavailable without a leader.
  Result<void> read_index(std::uint64_t context);
  // Hands leadership to `to`, when it has caught up; given up after an election timeout. kFailedPrecondition:
  // `to` is no voter; kUnavailable: no leader.
  Result<void> transfer_leadership(NodeId to);
  // Starts a (pre-)election now: the connection to the leader was reset, or a test says so.
  void campaign();

  bool has_ready() const;
  Ready take_ready();
  // Everything of the Readys up to `number` is durable.
  void persisted(std::uint64_t number);
  // The state machine has applied up to here. REQUIRES: not beyond what Ready gave. (An installed snapshot
  // needs no call.)
  void applied(Index index);
  // Takes the effect of a committed kConfChange entry, before applied() of its index; returns the membership
  // to persist. A change that makes no sense any more changes nothing. A leader that is removed, or made a
  // learner, proposes nothing any more and goes on until a quorum of the others knows, a round trip later;
  // then one of them takes over. An owner that is to end waits for role() to change, within bounds.
  Membership apply_conf_change(const Entry& entry);

  // Entries up to `index` may be forgotten. REQUIRES: index <= applied.
  void compact(Index index);
  // The transport says: messages to `id` get lost; the snapshot to `id` was (not) delivered. Every kSnapshot
  // message must be answered by one report_snapshot(): until then nothing else is sent to its receiver.
  void report_unreachable(NodeId id);
  void report_snapshot(NodeId id, bool delivered);

  NodeStatus status() const;  // costs a copy
  NodeId id() const;
  Role role() const;
  NodeId leader() const;
  Term term() const;
  Index commit() const;
  Index last_index() const;
  // The first index still held; entries before it need a snapshot.
  Index first_index() const;
  // 0 when it is not held.
  Term term_at(Index index) const;
  // Entries from `from` on that are held and known to be committed, of at most `max_bytes` of data, at least
  // one; none where there is none.
  std::vector<Entry> committed_entries(Index from, std::size_t max_bytes) const;
  const Membership& membership() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::raft
