// HttpTransport: members reach one another by HTTP/2 on the peer port (--listen-peer-urls), with mutual TLS
// or plain (docs/formats/peer_protocol.md).
//
//   auto t = HttpTransport::create({.self = …, .cluster_id = …, .sink = &replica_host, …});
//   Server::listen({.port = 2380, .tls = …}, executors, t->handler(), clock, logger);   the owner's, its TLS
//   too t->set_peer(id, urls); … t->send(messages); … co_await server->stop(…); co_await t->stop();
//
// To each peer go three long-lived streams, each a POST whose body never ends:
//   control   votes, heartbeats, replies: small, on a connection of their own, so that nothing stands before
//             them
//   append    entries; bounded by bytes
//   app       what kvstore/server says; beside the appends on their connection
// and, on a connection for each, snapshots: chunks with checksums, resumed where the receiver says after the
// connection broke. A stream's end comes back at once: the sender learns that a peer died, reports
// on_unreachable(reset) and dials again, at growing intervals. Who does not reach a peer that reaches it (a
// firewall, or its certificate is refused there) says what it has to say on the way back of that peer's streams,
// but for snapshots.
//
//   send() ─▶ Outbox ─▶ encode ─▶ one write per turn ─▶ … ─▶ FrameReader ─▶ decode ─▶ TransportSink
//   caller    └───────── the peer's executor ────────┘       └── the connection's executor ──┘
//
// Every request names cluster, sender, receiver and protocol version; what does not match is refused with a
// reason, a removed member with 410. Who is unknown here but of this cluster (it learned of us first) is
// accepted, and answered at the peer URLs that it names.
//
// Thread rule: any thread, but for create() and stop().
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "net/client.h"
#include "net/http.h"
#include "raft/transport/member_list.h"
#include "raft/transport/transport.h"

namespace prometheus {
class Registry;
}

namespace keelson::raft {

struct HttpTransportOptions {
  NodeId self;
  std::uint64_t cluster_id = 0;
  std::vector<std::string> peer_urls;  // our own, as others reach us
  // For https:// peers.
  std::optional<net::TlsClientConfig> tls;
  std::string local_address;  // IP that connections to others come from; empty: the kernel's choice
  TransportSink* sink = nullptr;  // REQUIRED; outlives the transport
  // Io threads; at least one. Control streams live on the first.
  std::vector<Executor> executors;
  // For reading and writing snapshots; blocking is allowed there.
  Executor workers;
  Clock* clock = nullptr;  // REQUIRED; outlives the transport
  Logger logger;
  prometheus::Registry* metrics = nullptr;  // outlives the transport
  // Told to everybody who asks: GET /members, GET /version. Any thread.
  std::function<std::vector<PeerMember>()> members;
  std::function<std::string()> version_json;
  // Members removed long ago, beside those of remove_peer(). Any thread.
  std::function<bool(NodeId)> is_removed;

  std::size_t control_messages_max = 4096;  // per peer, not yet sent
  std::size_t append_bytes_max = std::size_t{128} << 20;
  std::size_t app_bytes_max = std::size_t{64} << 20;
  Duration connect_timeout = std::chrono::seconds(1);
  Duration retry_min = std::chrono::milliseconds(25);  // doubled at each failure
  Duration retry_max = std::chrono::milliseconds(500);
  Duration probe_every = std::chrono::seconds(5);  // round trips for the metrics
  std::size_t snapshot_chunk_bytes = std::size_t{256} << 10;
  // A snapshot is given up after so many attempts in a row without progress.
  int snapshot_attempts = 6;
};

class HttpTransport : public Transport {
 public:
  static std::unique_ptr<HttpTransport> create(HttpTransportOptions options);
  // Serves the peer port; lives as long as the transport. Its exchanges end by themselves when the server
  // stops.
  virtual net::Handler& handler() = 0;
  // For connections made from now on.
  virtual void set_tls(std::optional<net::TlsClientConfig> tls) = 0;
  // Ends everything; the sink is not called any more. Snapshots under way are reported as not delivered.
  // REQUIRES: the servers of handler() have stopped. Afterwards nothing else is called.
  virtual Task<> stop() = 0;
};

}  // namespace keelson::raft
