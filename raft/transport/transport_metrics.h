// TransportMetrics: the traffic between members under etcd's names. Without a registry everything is counted
// for nobody. Thread rule: any thread.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <memory>
#include <string>

namespace keelson::raft {

// Of one peer; looked up once per peer.
struct PeerMetrics {
  prometheus::Counter& sent_bytes;
  prometheus::Counter& received_bytes;
  prometheus::Counter& sent_failures;
  prometheus::Counter& received_failures;
  prometheus::Gauge& active;
  prometheus::Counter& disconnected;
  prometheus::Histogram& round_trip;
  prometheus::Counter& snapshots_sent;
  prometheus::Counter& snapshots_failed;
  prometheus::Gauge& snapshots_sending;
  prometheus::Histogram& snapshot_seconds;
  prometheus::Counter& snapshots_received;
  prometheus::Counter& snapshots_receive_failed;
};

class TransportMetrics {
 public:
  // `registry` may be null; else it outlives this.
  explicit TransportMetrics(prometheus::Registry* registry);
  // `local`, `remote`: ids in hexadecimal.
  PeerMetrics peer(const std::string& local, const std::string& remote);

 private:
  std::shared_ptr<prometheus::Registry> registry_;
};

}  // namespace keelson::raft
