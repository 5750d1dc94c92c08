// ReadyGate: in front of the client API until the member serves: health, metrics and version are answered
// at once, everything else waits, as at an etcd that does not accept yet.
//
// Thread rule: thread-safe.
#pragma once

#include <atomic>

#include "base/async.h"
#include "base/clock.h"
#include "net/http.h"

namespace keelson::cmd {

class ReadyGate final : public net::Handler {
 public:
  // Both outlive the gate.
  ReadyGate(net::Handler& inner, Clock& clock) : inner_(inner), clock_(clock) {}

  // From now on everything passes.
  void open();
  Task<> handle(net::Exchange& exchange) override;

 private:
  Task<> wait(net::Exchange& exchange);

  net::Handler& inner_;
  Clock& clock_;
  std::atomic<bool> open_{false};
  AsyncEvent opened_;
};

}  // namespace keelson::cmd
