// MemberProcess: everything that one `keelson kvstore` runs: the replicated store, its transport on the peer
// URLs, the etcd v3 API on the client URLs, metrics.
//
//   clients ─▶ Listeners ─▶ ReadyGate ─▶ EtcdApi ─▶ ReplicatedStore ◀─▶ HttpTransport ◀─▶ Listeners ◀─ members
//
// Thread rule: start(), tend() and stop() from one thread that is not one of the pool's.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/failpoint.h"
#include "base/log.h"
#include "cmd/kvstore/config.h"

namespace keelson::cmd {

// Why a member ended by itself.
struct MemberEnd {
  bool removed = false;  // from its cluster, for good
  std::optional<Error> failure;
};

class MemberProcess {
 public:
  // `on_end` is called once, on any thread, when the member ends by itself. `failpoints` may be null.
  MemberProcess(KvstoreConfig config, Logger logger, Failpoints* failpoints,
                std::function<void(MemberEnd)> on_end);
  ~MemberProcess();

  // Recovers, listens, joins its cluster. Returns while clients may still have to wait: `ready to serve client
  // requests` is logged when they need not. Errors say what to do.
  Result<void> start();
  // To be called about every second: renewed certificates are taken up.
  void tend();
  // Hands over leadership, ends everything in order. Also after a start() that failed.
  void stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace keelson::cmd
