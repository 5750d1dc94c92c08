#include "net/wire.h"

#include <fcntl.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <sys/socket.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "base/check.h"
#include "net/tls.h"

namespace keelson::net {

namespace asio = boost::asio;

namespace {
// Plain text taken per TLS write, and with it the size of one send().
constexpr std::size_t kWriteBatch = 64 * 1024;
// A larger buffer is given back to the allocator when it has drained.
constexpr std::size_t kKeepBuffer = 16 * 1024;
}  // namespace

// The BIO between OpenSSL and the socket.
struct WireBio {
  static int write(BIO* bio, const char* data, int n) {
    static_cast<Wire*>(BIO_get_data(bio))->cipher_out_.append(data, static_cast<std::size_t>(n));
    return n;
  }
  static int read(BIO* bio, char* buf, int n) {
    BIO_clear_retry_flags(bio);
    auto* wire = static_cast<Wire*>(BIO_get_data(bio));
    if (wire->drained_) {
      BIO_set_retry_read(bio);
      return -1;
    }
    const ssize_t got = ::recv(wire->fd_, buf, static_cast<std::size_t>(n), 0);
    if (got >= 0) {
      wire->drained_ = got > 0 && got < n;
      return static_cast<int>(got);
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) {
      wire->drained_ = errno != EINTR;
      BIO_set_retry_read(bio);
    }
    return -1;
  }
  static long control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

  static BIO_METHOD* method() {
    static BIO_METHOD* const kMethod = [] {
      BIO_METHOD* m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "keelson wire");
      BIO_meth_set_write(m, write);
      BIO_meth_set_read(m, read);
      BIO_meth_set_ctrl(m, control);
      return m;
    }();
    return kMethod;
  }
};

Wire::Wire(Executor ex, int fd, SSL* ssl, Side side) : ex_(ex), descriptor_(ex), fd_(fd) {
  ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
  descriptor_.assign(fd);
  if (ssl != nullptr) use_tls(ssl, side);
}

void Wire::use_tls(SSL* ssl, Side side) {
  ssl_ = ssl;
  BIO* bio = BIO_new(WireBio::method());
  BIO_set_data(bio, this);
  BIO_set_init(bio, 1);
  SSL_set_bio(ssl_, bio, bio);
  if (side == Side::kServer) {
    SSL_set_accept_state(ssl_);
  } else {
    SSL_set_connect_state(ssl_);
  }
}

Wire::~Wire() {
  close();
  if (ssl_ != nullptr) SSL_free(ssl_);
}

Wire::State Wire::fail_errno(const char* what) {
  broken_ = true;
  failure_ = std::string(what) + ": " + std::strerror(errno);
  return State::kFailed;
}

Wire::State Wire::fail_tls(int ssl_result) {
  switch (SSL_get_error(ssl_, ssl_result)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE:
      return State::kAgain;
    case SSL_ERROR_ZERO_RETURN:
      return State::kEnd;
    default:
      break;
  }
  broken_ = true;
  failure_ = "TLS: " + take_ssl_errors();
  flush_cipher();  // the alert
  return State::kFailed;
}

Wire::State Wire::flush_cipher() {
  while (cipher_pos_ < cipher_out_.size()) {
    const ssize_t n =
        ::send(fd_, cipher_out_.data() + cipher_pos_, cipher_out_.size() - cipher_pos_, MSG_NOSIGNAL);
    if (n < 0) {
      if (errno == EINTR) continue;
      if (errno == EAGAIN || errno == EWOULDBLOCK) return State::kAgain;
      return fail_errno("send");
    }
    cipher_pos_ += static_cast<std::size_t>(n);
  }
  cipher_pos_ = 0;
  cipher_out_.clear();
  if (cipher_out_.capacity() > kKeepBuffer) cipher_out_.shrink_to_fit();
  return State::kOk;
}

std::optional<unsigned char> Wire::peek() const {
  unsigned char first = 0;
  if (!open_ || ::recv(fd_, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1) return std::nullopt;
  return first;
}

Wire::State Wire::handshake() {
  if (ssl_ == nullptr) return State::kOk;
  if (!open_) return State::kFailed;
  ERR_clear_error();
  const int r = SSL_do_handshake(ssl_);
  if (r != 1) {
    const State state = fail_tls(r);
    if (state != State::kAgain) return state;
    return flush_cipher() == State::kFailed ? State::kFailed : State::kAgain;
  }
  return flush_cipher();
}

Wire::Io Wire::read(char* buf, std::size_t n) {
  if (broken_ || !open_) return {State::kFailed, 0};
  if (ssl_ != nullptr) return read_tls(buf, n);
  if (drained_) return {State::kAgain, 0};
  for (;;) {
    const ssize_t got = ::recv(fd_, buf, n, 0);
    if (got > 0) {
      drained_ = static_cast<std::size_t>(got) < n;
      return {State::kOk, static_cast<std::size_t>(got)};
    }
    if (got == 0) return {State::kEnd, 0};
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      drained_ = true;
      return {State::kAgain, 0};
    }
    return {fail_errno("recv"), 0};
  }
}

Wire::Io Wire::read_tls(char* buf, std::size_t n) {
  std::size_t total = 0;
  while (total < n) {
    ERR_clear_error();
    std::size_t got = 0;
    const int r = SSL_read_ex(ssl_, buf + total, n - total, &got);
    if (r == 1) {
      total += got;
      continue;
    }
    if (total > 0) break;  // the reason comes again with the next call
    return {fail_tls(r), 0};
  }
  return {State::kOk, total};
}

Wire::Io Wire::write(std::string_view data) {
  if (broken_ || !open_) return {State::kFailed, 0};
  if (ssl_ != nullptr) return write_tls(data);
  std::size_t total = 0;
  plain_blocked_ = false;
  while (total < data.size()) {
    const ssize_t n = ::send(fd_, data.data() + total, data.size() - total, MSG_NOSIGNAL);
    if (n >= 0) {
      total += static_cast<std::size_t>(n);
      continue;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      plain_blocked_ = true;
      return {State::kAgain, total};
    }
    return {fail_errno("send"), total};
  }
  return {State::kOk, total};
}

Wire::Io Wire::write_tls(std::string_view data) {
  std::size_t total = 0;
  for (;;) {
    const State state = flush_cipher();
    if (state != State::kOk) return {state, total};
    if (total == data.size()) return {State::kOk, total};
    const std::size_t batch_end = std::min(data.size(), total + kWriteBatch);
    while (total < batch_end) {
      ERR_clear_error();
      std::size_t n = 0;
      const int r = SSL_write_ex(ssl_, data.data() + total, batch_end - total, &n);
      if (r != 1) return {fail_tls(r), total};
      total += n;
    }
  }
}

void Wire::shutdown_write() {
  if (!open_ || broken_) return;
  if (ssl_ != nullptr) {
    ERR_clear_error();
    SSL_shutdown(ssl_);
    ERR_clear_error();
    flush_cipher();
  }
  ::shutdown(fd_, SHUT_WR);
}

void Wire::abort() {
  std::lock_guard lock(abort_mu_);
  if (open_) ::shutdown(fd_, SHUT_RDWR);
}

void Wire::close() {
  std::lock_guard lock(abort_mu_);
  if (!open_) return;
  open_ = false;
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

void Wire::cancel_waits() {
  boost::system::error_code ignored;
  descriptor_.cancel(ignored);
}

Task<> Wire::wait_readable() {
  drained_ = false;
  boost::system::error_code ec;
  co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_read,
                                  asio::redirect_error(asio::use_awaitable, ec));
}

Task<> Wire::wait_writable() {
  boost::system::error_code ec;
  co_await descriptor_.async_wait(asio::posix::stream_descriptor::wait_write,
                                  asio::redirect_error(asio::use_awaitable, ec));
}

}  // namespace keelson::net
