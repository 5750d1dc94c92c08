// Bounded byte pipes between coroutines. BytePipe is one direction, the receive buffer of every multiplexed
// stream; make_pipe() joins two into a pair of connected ByteStreams, a socketpair without a socket, for
// tests and tunnels.
//
// Thread rule: thread-safe; one reader and one writer at a time per direction.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/async.h"
#include "net/http.h"

namespace keelson::net {

// One direction. The writer waits while `capacity` bytes are buffered, so a slow reader slows the writer
// down.
class BytePipe {
 public:
  // REQUIRES: capacity > 0.
  explicit BytePipe(std::size_t capacity) : capacity_(capacity) {}

  // At least one byte into [buf, buf+n); 0 once finish() was called and all is read; the error given to
  // fail(), or kCancelled after close_read(). REQUIRES: n > 0.
  Task<Result<std::size_t>> read_some(char* buf, std::size_t n);
  // Returns when all of `data` is buffered. After close_read() the data is dropped and the call succeeds.
  // kUnavailable after finish() or fail().
  Task<Result<void>> write_all(std::string_view data);
  // The writer's end of stream. What is buffered can still be read. Idempotent.
  void finish();
  // Like finish(), but the reader gets `error` after what is buffered. Does nothing after finish().
  void fail(Error error);
  // The reader wants no more: drops what is buffered and all that comes.
  void close_read();
  // True once close_read() was called.
  bool read_closed() const;

 private:
  const std::size_t capacity_;
  mutable std::mutex mu_;
  std::string buffer_;
  std::size_t start_ = 0;  // buffer_[start_..) is unread
  bool finished_ = false;
  bool read_closed_ = false;
  std::optional<Error> error_;
  AsyncEvent readable_;
  AsyncEvent writable_;
};

// Two connected streams: what one writes the other reads. `capacity` bytes are buffered per direction.
// close() of one end ends both directions: the other end reads what is buffered, then 0, and its writes fail
// with kUnavailable.
std::pair<std::unique_ptr<ByteStream>, std::unique_ptr<ByteStream>> make_pipe(Executor ex,
                                                                              std::size_t capacity = 64 *
                                                                                                     1024);

}  // namespace keelson::net
