// SimWatch: a client that watches a range, on any member, for the whole run: when its stream ends it opens
// another where the last one stopped. Each stream is written down for jepsen/watch_check.
// Thread rule: one thread.
#pragma once

#include <memory>

#include "base/rng.h"
#include "chaos/sim/member.h"
#include "jepsen/watch_check.h"
#include "kvstore/store.h"

namespace keelson::sim {

class SimWatch {
 public:
  SimWatch(World& world, std::uint64_t number, Rng rng);
  ~SimWatch();
  void start();
  void member_died(const SimMember& member);
  // From now on it reads without pauses.
  void hurry();
  // Its stream lives, on a member that is up.
  bool watching() const { return session_ != nullptr && !session_->ended; }
  // Everything it should have got so far it has got: ends the last record.
  void conclude(kvstore::Revision complete_to);

 private:
  struct Session {
    SimMember* member = nullptr;
    std::unique_ptr<kvstore::WatchStream> stream;
    jepsen::WatchRecord record;
    bool ended = false;
    bool resting = false;  // a slow reader
  };
  void open();
  void close(kvstore::Revision complete_to);
  void reopen_later();
  void read_soon(std::uint64_t id, Duration after);
  void read();
  void got(Session& s, kvstore::WatchBatch batch);
  void ended(Session& s, const Error& why);

  World& world_;
  const std::uint64_t number_;
  Rng rng_;
  kvstore::WatchRequest request_;
  bool slow_ = false;
  bool reopening_ = false;
  std::unique_ptr<Session> session_;
  std::uint64_t sessions_ = 0;
};

}  // namespace keelson::sim
