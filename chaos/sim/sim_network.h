// SimNetwork: what carries messages between members, and everything that goes wrong on the way. Each ordered
// pair of members has a link of its own, so a partition can be one-way.
//
// A message leaves when the sender's disk has let it (its step's time so far) and is lost with the sender
// when that dies first. Links keep order unless told to reorder.
//
// Thread rule: one thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/rng.h"
#include "chaos/sim/counters.h"
#include "chaos/sim/event_queue.h"
#include "chaos/sim/trace.h"
#include "raft/transport/transport.h"

namespace keelson::sim {

struct NetworkFaults {  // probabilities per message
  double loss = 0;
  double duplicate = 0;
  double reorder = 0;
  double delay = 0;
  Duration delay_max{};
  // How often a lost message is reported to its sender.
  double report = 0.3;
};

// A member as the network sees it.
class Endpoint {
 public:
  virtual ~Endpoint() = default;
  // Rises when it dies; 0 while it is down.
  virtual std::uint64_t life() const = 0;
  // When it last died.
  virtual MonoTime died_at() const = 0;
  // The time its current step has taken so far.
  virtual Duration ahead() const = 0;
  virtual void deliver(raft::Message message) = 0;
  virtual void deliver_app(raft::NodeId from, Bytes payload) = 0;
  virtual void unreachable(raft::NodeId id, bool reset) = 0;
  virtual void snapshot_sent(raft::NodeId to, bool delivered) = 0;
  virtual Result<std::unique_ptr<raft::SnapshotSink>> receive_snapshot(const raft::Message& message) = 0;
};

class SimNetwork {
 public:
  SimNetwork(EventQueue& events, Rng rng, Counters& counters, Trace& trace)
      : events_(events), rng_(rng), counters_(counters), trace_(trace) {}
  ~SimNetwork();

  // `endpoint` outlives the network.
  void attach(raft::NodeId id, Endpoint* endpoint) { endpoints_[id] = endpoint; }
  NetworkFaults& faults() { return faults_; }
  // Nothing gets from `from` to `to`.
  void block(raft::NodeId from, raft::NodeId to, bool blocked) { links_[{from, to}].blocked = blocked; }
  // What is sent waits until the link is unclogged.
  void clog(raft::NodeId from, raft::NodeId to, bool clogged);
  // Takes this long one way, besides the usual.
  void slow(raft::NodeId from, raft::NodeId to, Duration by) { links_[{from, to}].extra = by; }
  void heal();
  bool reachable(raft::NodeId from, raft::NodeId to);

  void send(raft::NodeId from, raft::Message message);
  void send_app(raft::NodeId from, raft::NodeId to, Bytes payload);
  void send_snapshot(raft::NodeId from, raft::Message message, std::unique_ptr<raft::SnapshotSource> source);
  // Its snapshots under way end: called before it is destroyed.
  void died(raft::NodeId id);

 private:
  struct Link {
    bool blocked = false;
    bool clogged = false;
    Duration extra{};
    MonoTime last_arrival{};
    std::vector<EventQueue::Action> held;
  };
  struct Stream;

  // Runs `arrive` at the receiver, or never.
  void carry(raft::NodeId from, raft::NodeId to, std::move_only_function<void(Endpoint&)> arrive);
  void lost(raft::NodeId from, raft::NodeId to);
  void step_stream(const std::shared_ptr<Stream>& s);
  void end_stream(const std::shared_ptr<Stream>& s, bool delivered);
  Endpoint* alive(raft::NodeId id);

  EventQueue& events_;
  Rng rng_;
  Counters& counters_;
  Trace& trace_;
  NetworkFaults faults_;
  std::map<raft::NodeId, Endpoint*> endpoints_;
  std::map<std::pair<raft::NodeId, raft::NodeId>, Link> links_;
  std::vector<std::shared_ptr<Stream>> streams_;
};

// One member's end of it.
class SimTransport final : public raft::Transport {
 public:
  SimTransport(SimNetwork& network, raft::NodeId self) : network_(network), self_(self) {}
  void send(std::vector<raft::Message> messages) override;
  void send_app(raft::NodeId to, Bytes payload) override { network_.send_app(self_, to, std::move(payload)); }
  void send_snapshot(raft::Message message, std::unique_ptr<raft::SnapshotSource> source) override {
    network_.send_snapshot(self_, std::move(message), std::move(source));
  }
  void set_peer(raft::NodeId, std::vector<std::string>) override {}
  void remove_peer(raft::NodeId) override {}
  std::optional<MonoTime> active_since(raft::NodeId id) const override;

  // Sees every message before it is sent; false: it is not.
  std::function<bool(const raft::Message&)> admit;

 private:
  SimNetwork& network_;
  const raft::NodeId self_;
};

}  // namespace keelson::sim
