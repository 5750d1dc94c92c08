// SimMember: one member of the simulated cluster: a Replica with a disk, a clock and a place in the network
// of its own, and a life: it starts, is paused, crashes, and starts again from what its disk has kept.
//
// Whatever comes to it is done at once, or waits while it is paused or its last step still waits for the
// disk.
//
// Thread rule: one thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "chaos/sim/sim_clock.h"
#include "chaos/sim/sim_disk.h"
#include "chaos/sim/sim_network.h"
#include "kvstore/server/metrics.h"
#include "kvstore/server/replica.h"

namespace keelson::sim {

class World;
class Observer;

// What the member has told others that it has made durable: after a restart it must still know.
struct Promises {
  raft::Term term;
  raft::Term vote_term;
  raft::NodeId vote;
  raft::Index last;      // acknowledged up to here …
  raft::Term last_term;  // … with this term there
};

class SimMember final : public Endpoint {
 public:
  using Input = std::move_only_function<void(kvstore::Replica&)>;

  SimMember(World& world, kvstore::MemberInfo info, std::vector<kvstore::MemberInfo> members, bool join);
  ~SimMember() override;

  raft::NodeId id() const { return id_; }
  const std::string& name() const { return name_; }
  bool up() const { return replica_ != nullptr; }
  kvstore::Replica* replica() { return replica_.get(); }
  SimDisk& disk() { return disk_; }
  SimClock& clock() { return clock_; }
  Promises& promises() { return promises_; }

  // Opens the disk. False when it did not: tried again later, or never (`lost`).
  bool start();
  // The process dies; with `power` the machine does.
  void crash(bool power);
  void pause(Duration d);
  // Does `input` now or later; dropped when it is down, or dies before.
  void input(Input input);
  // As a client's request; false when the member is down.
  bool submit(kvstore::PendingPtr p);

  // ---- Endpoint
  std::uint64_t life() const override { return replica_ == nullptr ? 0 : life_; }
  MonoTime died_at() const override { return died_at_; }
  Duration ahead() const override { return disk_.busy(); }
  void deliver(raft::Message message) override;
  void deliver_app(raft::NodeId from, Bytes payload) override;
  void unreachable(raft::NodeId id, bool reset) override;
  void snapshot_sent(raft::NodeId to, bool delivered) override;
  Result<std::unique_ptr<raft::SnapshotSink>> receive_snapshot(const raft::Message& message) override;

  // ---- What has been done to it.
  enum class Damage : std::uint8_t {
    kNone,
    kVisible,    // its disk lies: it must notice, or be harmless
    kInvisible,  // its disk has forgotten without a trace what it once knew: it must not vote any more
    kCut,        // its log was cut off: it must notice where the database proves that something is missing
    kDiverged,   // its memory lies: the others must notice
  };
  Damage damage = Damage::kNone;
  MonoTime damaged_at{};
  bool lost = false;  // never starts again: to be removed and replaced
  bool over = false;  // was removed, and is gone
  MonoTime buried_at{};
  std::string damage_text;
  raft::Index durable_at_cut;

  // For the invariants: when it last heard of a live leader of its term, in its own ticks.
  std::uint64_t ticks = 0;
  std::uint64_t heard_at_tick = 0;
  raft::Term heard_term;  // 0: never
  // The same before its current step: what is sent in a step may answer the first message of many.
  raft::Term heard_term_before;
  std::uint64_t heard_at_tick_before = 0;
  raft::Term led_term;   // it was seen to lead
  raft::Index led_from;  // what was committed, as far as it knew, before it did
  raft::Index seen_commit;
  raft::Index seen_applied;
  raft::Index opened_at;  // applied when it was opened: nobody looked on until there
  std::uint64_t seen_installs = 0;
  std::uint64_t seen_repairs = 0;
  bool repairing = false;  // its log, from the others: until then it keeps its damage
  raft::Membership seen_membership;

 private:
  void run(Input& input);
  void drain();
  void schedule_wake();
  void schedule_tick();
  void end(bool power);

  World& world_;
  const raft::NodeId id_;
  const std::string name_;
  SimDisk disk_;
  SimClock clock_;
  Rng rng_;
  kvstore::StoreMetrics metrics_;
  kvstore::ReplicaOptions options_;
  std::unique_ptr<SimTransport> transport_;
  std::unique_ptr<kvstore::Replica> replica_;
  std::unique_ptr<Observer> observer_;
  std::uint64_t life_ = 0;
  bool opened_before_ = false;
  bool running_ = false;
  std::uint64_t known_disk_errors_ = 0;
  MonoTime died_at_{};
  MonoTime free_at_{};  // its last step is done
  MonoTime paused_until_{};
  bool wake_scheduled_ = false;
  bool tick_waits_ = false;
  std::deque<Input> inbox_;
  Promises promises_;
};

}  // namespace keelson::sim
