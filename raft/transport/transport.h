// Transport: how members reach one another. The real one is raft/transport/http_transport.h (HTTP/2 streams
// over mutual TLS), the simulator has its own.
//
// Nothing here blocks: what cannot be sent now is queued within bounds, or dropped and reported. Raft repeats
// what is lost.
//
// Thread rule: Transport: any thread. Sink: called on any thread; it must hand over and return, but for what
// on_messages() says.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/error.h"
#include "raft/core/message.h"

namespace keelson::raft {

// A snapshot's bytes on the sending side: read in order, or again from an offset when a stream is resumed.
// Used by one thread at a time, not the store's.
class SnapshotSource {
 public:
  virtual ~SnapshotSource() = default;
  // The next piece at `offset`, at most `max` bytes; empty at the end. The same offset gives the same bytes.
  virtual Result<std::string> read(std::uint64_t offset, std::size_t max) = 0;
};

// A snapshot's bytes on the receiving side.
class SnapshotSink {
 public:
  virtual ~SnapshotSink() = default;
  // How much is here already: where a resumed stream goes on.
  virtual std::uint64_t received() const = 0;
  virtual Result<void> write(std::string_view piece) = 0;
  // All is here. The owner steps the kSnapshot message into its node.
  virtual Result<void> finish() = 0;
};

class TransportSink {
 public:
  virtual ~TransportSink() = default;
  // What came together from one member, in its order; not empty. Called on a thread of the transport's, which
  // may be held up for the time of a short write to the disk.
  virtual void on_messages(std::vector<Message> messages) = 0;
  // What a member sends outside consensus: forwarded requests, state hashes (kvstore/server).
  virtual void on_app(NodeId from, Bytes payload) = 0;
  // Messages to `id` may have been lost. `reset`: the connection broke, rather than a full queue.
  virtual void on_unreachable(NodeId id, bool reset) = 0;
  virtual void on_snapshot_sent(NodeId to, bool delivered) = 0;
  // The stream that proposals to `id` travel on broke: those under way may be lost.
  virtual void on_proposals_lost(NodeId id) { (void)id; }
  // Peer `by` says that this member was removed from the cluster for good.
  virtual void on_removed(NodeId by) { (void)by; }
  // A member begins to send the snapshot of `message`. The same (index, term, size-independent) snapshot from
  // the same sender goes on where it stopped.
  virtual Result<std::unique_ptr<SnapshotSink>> on_snapshot(const Message& message) = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;
  // In order per receiver and kind; appends never stand before heartbeats and votes.
  virtual void send(std::vector<Message> messages) = 0;
  virtual void send_app(NodeId to, Bytes payload) = 0;
  // Streams `source` and then hands `message` (kSnapshot) to the receiver. At most one per receiver at a
  // time: a second is refused by on_snapshot_sent(to, false).
  virtual void send_snapshot(Message message, std::unique_ptr<SnapshotSource> source) = 0;
  // Adds a peer or changes its URLs.
  virtual void set_peer(NodeId id, std::vector<std::string> urls) = 0;
  virtual void remove_peer(NodeId id) = 0;
  // Since when `id` answers; nullopt while it does not.
  virtual std::optional<MonoTime> active_since(NodeId id) const = 0;
};

}  // namespace keelson::raft
