#include "raft/transport/transport_metrics.h"

namespace keelson::raft {
namespace {

using prometheus::Labels;
using prometheus::Registry;

prometheus::Counter& counter(Registry& r, const char* name, const char* help, const Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(r).Add(labels);
}
prometheus::Gauge& gauge(Registry& r, const char* name, const char* help, const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(r).Add(labels);
}
prometheus::Histogram& histogram(Registry& r, const char* name, const char* help, double first, int buckets,
                                 const Labels& labels) {
  prometheus::Histogram::BucketBoundaries bounds;
  for (double b = first; buckets > 0; --buckets, b *= 2) bounds.push_back(b);
  return prometheus::BuildHistogram().Name(name).Help(help).Register(r).Add(labels, bounds);
}

}  // namespace

TransportMetrics::TransportMetrics(Registry* registry)
    : registry_(registry != nullptr ? std::shared_ptr<Registry>(registry, [](auto*) {})
                                    : std::make_shared<Registry>()) {}

PeerMetrics TransportMetrics::peer(const std::string& local, const std::string& remote) {
  Registry& r = *registry_;
  const Labels to{{"To", remote}};
  const Labels from{{"From", remote}};
  const Labels both{{"Local", local}, {"Remote", remote}};
  return {
      counter(r, "etcd_network_peer_sent_bytes_total", "Bytes sent to a peer.", to),
      counter(r, "etcd_network_peer_received_bytes_total", "Bytes received from a peer.", from),
      counter(r, "etcd_network_peer_sent_failures_total", "Failures to send to a peer.", to),
      counter(r, "etcd_network_peer_received_failures_total", "Failures to receive from a peer.", from),
      gauge(r, "etcd_network_active_peers", "1 while the connection to a peer stands.", both),
      counter(r, "etcd_network_disconnected_peers_total", "Connections to a peer that broke.", both),
      histogram(r, "etcd_network_peer_round_trip_time_seconds", "Round trips to a peer.", 0.0001, 16, to),
      counter(r, "etcd_network_snapshot_send_success", "Snapshots sent to a peer.", to),
      counter(r, "etcd_network_snapshot_send_failures", "Snapshots that could not be sent to a peer.", to),
      gauge(r, "etcd_network_snapshot_send_inflights_total", "Snapshots under way to a peer.", to),
      histogram(r, "etcd_network_snapshot_send_total_duration_seconds", "Time to send a snapshot.", 0.1, 10,
                to),
      counter(r, "etcd_network_snapshot_receive_success", "Snapshots received from a peer.", from),
      counter(r, "etcd_network_snapshot_receive_failures", "Snapshots from a peer that broke off.", from),
  };
}

}  // namespace keelson::raft
