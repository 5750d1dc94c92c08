// Port-forward: pairs of streams (error and data, named by the headers port, requestid and streamtype) over
// one SPDY session, itself either a plain upgrade (`portforward.k8s.io`) or tunnelled in WebSocket messages
// (`SPDY/3.1+portforward.k8s.io`, kubectl 1.31 and later). Each pair is one TCP connection to the pod.
//
// Thread rule: everything on the exchange's executor.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "net/http.h"
#include "net/spdy.h"

namespace keelson::kubelet {

// Opens one connection to `port` of the pod. Called once per pair, several at once.
using PortDialer = std::function<Task<Result<std::unique_ptr<net::ByteStream>>>(std::uint16_t port)>;

// Negotiates, switches protocols and serves the client until it goes away. A connection that cannot be made
// or breaks is told on its error stream and ends alone. On error the exchange has been answered. `pod` is for
// messages ("ns/name").
Task<Result<void>> serve_port_forward(net::Exchange& exchange, std::string pod, PortDialer dialer,
                                      Clock& clock, Logger logger);

// The client side: one streaming connection of the container runtime (see dial_runtime,
// "portforward.k8s.io"), which connects to localhost inside the pod's network namespace.
class RuntimePortForward {
 public:
  explicit RuntimePortForward(std::unique_ptr<net::ByteStream> stream)
      : session_(std::move(stream), net::SpdySession::Role::kClient) {}
  // A connection to `port`. Its reads fail with the runtime's message when the runtime reports an error.
  Task<Result<std::unique_ptr<net::ByteStream>>> connect(std::uint16_t port);
  // Ends all connections. To be called before destruction.
  Task<> stop() { return session_.stop(); }

 private:
  net::SpdySession session_;
  int next_request_ = 0;
};

}  // namespace keelson::kubelet
