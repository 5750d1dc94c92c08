// SPDY/3.1 sessions in both roles: what kubectl up to 1.29 (and any port-forward) speaks to us after
// `Upgrade: SPDY/3.1`, and what we speak to the container runtime's streaming server.
//
//   ByteStream ◄─► SpdySession: one reading and one writing coroutine ◄─► SpdyStream, SpdyStream, …
//
// Flow control is the transport's: as moby/spdystream, which is at the other end of every connection we make,
// we neither send nor obey WINDOW_UPDATE. A stream buffers kReceiveBuffer bytes; when its owner does not read
// on, the session stops reading, all its streams with it. An owner that is not interested in a stream must
// close() it.
//
// Thread rule: everything, close() excepted, on the transport's executor, which runs one handler at a time.
#pragma once

#include <cstdint>
#include <memory>

#include "base/clock.h"
#include "base/error.h"
#include "base/task.h"
#include "net/http.h"

namespace keelson::net {

// One stream. read_some() answers 0 when the peer has sent FIN or RST_STREAM or the session has ended in
// order, the session's error when it broke; what was received before is delivered first. shutdown_write()
// sends FIN. close() resets the stream unless both sides have ended it. May outlive its session's stop(): all
// calls then fail.
class SpdyStream : public ByteStream {
 public:
  static constexpr std::size_t kReceiveBuffer = 128 * 1024;
  virtual std::uint32_t id() const = 0;
  // The headers the stream was opened with (names in lower-case).
  virtual const Headers& headers() const = 0;
};

class SpdySession {
 public:
  enum class Role { kServer, kClient };

  // Starts reading and writing at once.
  SpdySession(std::unique_ptr<ByteStream> transport, Role role);
  // REQUIRES: stop() has returned.
  ~SpdySession();
  SpdySession(const SpdySession&) = delete;
  SpdySession& operator=(const SpdySession&) = delete;

  // Opens a stream and waits for the peer's reply. kUnavailable when the peer refuses it or the session has
  // ended.
  Task<Result<std::unique_ptr<SpdyStream>>> create_stream(Headers headers);
  // The next stream that the peer opened; it has been replied to. kUnavailable once the session has ended. At
  // most 128 wait here; the peer's next ones are refused.
  Task<Result<std::unique_ptr<SpdyStream>>> accept_stream();
  // Returns once the connection has ended, from whatever side.
  Task<> closed();
  bool is_closed() const;
  // closed(), at most until `deadline`. True when closed.
  Task<bool> closed_until(Clock& clock, MonoTime deadline);
  // Ends the connection at once; all calls under way fail with `why`.
  void abort(Error why);
  // Orderly end of our side: GOAWAY, everything queued is written, the transport half-closed. What the peer
  // still sends is taken until it closes, so wait for closed() with a bound before stop(), or the peer may
  // lose our last bytes to a reset.
  Task<Result<void>> shutdown();
  // Closes the connection and ends the coroutines. Idempotent.
  Task<> stop();

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace keelson::net
