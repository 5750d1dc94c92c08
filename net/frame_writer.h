// FrameWriter: one coroutine that writes the frames of many streams to one ByteStream, whole and in order.
// Shared by SPDY and WebSocket.
//
// Producers of data wait while more than `limit` bytes are queued (back-pressure). Answers to what the peer
// sent (PING, RST) never wait, or two sides that both wait to write would stop reading; a peer that makes
// them pile up past twice the limit breaks the connection.
//
// Thread rule: all calls on the stream's executor, which runs one handler at a time.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/async.h"
#include "net/http.h"

namespace keelson::net {

class FrameWriter {
 public:
  // `out` outlives run().
  FrameWriter(ByteStream& out, std::size_t limit) : out_(out), limit_(limit) {}

  // The writing loop; spawn it once. Ends after finish() when all is written, or on the first error, which
  // then fails all later calls.
  Task<> run();
  // Waits for room. The error that ended the writer, or kUnavailable after finish().
  Task<Result<void>> wait_room();
  // Queues a frame without waiting.
  Result<void> push(std::string_view frame);
  // Returns when everything queued so far is written (or could not be).
  Task<Result<void>> flush();
  // No more frames; run() writes what is queued and ends.
  void finish();
  // Ends run() and all waits with `error`. A write under way ends when the stream is closed.
  void fail(Error error);

 private:
  Result<void> state() const;

  ByteStream& out_;
  const std::size_t limit_;
  std::string queue_;
  std::string writing_;
  bool finished_ = false;
  std::optional<Error> error_;
  AsyncEvent wake_;   // run(): something to do
  AsyncEvent moved_;  // waiters: look again
};

}  // namespace keelson::net
