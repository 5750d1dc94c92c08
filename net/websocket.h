// WebSocket connections (RFC 6455) over a ByteStream, both roles.
//
// An own codec, not Beast's: Beast's websocket::stream wants an asio stream below it (our connections are
// already behind ByteStream) and costs 40 s and 2 GB to compile, for 200 lines of framing that can be fuzzed
// alone. No extensions are negotiated; text is not checked to be UTF-8, the channel protocols carry base64
// there.
//
// Thread rule: everything on the stream's executor, which runs one handler at a time; one reader, any number
// of writers.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/async.h"
#include "base/rng.h"
#include "net/frame_writer.h"
#include "net/http.h"
#include "net/websocket_frame.h"

namespace keelson::net {

// The 101 reply's headers for a WebSocket request, with `protocol` as the chosen subprotocol (empty: none).
// kInvalidArgument when the handshake is malformed.
Result<Headers> websocket_accept(const Request& request, std::string_view protocol);
// A client's request headers offering `protocols`, best first.
Headers websocket_offer(Rng& rng, std::string_view protocols);
// Whether the reply's Sec-WebSocket-Accept answers the request's Sec-WebSocket-Key.
bool websocket_accepted(const Headers& request, const Headers& reply);

struct WebSocketMessage {
  bool binary = true;
  std::string data;
};

class WebSocket {
 public:
  static constexpr std::size_t kMaxMessage = 4u << 20;

  // A server's side (the peer masks). Starts writing at once.
  explicit WebSocket(std::unique_ptr<ByteStream> stream, std::size_t max_message = kMaxMessage);
  // A client's side; masks are drawn from `rng`.
  WebSocket(std::unique_ptr<ByteStream> stream, Rng rng, std::size_t max_message = kMaxMessage);
  // REQUIRES: stop() has returned.
  ~WebSocket();
  WebSocket(const WebSocket&) = delete;
  WebSocket& operator=(const WebSocket&) = delete;

  // The next message, put together from its fragments; pings are answered meanwhile. nullopt once the peer
  // has closed (its Close frame is answered). kInvalidArgument or kResourceExhausted when the peer breaks the
  // protocol (it has been told so by 1002 or 1009), kUnavailable when the connection broke.
  Task<Result<std::optional<WebSocketMessage>>> read();
  // Sends one message; waits while too much is queued.
  Task<Result<void>> write(bool binary, std::string_view data);
  // Sends a Close frame (1000 is "normal closure") and writes everything queued before it. Later writes fail.
  // read() on until it answers nullopt, bounded in time, to let the peer close first.
  Task<Result<void>> close(std::uint16_t code, std::string_view reason);
  // Closes the connection at once: reads and writes under way fail. From any thread.
  void abort() { stream_->close(); }
  // abort(), and ends the writing coroutine. Idempotent.
  Task<> stop();

  Executor executor() { return stream_->executor(); }

 private:
  std::string encode(WsOpcode op, std::string_view payload);
  Task<Result<std::optional<WsFrame>>> read_frame();
  Task<Result<void>> give_up(Error why);

  const std::unique_ptr<ByteStream> stream_;
  const std::size_t max_message_;
  std::optional<Rng> mask_;
  WsDecoder decoder_;
  FrameWriter writer_;
  bool close_sent_ = false;
  bool close_received_ = false;
  TaskGroup tasks_;
};

// A ByteStream in the binary messages of a WebSocket: SPDY for port-forward is tunnelled so. The end of the
// stream is a Close frame. `ws` outlives it and is stopped by its owner.
std::unique_ptr<ByteStream> websocket_tunnel(WebSocket& ws);

}  // namespace keelson::net
