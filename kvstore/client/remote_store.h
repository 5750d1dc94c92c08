// RemoteStore: the Store of a cluster reached over the etcd v3 API: keelson's own or etcd.
//
//   range, txn, lease… ─▶ Endpoints (which member) ─▶ one unary gRPC call
//   watch ─▶ WatchMux ─▶ few gRPC streams, many watches each; broken streams are opened again, at another
//            member when need be, and every watch resumes after the last revision it was given
//
// What a failed call means
//  · Reads (range, lease_time_to_live, leases, lease_keep_alive) are tried at other members until
//    `request_timeout`.
//  · Writes are sent once. kUnavailable and kDeadlineExceeded say that the write may or may not have
//  happened.
//    Only a write that provably never left this process (no connection) is tried at other members.
//  · Answers of the server keep its code and wording.
// Every call carries etcd's `hasleader` (and the token of the `user`), so that a member cut off from its peers says so and another is
// asked.
//
// Thread rule: any thread. REQUIRES of the destructor: stop() returned and every WatchStream is gone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "kvstore/store.h"

namespace keelson::kvstore {

struct RemoteStoreOptions {
  std::vector<std::string> endpoints;  // "https://host:port", "http://host:port"
  // For https. Empty ca: the system's roots. Certificate and key: both or none.
  std::string ca_pem, certificate_pem, private_key_pem;
  bool insecure_skip_verify = false;  // of servers' certificates
  std::string user, password;         // empty: the certificate alone says who asks
  Duration connect_timeout = std::chrono::seconds(2);
  Duration read_attempt_timeout = std::chrono::seconds(3);  // then another member is asked
  Duration request_timeout = std::chrono::seconds(10);
  Duration health_interval = std::chrono::seconds(2);
  // Buffered for one watch before it holds up its stream (alone on it) or is cancelled.
  std::size_t watch_buffer_events = 65536;
  // Key read to see whether the store works; need not exist.
  std::string health_key = "health";
};

class RemoteStore final : public Store {
 public:
  // kInvalidArgument for endpoints that are no URLs. Connects on first use. `home` runs one thing at a time
  // (an io thread's executor); clock outlives the store.
  static Result<std::unique_ptr<RemoteStore>> make(RemoteStoreOptions options, Executor home, Clock& clock,
                                                   Rng rng, Logger logger);
  ~RemoteStore() override;

  // Asks until the store answers a linearizable read, at most `patience`; then looks after its health until
  // stop().
  Task<Result<void>> start(Duration patience);
  // Ends every watch (kUnavailable).
  Task<> stop();
  // What was wrong when the store was last asked, at most about health_interval ago; empty: nothing.
  std::string health() const;

  Task<Result<RangeResult>> range(RangeRequest request) override;
  Task<Result<TxnResult>> txn(TxnRequest request) override;
  Task<Result<void>> compact(Revision revision) override;
  // Returns once the server has the watch.
  Task<Result<std::unique_ptr<WatchStream>>> watch(WatchRequest request) override;
  Task<Result<LeaseInfo>> lease_grant(LeaseId id, std::int64_t ttl_s) override;
  Task<Result<void>> lease_revoke(LeaseId id) override;
  Task<Result<LeaseInfo>> lease_keep_alive(LeaseId id) override;
  Task<Result<LeaseInfo>> lease_time_to_live(LeaseId id, bool keys) override;
  Task<Result<std::vector<LeaseId>>> leases() override;
  // The newest that any reply told.
  Revision current_revision() const override;

 private:
  class Impl;
  explicit RemoteStore(std::shared_ptr<Impl> impl);
  std::shared_ptr<Impl> impl_;
};

}  // namespace keelson::kvstore
