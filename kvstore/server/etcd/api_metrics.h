// ApiMetrics: the metrics of the gRPC API under etcd's names (grpc_server_*, etcd_network_client_grpc_*,
// etcd_server_client_requests_total), and the checks that every method shares: hasleader, learners, the
// client's API version. Updates are relaxed atomics; labels are looked up when Prometheus asks.
//
// Thread rule: any thread.
#pragma once

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kvstore/server/etcd/context.h"

namespace keelson::kvstore::etcd {

class ApiMetrics final : public net::GrpcInterceptor, public prometheus::Collectable {
 public:
  // `router` has all its methods already.
  ApiMetrics(ServiceContext& context, const net::GrpcRouter& router);
  ~ApiMetrics() override;

  Result<void> begin(std::size_t method, net::GrpcCall& call) override;
  void received(std::size_t method, std::size_t bytes) override;
  void sent(std::size_t method, std::size_t count, std::size_t bytes) override;
  void ended(std::size_t method, const net::GrpcCall& call, const Error* error, Duration took) override;
  bool timed() const override { return timed_ || c_.options.warning_unary_duration > Duration::zero(); }

  // For /health and its kin.
  void note_health(bool ok) { ++(ok ? health_success_ : health_failures_); }
  void note_check(const std::string& type, const std::string& name, bool ok);

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  static constexpr std::size_t kCodes = 17;
  static constexpr std::size_t kBuckets = 11;  // prometheus' default ones
  using Counter = std::atomic<std::uint64_t>;
  struct alignas(64) Method {
    std::string service;
    std::string name;
    const char* type = "unary";
    bool learner_serves = false;  // or looks itself
    Counter started{0};
    Counter received{0};
    Counter sent{0};
    std::array<Counter, kCodes> handled{};
    std::array<Counter, kBuckets + 1> took{};
    Counter took_ns{0};
  };
  struct Check {
    bool ok = false;
    std::uint64_t successes = 0;
    std::uint64_t errors = 0;
  };
  struct Client {
    explicit Client(std::string v) : version(std::move(v)) {}
    const std::string version;
    Counter requests{0};
  };
  void warn_slow(const Method& m, const net::GrpcCall& call, Duration took);
  void note_client(bool stream, std::string_view version);
  prometheus::MetricFamily watch_streams() const;

  ServiceContext& c_;
  const bool timed_;
  std::vector<std::unique_ptr<Method>> methods_;
  std::atomic<std::int64_t> warned_second_{0};  // of the clock
  std::atomic<int> warned_{0};                  // in it
  Counter received_bytes_{0};
  Counter sent_bytes_{0};
  Counter health_success_{0};
  Counter health_failures_{0};
  std::array<std::atomic<Client*>, 2> last_client_{};
  mutable std::mutex mu_;
  std::map<std::pair<bool, std::string>, std::unique_ptr<Client>> clients_;
  std::map<std::pair<std::string, std::string>, Check> checks_;
};

}  // namespace keelson::kvstore::etcd
