// What all parts of one HttpTransport share. Internal to raft/transport.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "raft/transport/http_transport.h"
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
inline constexpr char kReceived[] = "x-snapshot-received";
}  // namespace peer_header

inline constexpr char kRemovedText[] = "the member has been permanently removed from the cluster";

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
            {peer_header::kPeerUrls, urls}};
  }
  PeerMetrics peer_metrics(NodeId id) {
    return metrics.peer(hex_id(options.self.value()), hex_id(id.value()));
  }

 private:
  mutable std::mutex mu_;
  std::optional<net::TlsClientConfig> tls_;
};

}  // namespace keelson::raft
