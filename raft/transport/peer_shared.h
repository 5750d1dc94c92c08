// What all parts of one HttpTransport share. Internal to raft/transport.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "raft/transport/http_transport.h"
#include "raft/transport/outbox.h"
#include "raft/transport/transport_metrics.h"

namespace keelson::raft {

// Version of the peer protocol; members of others are refused.
inline constexpr std::string_view kPeerProtocol = "1";

namespace peer_header {
inline constexpr char kCluster[] = "x-etcd-cluster-id";
inline constexpr char kFrom[] = "x-server-from";
inline constexpr char kTo[] = "x-raft-to";
inline constexpr char kProtocol[] = "x-keelson-peer-protocol";
inline constexpr char kPeerUrls[] = "x-peerurls";
inline constexpr char kReturn[] = "x-keelson-return";  // "1": frames in the reply's body are read
inline constexpr char kReceived[] = "x-snapshot-received";
}  // namespace peer_header

inline constexpr char kRemovedText[] = "the member has been permanently removed from the cluster";

// What one turn encodes before it is written.
inline constexpr std::size_t kTurnBytes = std::size_t{512} << 10;

enum class StreamKind : std::uint8_t { kControl = 0, kAppend = 1, kApp = 2 };
inline constexpr const char* kStreamPaths[] = {"/raft/stream/control", "/raft/stream/append",
                                               "/raft/stream/app"};
inline constexpr char kSnapshotPath[] = "/raft/snapshot";
inline constexpr char kProbePath[] = "/raft/probing";

struct PeerShared {
  explicit PeerShared(HttpTransportOptions o)
      : options(std::move(o)), metrics(options.metrics), tls_(options.tls) {}

  const HttpTransportOptions options;
  TransportMetrics metrics;

  std::optional<net::TlsClientConfig> tls() const {
    std::lock_guard lock(mu_);
    return tls_;
  }
  void set_tls(std::optional<net::TlsClientConfig> tls) {
    std::lock_guard lock(mu_);
    tls_ = std::move(tls);
  }
  // What every request to `to` carries.
  net::Headers headers(NodeId to) const {
    std::string urls;
    for (const auto& u : options.peer_urls) urls += (urls.empty() ? "" : ",") + u;
    return {{peer_header::kCluster, hex_id(options.cluster_id)},
            {peer_header::kFrom, hex_id(options.self.value())},
            {peer_header::kTo, hex_id(to.value())},
            {peer_header::kProtocol, std::string(kPeerProtocol)},
            {peer_header::kPeerUrls, urls},
            {peer_header::kReturn, "1"}};
  }
  // The way back to `id` on a stream of `kind` that it has opened to us, for who cannot reach it; null: there is
  // none. What is pushed is sent as long as that stream stands.
  std::shared_ptr<Outbox> return_path(NodeId id, StreamKind kind) const {
    std::lock_guard lock(mu_);
    const auto it = return_paths_.find({id, kind});
    return it == return_paths_.end() ? nullptr : it->second;
  }
  void add_return_path(NodeId id, StreamKind kind, std::shared_ptr<Outbox> path) {
    std::lock_guard lock(mu_);
    return_paths_[{id, kind}] = std::move(path);
  }
  // Unless a newer one has taken its place.
  void drop_return_path(NodeId id, StreamKind kind, const std::shared_ptr<Outbox>& path) {
    std::lock_guard lock(mu_);
    const auto it = return_paths_.find({id, kind});
    if (it != return_paths_.end() && it->second == path) return_paths_.erase(it);
  }
  PeerMetrics peer_metrics(NodeId id) {
    return metrics.peer(hex_id(options.self.value()), hex_id(id.value()));
  }

 private:
  mutable std::mutex mu_;
  std::optional<net::TlsClientConfig> tls_;
  std::map<std::pair<NodeId, StreamKind>, std::shared_ptr<Outbox>> return_paths_;
};

}  // namespace keelson::raft
