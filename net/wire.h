// Wire: one non-blocking socket with or without TLS, below ByteStream and HTTP. Reads and writes never wait:
// they say kAgain and the caller waits for readiness. TLS records go through a custom BIO straight to the
// socket's recv(), and on the way out into one buffer, so that all records of a write leave in one send().
//
// Thread rule: home executor only, but for abort(). Internal to net/.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/task.h"

namespace keelson::net {

class Wire {
 public:
  enum class State : std::uint8_t { kOk, kAgain, kEnd, kFailed };
  struct Io {
    State state = State::kOk;
    std::size_t n = 0;
  };
  enum class Side : std::uint8_t { kServer, kClient };

  // Takes ownership of `fd` (connected, made non-blocking here) and of `ssl` (null: plain text).
  Wire(Executor ex, int fd, SSL* ssl, Side side);
  ~Wire();
  Wire(const Wire&) = delete;
  Wire& operator=(const Wire&) = delete;

  // Goes on in TLS. Takes ownership of `ssl`. REQUIRES: nothing was read or written yet, and no `ssl` given.
  void use_tls(SSL* ssl, Side side);
  // The next byte to be read, left where it is; nullopt where there is none yet, or no more.
  std::optional<unsigned char> peek() const;
  // Drives the TLS handshake. kAgain: wait until readable (or writable when blocked()), then call again.
  State handshake();
  // kOk with n > 0; kEnd at the peer's end of stream. Reads as much as is there and fits.
  Io read(char* buf, std::size_t n);
  // Takes as much of `data` as there is room for. kAgain: n bytes were taken (maybe all, then part is still
  // in the TLS buffer); wait until writable and call again with the rest, which may be empty.
  Io write(std::string_view data);
  // True when bytes wait for the socket to become writable.
  bool blocked() const { return !cipher_out_.empty() || plain_blocked_; }

  // Sends close_notify and half-closes.
  void shutdown_write();
  // Cuts the connection; waits under way complete. Any thread.
  void abort();
  // Closes the descriptor; waits under way complete.
  void close();
  // Ends the waits under way with operation_aborted; the connection stays.
  void cancel_waits();

  // Returns when the socket is ready, failed or closed; throws by cancellation only.
  Task<> wait_readable();
  Task<> wait_writable();
  template <class F>  // void(error_code), called on the home executor
  void async_readable(F f) {
    drained_ = false;
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read, std::move(f));
  }
  template <class F>
  void async_writable(F f) {
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_write, std::move(f));
  }

  const SSL* ssl() const { return ssl_; }
  const Executor& executor() const { return ex_; }
  // Why the last operation said kFailed.
  const std::string& failure() const { return failure_; }

 private:
  friend struct WireBio;
  State flush_cipher();
  Io read_tls(char* buf, std::size_t n);
  Io write_tls(std::string_view data);
  State fail_tls(int ssl_result);
  State fail_errno(const char* what);

  Executor ex_;
  boost::asio::posix::basic_stream_descriptor<Executor> descriptor_;
  int fd_ = -1;
  SSL* ssl_ = nullptr;
  std::string cipher_out_;      // TLS records not yet taken by the socket
  std::size_t cipher_pos_ = 0;  // of which the first cipher_pos_ bytes were
  bool plain_blocked_ = false;
  bool drained_ = false;  // the last recv() emptied the socket: the next one would only say EAGAIN
  bool broken_ = false;
  std::string failure_;
  std::mutex abort_mu_;  // guards open_ against abort() from other threads
  bool open_ = true;
};

}  // namespace keelson::net
