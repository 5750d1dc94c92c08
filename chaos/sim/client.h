// SimClient: one client of the simulated cluster: a state machine that does one operation at a time on one
// member, waits for its answer up to a timeout, writes down what it saw, thinks, and goes on, elsewhere when
// it was disappointed. It never repeats an operation. Thread rule: one thread.
#pragma once

#include <map>
#include <vector>

#include "base/rng.h"
#include "chaos/sim/member.h"
#include "jepsen/history.h"

namespace keelson::sim {

class SimClient {
 public:
  SimClient(World& world, int number, Rng rng, Duration think);
  void start();
  void member_died(const SimMember& member);
  // Does nothing new; false while an operation is under way.
  bool rest();
  // Its last operation was acknowledged after `since`.
  bool served_since(MonoTime since) const { return last_ok_ >= since; }

 private:
  struct Lease {
    kvstore::LeaseId id = 0;
    bool granted = false;
  };
  void next();
  void choose();
  void choose_txn();
  void choose_lease();
  void arrive();
  void submit(SimMember& member);
  void read(SimMember& member, std::uint64_t serial);
  void answer(std::uint64_t serial, std::optional<Error> error);
  void finish(jepsen::Op::Status status, std::string error);
  void learn();
  std::string key();
  std::string value();
  kvstore::TxnOp put(std::string key, kvstore::LeaseId lease = 0);
  kvstore::TxnOp get(std::string key);
  kvstore::TxnOp del(std::string key, std::string end = {});
  SimMember* server();

  World& world_;
  const int number_;
  Rng rng_;
  const Duration think_;
  raft::NodeId member_;
  jepsen::Op op_;
  bool busy_ = false;
  bool resting_ = false;
  std::uint64_t serial_ = 0;  // of op_; older answers are for nobody
  std::uint64_t values_ = 0;
  kvstore::Revision known_ = 1;  // newest revision seen
  std::map<std::string, kvstore::Revision> mods_;
  std::vector<Lease> leases_;
  kvstore::LeaseId next_lease_ = 1;
  MonoTime last_ok_{};
};

}  // namespace keelson::sim
