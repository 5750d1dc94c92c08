// World: a simulated cluster with its clients and its troubles, from one seed, on one thread, in virtual
// time.
//
//   RunResult r = run_world({.seed = 42});       r.violations: empty, or why the seed fails
//
// The troubles last until the clients have done their work; then everything is healed and the cluster must
// come to rest: one leader, all members at one index with one hash, every watch up to date.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "chaos/sim/counters.h"
#include "chaos/sim/event_queue.h"
#include "chaos/sim/invariants.h"
#include "chaos/sim/member.h"
#include "chaos/sim/sim_network.h"
#include "chaos/sim/trace.h"
#include "jepsen/history.h"
#include "jepsen/watch_check.h"
#include "kvstore/server/replica.h"

namespace keelson::sim {

struct WorldOptions {
  std::uint64_t seed = 1;
  std::uint64_t operations = 5000;  // acknowledged, before the end
  kvstore::ReplicaFaults faults;    // planted bugs
  std::FILE* trace = nullptr;
  bool member_logs = false;  // with the trace
  // Gets the clients' history, then what the store says that happened, as JSON lines (jepsen/history.h).
  std::FILE* history = nullptr;
};

struct RunResult {
  jepsen::Violations violations;
  Counters counters;
  std::uint64_t digest = 0;
  std::uint64_t events = 0;
  Duration virtual_time{};
};

RunResult run_world(const WorldOptions& options);

class SimClient;
class SimWatch;
class Nemesis;
class Operator;

class World {
 public:
  explicit World(const WorldOptions& options);
  ~World();
  RunResult run();

  // ---- For its parts.
  const WorldOptions& options() const { return options_; }
  EventQueue& events() { return events_; }
  MonoTime now() const { return events_.now(); }
  Rng& rng() { return rng_; }
  SimNetwork& network() { return network_; }
  Counters& counters() { return counters_; }
  Trace& trace() { return trace_; }
  Invariants& invariants() { return invariants_; }
  Operator& fleet() { return *operator_; }
  // What fits in one message between members: little in some worlds, so that entries of several terms come
  // apart.
  std::size_t append_bytes() const { return append_bytes_; }
  // So little in some worlds that puts are refused now and then, until a compaction has made room. 0: no end.
  std::uint64_t quota_bytes() const { return quota_bytes_; }

  const std::vector<std::unique_ptr<SimMember>>& members() const { return members_; }
  SimMember* member(raft::NodeId id);
  SimMember& add_member(kvstore::MemberInfo info, std::vector<kvstore::MemberInfo> members, bool join);
  // A member that is up; null when none is.
  SimMember* random_up(Rng& rng);
  // The leader of the highest term, as members see themselves.
  SimMember* leader();
  // The membership, and who the members are, as of the member that has applied most.
  const raft::Membership& membership();
  const std::vector<kvstore::MemberInfo>& cluster();
  // Every voter goes by the membership `m`: whom it has left is not needed any more.
  bool all_know(const raft::Membership& m);
  // Starts it some time soon, and again until it opens.
  void restart_later(SimMember& member);
  void member_died(SimMember& member);
  // A leader goes by two memberships from this step on.
  void entered_joint(SimMember& leader);

  void violation(const std::string& property, const std::string& text);
  bool failed() const { return !result_.violations.empty(); }
  bool healing() const { return healing_; }
  void note(const std::string& who, const std::string& text) { trace_.line(now(), who, text); }

  std::vector<jepsen::Op>& history() { return history_; }
  std::vector<jepsen::WatchRecord>& watch_history() { return watch_history_; }
  // Newest compaction that a client asked for.
  kvstore::Revision compacted = 0;
  std::uint64_t next_op_id = 1;

 private:
  void build();
  void look_at_cluster();
  void run_for(Duration d);
  // Runs until `done` says so; a violation of liveness when it does not within `limit`.
  bool run_until(Duration limit, const std::function<bool(std::string& why)>& done);
  void heal();
  bool at_rest(std::string& why);
  void come_to_rest();
  void check_history();

  const WorldOptions options_;
  EventQueue events_;
  Rng rng_;
  Counters counters_;
  Trace trace_;
  SimNetwork network_;
  Invariants invariants_;
  std::vector<std::unique_ptr<SimMember>> members_;
  std::vector<std::unique_ptr<SimClient>> clients_;
  std::vector<std::unique_ptr<SimWatch>> watches_;
  std::unique_ptr<Nemesis> nemesis_;
  std::unique_ptr<Operator> operator_;
  std::vector<jepsen::Op> history_;
  std::vector<jepsen::WatchRecord> watch_history_;
  raft::Index looked_at_;
  raft::Membership membership_;
  std::vector<kvstore::MemberInfo> cluster_;
  RunResult result_;
  bool healing_ = false;
  std::size_t append_bytes_ = std::size_t{1} << 20;
  std::uint64_t quota_bytes_ = 0;
};

}  // namespace keelson::sim
