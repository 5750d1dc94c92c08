// ReadIndex (dissertation §6.4), both ends of it.
//
// On the leader requests are gathered into rounds: the commit index when a round opens answers all of its
// requests, once a quorum has answered a heartbeat sent after that. Rounds are numbered; heartbeats carry the
// newest, so an answer to one confirms all before it. A round asks no more members than a quorum needs; the
// next regular heartbeat, which goes to all, asks the others where one of those keeps silent.
//
// On a follower the contexts asked between two Readys travel as one request to the leader.
//
// Thread rule: one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

#include "raft/core/types.h"

namespace keelson::raft {

struct ReadState {
  std::uint64_t context = 0;  // of read_index()
  Index index;                // once applied up to here the read is linearizable
  bool aborted = false;       // no leader any more: ask again or tell the client
};

class ReadRounds {
 public:
  struct Request {
    NodeId from;  // who asked; our own id: this member
    std::uint64_t context = 0;
  };
  struct Answer {
    Request request;
    Index index;
  };

  void add(Request request) { waiting_.push_back(request); }
  bool waiting() const { return !waiting_.empty(); }
  std::vector<Request> take_waiting() { return std::exchange(waiting_, {}); }
  // The newest round opened; 0: none yet.
  std::uint64_t newest() const { return newest_; }
  // At most two rounds are under way, so that under load they grow instead of becoming many.
  bool may_open() const { return !waiting_.empty() && open_.size() < 2; }
  bool under_way() const { return !open_.empty(); }
  // A round of everything that waits; possibly of nothing, to renew a lease.
  void open(Index commit, std::uint64_t tick);
  // All rounds up to `round` are confirmed. Returns the tick of the newest of them, 0 where there is nothing
  // new.
  std::uint64_t confirm(std::uint64_t round, std::vector<Answer>& out);
  // Forgets everything, telling what was asked.
  std::vector<Request> drain();

 private:
  struct Round {
    std::uint64_t number = 0;
    Index index;
    std::uint64_t tick = 0;
    std::vector<Request> requests;
  };
  std::vector<Request> waiting_;
  std::deque<Round> open_;
  std::uint64_t newest_ = 0;
};

class ReadForwards {
 public:
  // `first`: number of the first request. A random one, so that no answer to a former life is taken for ours.
  explicit ReadForwards(std::uint64_t first) : next_(first) {}

  void add(std::uint64_t context) { waiting_.push_back(context); }
  bool waiting() const { return !waiting_.empty(); }
  bool empty() const { return waiting_.empty() && sent_.empty(); }
  // The number under which all that waits is sent now.
  std::uint64_t send(std::uint64_t tick);
  void answered(std::uint64_t number, Index index, std::vector<ReadState>& out);
  // Gives up what was sent before `tick`, or everything.
  void expire(std::uint64_t tick, std::vector<ReadState>& out);
  void abort(std::vector<ReadState>& out);

 private:
  struct Sent {
    std::uint64_t number = 0;
    std::uint64_t tick = 0;
    std::vector<std::uint64_t> contexts;
  };
  std::uint64_t next_;
  std::vector<std::uint64_t> waiting_;
  std::deque<Sent> sent_;
};

}  // namespace keelson::raft
