// LeaderElector: at most one active instance of a component, by a Lease object.
//
// The holder renews every retry period; who does not hold takes over once the Lease has not been seen to
// change for a lease duration (by this process' own monotonic clock, so clock skew between hosts does not
// matter). A holder that cannot renew for the renew deadline gives up leading before others may begin: 15 s /
// 10 s / 2 s. Thread rule: one owner; is_leader() from any thread.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "base/async.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "client/transport.h"

namespace keelson::client {

struct LeaderElectionOptions {
  std::string ns = "kube-system";
  std::string name;      // of the Lease: "kube-controller-manager"
  std::string identity;  // of this instance, unique: "host_uuid"
  Duration lease_duration = std::chrono::seconds(15);
  Duration renew_deadline = std::chrono::seconds(10);
  Duration retry_period = std::chrono::seconds(2);
  bool release_on_stop = true;
};

class LeaderElector {
 public:
  // `transport` and `clock` outlive it.
  LeaderElector(LeaderElectionOptions options, Transport& transport, Clock& clock, Rng rng, Logger logger);

  // Tries until this instance leads. Throws operation_aborted when cancelled.
  Task<> acquire();
  // Keeps the Lease until it is lost; returns then. REQUIRES: acquire() returned.
  Task<> hold();
  // Empties the holder, so that another may begin at once. Best effort.
  Task<> release();
  bool is_leader() const { return leading_.load(); }
  // Who holds it, as last seen; empty when nobody.
  const std::string& observed_holder() const { return observed_holder_; }

 private:
  // True when the Lease is ours after this attempt.
  Task<bool> try_acquire_or_renew();
  Task<bool> create_lease();
  api::ObjectPtr lease_with_us(const api::Object* current) const;
  void observe(const api::ObjectPtr& lease);

  const LeaderElectionOptions options_;
  Transport& transport_;
  Clock& clock_;
  Rng rng_;
  Logger logger_;
  std::atomic<bool> leading_{false};
  api::ObjectPtr observed_;
  MonoTime observed_at_{};
  std::string observed_holder_;
};

}  // namespace keelson::client
