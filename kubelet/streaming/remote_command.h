// Exec and attach as kubectl asks for them: one set of streams whatever the protocol.
//
//   SPDY/3.1   one stream each, named by the header streamType; v4 … v1.channel.k8s.io   (kubectl 1.28, 1.29)
//   WebSocket  one channel each, named by each message's first byte; v5/v4/…, base64     (kubectl 1.30 and
//   later)
//
// v5 can end stdin by the message {255, 0}; older WebSocket versions cannot. From v4 on the error stream
// carries a metav1.Status (exit_status.h), before that plain text and only for failures.
//
// Thread rule: everything on the exchange's executor.
#pragma once

#include <memory>

#include "base/clock.h"
#include "kubelet/runtime_access.h"
#include "kubelet/streaming/exit_status.h"
#include "net/http.h"

namespace keelson::kubelet {

// What is not asked for is null. The caller reads `in` and `resize` (a sequence of {"Width":80,"Height":24})
// and writes `out` and `err`.
struct RemoteCommandStreams {
  std::unique_ptr<net::ByteStream> in;
  std::unique_ptr<net::ByteStream> out;
  std::unique_ptr<net::ByteStream> err;
  std::unique_ptr<net::ByteStream> resize;
};

// The streams that a query asks for: stdin/stdout/stderr/tty as in the pod's exec subresource, or
// input/output/error/tty as in the kubelet's API; "1" and "true" mean yes. With a tty there is no stderr.
// kInvalidArgument when none is asked for.
Result<StreamChoice> stream_choice(std::string_view query);

class RemoteCommandSession {
 public:
  // Negotiates, switches protocols and waits (at most 30 s) for the client's streams. On error the exchange
  // has been answered or its connection closed.
  static Task<Result<std::unique_ptr<RemoteCommandSession>>> accept(net::Exchange& exchange,
                                                                    StreamChoice choice, Clock& clock);
  virtual ~RemoteCommandSession() = default;  // REQUIRES: stop() has returned.

  virtual RemoteCommandStreams& streams() = 0;
  // Returns once the client is gone.
  virtual Task<> closed() = 0;
  // The orderly end: tells the outcome, ends all streams and the connection, and gives the client a few
  // seconds to close it first. REQUIRES: no read or write of streams() is under way.
  virtual Task<> finish(ExitStatus status) = 0;
  // Closes the connection and ends all coroutines. Idempotent.
  virtual Task<> stop() = 0;
};

}  // namespace keelson::kubelet
