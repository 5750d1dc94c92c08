// Node::Impl: the state of one member, and its rules, by file:
//
//   node.cc             construction, the public face       node_leader.cc      proposals, replication,
//   commit node_ready.cc       Ready, persisted, applied           node_follower.cc    append, heartbeat,
//   snapshot node_step.cc        messages by term and role; time     node_reads.cc       ReadIndex, leases
//   node_election.cc    campaigns, votes, changes of role   node_membership.cc  changes of membership
//
// Internal to raft/core.
#pragma once

#include <vector>

#include "raft/core/follower.h"
#include "raft/core/forward_filter.h"
#include "raft/core/log.h"
#include "raft/core/node.h"
#include "raft/core/quorum.h"

namespace keelson::raft {

struct Node::Impl {
  Impl(NodeConfig config, Restored restored, Rng& rng);

  // --- public face (node.h) ---
  void tick();
  void step(Message m);
  Result<void> propose(Bytes data);
  Result<void> propose_conf_change(const ConfChange& change);
  Result<void> read_index(std::uint64_t context);
  Result<void> transfer_leadership(NodeId to);
  void campaign();
  bool has_ready() const;
  Ready take_ready();
  void persisted(std::uint64_t number);
  void applied_to(Index index);
  Membership apply_conf_change(const Entry& entry);
  void report_unreachable(NodeId id);
  void report_snapshot(NodeId id, bool delivered);
  NodeStatus status() const;

  // --- messages ---
  void send(Message m);
  void step_older_term(Message& m);
  void step_leader(Message& m);
  void step_follower(Message& m);
  void tick_leader();
  void tick_follower();

  // --- election ---
  bool hears_leader() const;
  bool may_campaign() const;
  void start_pre_vote();
  void start_election(bool force);
  void request_vote(NodeId to, bool pre, bool force);
  void on_vote_request(const Message& m);
  void on_vote_reply(const Message& m);
  void tally();
  void become_follower(Term t, NodeId leader_id);
  void become_leader();
  void reset();
  void set_leader(NodeId leader_id);
  template <class F>
  VoteResult vote_result(F&& vote_of) const;
  template <class F>
  std::uint64_t quorum_reached(F&& reached) const;

  // --- leader ---
  Follower* find(NodeId node);
  void rebuild_followers();
  void append(Bytes data, EntryType type);
  void on_forwarded(Message& m);
  void take_forwarded(Message m);
  void give_back(Message& m, bool overload);
  void retry_held();
  void return_held();
  void replicate_all();
  void replicate(Follower& f);
  bool send_append(Follower& f, bool with_entries);
  void send_snapshot(Follower& f);
  void send_heartbeats();
  void send_heartbeat(const Follower& f);
  void on_append_reply(const Message& m);
  void on_heartbeat_reply(const Message& m);
  void maybe_commit();
  bool quorum_is_active();
  Result<void> start_transfer(NodeId to);
  void maybe_finish_transfer(const Follower& f);

  // --- follower ---
  void on_append(Message& m);
  void on_heartbeat(const Message& m);
  void on_snapshot(const Message& m);
  void flush_forwards();
  void on_returned(Message& m);
  void return_forwards();
  void on_forwarded_late(Message& m);

  // --- reads ---
  bool committed_in_term() const { return log.term_at(log.commit()) == term; }
  bool lease_holds() const;
  bool may_open_round() const;
  void answer_reads();
  void open_round();
  void ask_quorum();
  void confirm_rounds();
  void answer_read(const ReadRounds::Request& request, Index index);
  void abort_rounds();

  // --- membership ---
  void switch_membership(Membership next);
  void maybe_auto_leave();
  void maybe_step_down();
  Result<void> may_propose() const;
  // Appends the entry of a change. Refuses what makes no sense, or while another one is in flight.
  Result<void> append_conf_change(ConfChange change);

  NodeConfig config;
  Rng& rng;
  Log log;
  Membership membership;
  Term term;
  NodeId vote;
  Role role = Role::kFollower;
  NodeId leader;
  Index applied;

  std::uint64_t ticks = 0;
  int election_elapsed = 0;
  int heartbeat_elapsed = 0;
  int randomized_timeout = 0;
  std::uint64_t silent_until = 0;  // tick; kLease: no votes until leases from before our start are over

  // Candidates.
  std::vector<std::pair<NodeId, bool>> votes;
  bool self_vote_waits = false;        // for its hard state to be durable
  std::uint64_t self_vote_number = 0;  // of the Ready that carries it; 0: not handed out yet

  // The leader.
  std::vector<Follower> followers;  // by id; with this member itself
  bool want_replicate = false;
  Index pending_conf;  // no change of membership is proposed before this is applied
  std::size_t uncommitted_bytes = 0;
  bool leaving =
      false;  // a change in the log, or the membership, has us no voter: nothing is proposed any more
  NodeId transferee;
  int transfer_elapsed = 0;
  bool timeout_now_sent = false;  // in this term: its lease is void
  ReadRounds rounds;
  std::uint64_t heartbeats = 0;         // to all: the number of the newest
  std::size_t heartbeats_answered = 0;  // how many have answered it
  std::uint64_t asked_all = 0;          // the newest round in which everybody was asked
  std::uint64_t lease_until = 0;        // tick
  ForwardFilter forward_filter;         // of forward_term, when this member has led in it
  Term forward_term;
  std::vector<Message> held;  // kPropose that came while leadership is being handed over
  std::size_t held_bytes = 0;

  // What goes to the leader with the next Ready.
  std::vector<Entry> forwards;
  std::size_t forward_bytes = 0;
  std::uint64_t forward_number;
  ReadForwards read_forwards;
  ForwardFilter returned_filter;
  bool leader_gone = false;  // it has said so by giving back a proposal: it gets no more

  // What goes out with the next Ready, and what went out last.
  std::uint64_t ready_number = 0;
  std::vector<Message> out;
  std::vector<Message> out_after;
  std::vector<ReadState> reads;
  std::vector<Returned> returned;
  std::optional<SnapshotMeta> snapshot;
  HardState given;
  Role given_role = Role::kFollower;
  NodeId given_leader;
};

template <class F>
VoteResult Node::Impl::vote_result(F&& vote_of) const {
  if (config.faults.learner_counts && !membership.learners.empty()) {
    std::vector<NodeId> all = membership.voters;
    all.insert(all.end(), membership.learners.begin(), membership.learners.end());
    return joint_vote(all, membership.voters_old, vote_of);
  }
  if (config.faults.joint_counts_one_quorum) return majority_vote(membership.voters, vote_of);
  return joint_vote(membership.voters, membership.voters_old, vote_of);
}

template <class F>
std::uint64_t Node::Impl::quorum_reached(F&& reached) const {
  if (config.faults.learner_counts && !membership.learners.empty()) {
    std::vector<NodeId> all = membership.voters;
    all.insert(all.end(), membership.learners.begin(), membership.learners.end());
    return joint_reached(all, membership.voters_old, reached);
  }
  if (config.faults.joint_counts_one_quorum) return majority_reached(membership.voters, reached);
  return joint_reached(membership.voters, membership.voters_old, reached);
}

}  // namespace keelson::raft
