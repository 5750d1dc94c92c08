#include "net/dial.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>

#include "net/address.h"
#include "net/client.h"
#include "net/tls.h"
#include "net/wire_stream.h"

namespace keelson::net {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Ends the waits of a connection attempt when its time is up. Home executor only.
struct Alarm : std::enable_shared_from_this<Alarm> {
  explicit Alarm(const Executor& ex) : timer(ex), resolver(ex) {}
  void start(Duration timeout) {
    timer.expires_after(timeout);
    timer.async_wait([self = shared_from_this()](error_code ec) {
      if (ec) return;
      self->rang = true;
      self->resolver.cancel();
      if (const auto w = self->wire.lock()) w->cancel_waits();
    });
  }
  asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>,
                             Executor>
      timer;
  asio::ip::basic_resolver<asio::ip::tcp, Executor> resolver;
  std::weak_ptr<Wire> wire;
  bool rang = false;
};

// Stops the alarm when the attempt ends, by whatever way.
struct AlarmGuard {
  std::shared_ptr<Alarm> alarm;
  ~AlarmGuard() { alarm->timer.cancel(); }
};

bool is_numeric(const std::string& host) {
  unsigned char buf[16];
  return ::inet_pton(AF_INET, host.c_str(), buf) == 1 || ::inet_pton(AF_INET6, host.c_str(), buf) == 1;
}

Task<Result<std::vector<SocketAddress>>> addresses(DialTarget target, std::shared_ptr<Alarm> alarm) {
  if (!target.unix_path.empty()) {
    std::vector<SocketAddress> one{CO_TRY(unix_address(target.unix_path))};
    co_return one;
  }
  if (is_numeric(target.host)) co_return resolve(target.host, target.port);
  error_code ec;
  const auto found = co_await alarm->resolver.async_resolve(target.host, target.port,
                                                            asio::redirect_error(asio::use_awaitable, ec));
  if (ec) co_return fail(Code::kUnavailable, "cannot resolve " + target.host + ": " + ec.message());
  std::vector<SocketAddress> out;
  for (const auto& entry : found) {
    SocketAddress a;
    const auto endpoint = entry.endpoint();
    std::memcpy(&a.storage, endpoint.data(), endpoint.size());
    a.size = static_cast<socklen_t>(endpoint.size());
    out.push_back(a);
  }
  co_return out;
}

Task<Result<void>> shake_hands(std::shared_ptr<Wire> wire, std::shared_ptr<Alarm> alarm) {
  for (;;) {
    const Wire::State state = wire->handshake();
    if (state == Wire::State::kOk) co_return Result<void>();
    if (state == Wire::State::kEnd) co_return fail(Code::kUnavailable, "ended within the TLS handshake");
    if (state == Wire::State::kFailed) {
      const std::string why = verify_failure(wire->ssl());
      co_return fail(Code::kUnavailable, why.empty() ? wire->failure() : why);
    }
    if (alarm->rang) co_return fail(Code::kUnavailable, "TLS handshake timed out");
    if (wire->blocked()) {
      co_await wire->wait_writable();
    } else {
      co_await wire->wait_readable();
    }
  }
}

Result<void> bind_to(int fd, const std::string& local, const SocketAddress& remote) {
  if (local.empty() || remote.is_unix()) return {};
  const SocketAddress address = TRY(resolve(local, "0")).front();
  if (address.storage.ss_family != remote.storage.ss_family) return {};
  const int on = 1;
  ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  if (::bind(fd, address.get(), address.size) == 0) return {};
  return fail(Code::kUnavailable, "bind to " + local + ": " + std::strerror(errno));
}

Task<Result<std::shared_ptr<Wire>>> connect_one(SocketAddress address, std::string local_address,
                                                NewSession new_session, std::shared_ptr<Alarm> alarm) {
  const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return fail(Code::kUnavailable, std::string("socket: ") + std::strerror(errno));
  tune_socket(fd, address.is_unix());
  SSL* ssl = nullptr;
  if (new_session) {
    const auto made = new_session();
    if (!made) {
      ::close(fd);
      co_return fail(made.error());
    }
    ssl = *made;
  }
  auto wire = std::make_shared<Wire>(co_await asio::this_coro::executor, fd, ssl, Wire::Side::kClient);
  alarm->wire = wire;
  CO_TRY(bind_to(fd, local_address, address));
  int error = ::connect(fd, address.get(), address.size) == 0 ? 0 : errno;
  if (error == EINPROGRESS) {
    co_await wire->wait_writable();
    if (alarm->rang) co_return fail(Code::kUnavailable, "connect: timed out");
    socklen_t n = sizeof error;
    ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &n);
  }
  if (error != 0) co_return fail(Code::kUnavailable, std::string("connect: ") + std::strerror(error));
  CO_TRY(co_await shake_hands(wire, alarm));
  co_return wire;
}

}  // namespace

Result<DialTarget> parse_dial_target(std::string_view address) {
  constexpr std::string_view kUnix = "unix:";
  constexpr std::string_view kTcp = "tcp://";
  DialTarget out;
  if (address.starts_with(kUnix)) {
    address.remove_prefix(kUnix.size());
    if (address.starts_with("//")) address.remove_prefix(2);
    out.unix_path = address;
    return out;
  }
  if (address.starts_with(kTcp)) address.remove_prefix(kTcp.size());
  HostPort hp = TRY(split_host_port(address));
  out.host = std::move(hp.host);
  out.port = std::move(hp.port);
  return out;
}

Task<Result<std::shared_ptr<Wire>>> connect_wire(DialTarget target, NewSession new_session,
                                                 Duration timeout) {
  const AlarmGuard guard{std::make_shared<Alarm>(co_await asio::this_coro::executor)};
  guard.alarm->start(timeout);
  const auto all = CO_TRY(co_await addresses(target, guard.alarm));
  Error last{Code::kUnavailable, "no address for " + target.host};
  for (const SocketAddress& address : all) {
    auto wire = co_await connect_one(address, target.local_address, new_session, guard.alarm);
    if (wire) co_return wire;
    last = std::move(wire).error();
    if (guard.alarm->rang) break;
  }
  last.message +=
      target.unix_path.empty() ? " (" + target.host + ":" + target.port + ")" : " (" + target.unix_path + ")";
  co_return fail(std::move(last));
}

Task<Result<std::unique_ptr<ByteStream>>> dial(std::string address, Duration timeout, Clock&) {
  DialTarget target = CO_TRY(parse_dial_target(address));
  auto wire = CO_TRY(co_await connect_wire(std::move(target), nullptr, timeout));
  co_return make_wire_stream(std::move(wire), {});
}

}  // namespace keelson::net
