// PeerHandler: the receiving side of an HttpTransport: streams and snapshots of other members, and what
// anyone may ask on the peer port. Internal to raft/transport.
//
// Thread rule: any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "net/http.h"
#include "raft/transport/peer_shared.h"

namespace keelson::raft {

class PeerHandler final : public net::Handler {
 public:
  // What it needs of the transport.
  struct Hooks {
    std::function<bool(NodeId)> is_removed;
    // A member of this cluster has come, which answers at these URLs.
    std::function<void(NodeId, std::vector<std::string> urls)> on_sender;
    std::function<PeerMetrics(NodeId)> metrics;
  };
  PeerHandler(std::shared_ptr<PeerShared> shared, Hooks hooks)
      : shared_(std::move(shared)), hooks_(std::move(hooks)) {}

  Task<> handle(net::Exchange& x) override;

 private:
  struct Refusal {
    int status = 0;
    std::string text;
  };
  class Receiving;

  Task<> serve(net::Exchange& x);
  Task<> answer(net::Exchange& x, int status, std::string type, std::string body);
  // Who sends, or why it is refused.
  std::expected<NodeId, Refusal> check(const net::Request& request) const;
  Task<> receive_stream(net::Exchange& x, StreamKind kind, NodeId from);
  Task<> read_stream(net::Exchange& x, StreamKind kind, NodeId from);
  // `used`: set when something was sent.
  static Task<> write_back(net::Exchange& x, std::shared_ptr<Outbox> back, bool& used);
  Task<> receive_snapshot(net::Exchange& x, NodeId from);
  // The first frame of a snapshot's stream.
  Task<Result<Message>> read_announcement(net::Exchange& x, class FrameReader& frames);
  Task<Result<void>> receive_chunks(net::Exchange& x, class FrameReader& frames, SnapshotSink& to,
                                    NodeId from);

  const std::shared_ptr<PeerShared> shared_;
  const Hooks hooks_;
  std::mutex mu_;
  std::set<NodeId> receiving_;  // whose snapshots come in
};

}  // namespace keelson::raft
