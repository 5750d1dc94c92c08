// store_load: drives an etcd v3 server over gRPC, and prints one JSON line with operations per second,
// latencies and its own CPU time. What bench/store.py runs against etcd and keelson alike.
//
//   store_load put --endpoints https://127.0.0.1:2379 --cacert ca.crt --cert c.crt --key c.key --clients 100
//   --seconds 5
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/async.h"
#include "base/rng.h"
#include "kvstore/types.h"
#include "net/asio_clock.h"
#include "net/grpc.h"
#include "net/io_pool.h"

namespace keelson::bench {

struct LoadSettings {
  std::string workload;
  std::vector<std::string> endpoints{"http://127.0.0.1:2379"};
  std::string cacert, cert, key;
  std::int64_t connections = 0;  // 0: one for 10 clients
  std::int64_t clients = 1;
  double seconds = 5;
  std::int64_t total = 0;  // operations; 0: as many as `seconds` allow
  std::int64_t key_size = 8;
  std::int64_t value_size = 256;
  std::int64_t keys = 100000;  // key space; the keys of a range
  std::int64_t watchers = 1000;
  std::int64_t streams = 100;
};

// Latencies of operations in nanoseconds. One thread.
class Latencies {
 public:
  void add(Duration d) { ns_.push_back(static_cast<std::uint64_t>(d.count())); }
  std::size_t count() const { return ns_.size(); }
  // Microseconds; 0 without samples.
  double quantile(double q);

 private:
  std::vector<std::uint64_t> ns_;
};

// One run's state. Everything happens on the pool's single io thread.
struct Load {
  explicit Load(LoadSettings s);
  ~Load();

  net::GrpcClient& client(std::int64_t number) {
    return clients[static_cast<std::size_t>(number) % clients.size()];
  }
  std::string key_of(std::int64_t n) const;
  std::string random_value();
  bool over() const { return clock.now() >= end || (settings.total > 0 && issued >= settings.total); }
  void failed(const Error& error);

  const LoadSettings settings;
  net::AsioClock clock;
  net::IoPool pool{1, 1};
  std::vector<net::GrpcClient> clients;
  Rng rng{42};
  MonoTime end{};
  std::int64_t issued = 0;
  std::int64_t events = 0;
  std::int64_t errors = 0;
  Latencies latencies;
};

// The workloads; each ends when load.over().
Task<> run_unary_client(Load& load, std::int64_t number);
Task<> run_watch(Load& load);

}  // namespace keelson::bench
