// Nemesis: what goes wrong in a world. Each seed draws which kinds of trouble it has and how often; then one
// thing after another goes wrong, for a while.
//
// Trouble that no protocol survives is not made: at most one voter at a time has lost or falsified what it
// had acknowledged, and only in a cluster of three or more that is whole. It comes back as a new member.
//
// Thread rule: one thread.
#pragma once

#include <functional>
#include <vector>

#include "base/rng.h"
#include "chaos/sim/member.h"

namespace keelson::sim {

class Nemesis {
 public:
  Nemesis(World& world, Rng rng);
  void start();
  // No new trouble; what has no end of its own ends.
  void stop();
  // `leader` has just entered a joint membership: perhaps the network now breaks between it, with those who
  // come, and all others of the old membership, so that each side has a majority of one of the two.
  void at_the_seam(SimMember& leader);

 private:
  struct Trouble {
    const char* name;
    int weight;
    void (Nemesis::*make)();
  };
  void next();
  SimMember* victim();
  Duration for_a_while(int ms_max);
  // A member that may be damaged now; null when none may.
  SimMember* expendable();
  void damaged(SimMember& m, SimMember::Damage kind, std::string text);
  void crash_soon(SimMember& m);

  void network_weather();
  void partition();
  void cut(std::vector<raft::NodeId> one, std::vector<raft::NodeId> other, Duration time);
  void partition_one_way();
  void partition_asymmetric();
  void swizzle();
  void slow_link();
  void crash();
  void crash_all();
  void power_cut();
  void sync_error();
  void full_disk();
  void slow_disk();
  void pause();
  void jump_clock();
  void skew_clock();
  void wipe();
  void rot();
  void misdirect();
  void cut_log();
  void diverge();

  World& world_;
  Rng rng_;
  bool stopped_ = false;
  Duration pace_;
  std::vector<Trouble> troubles_;
  int weights_ = 0;
};

}  // namespace keelson::sim
