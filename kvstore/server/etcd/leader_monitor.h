// LeaderMonitor: ends the streams of clients that asked for a leader (metadata hasleader: true) when this
// member has been without one for three election timeouts.
//
// Thread rule: any thread.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>

#include "kvstore/server/etcd/context.h"

namespace keelson::kvstore::etcd {

// True when the call's metadata ask for a leader.
bool wants_leader(const net::GrpcCall& call);

class LeaderMonitor {
 public:
  explicit LeaderMonitor(ServiceContext& context) : c_(context) {}

  // Ends a registration when it is destroyed.
  class Registration {
   public:
    Registration(LeaderMonitor& monitor, std::uint64_t id) : monitor_(monitor), id_(id) {}
    ~Registration();

   private:
    LeaderMonitor& monitor_;
    const std::uint64_t id_;
  };
  // `on_lost` is called at most once, from another thread, under the monitor's lock: it must be short. Null
  // for a call that does not care.
  std::unique_ptr<Registration> watch(const net::GrpcCall& call, std::function<void()> on_lost);

  // Looks at the leader until it is cancelled.
  Task<> run();

 private:
  ServiceContext& c_;
  std::mutex mu_;
  std::uint64_t next_ = 1;
  std::unordered_map<std::uint64_t, std::function<void()>> streams_;
};

}  // namespace keelson::kvstore::etcd
