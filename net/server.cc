#include "net/server.h"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cerrno>
#include <cstring>
#include <mutex>

#include "base/check.h"
#include "net/address.h"
#include "net/home.h"
#include "net/server_connection.h"
#include "net/tls.h"

namespace keelson::net {
namespace {

namespace asio = boost::asio;

constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
constexpr Duration kTick = std::chrono::milliseconds(500);
constexpr std::string_view kUnixPrefix = "unix:";

std::unexpected<Error> errno_failure(const std::string& what) {
  return fail(Code::kUnavailable, what + ": " + std::strerror(errno));
}

Result<int> open_listener(const SocketAddress& address, const std::string& name) {
  const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno_failure("socket");
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (::bind(fd, address.get(), address.size) != 0 || ::listen(fd, 1024) != 0) {
    auto error = errno_failure("listen on " + name);
    ::close(fd);
    return error;
  }
  return fd;
}

Result<SocketAddress> listen_address(const ServerOptions& o) {
  if (o.address.starts_with(kUnixPrefix)) {
    const std::string path = o.address.substr(kUnixPrefix.size());
    struct stat st{};
    // The socket of an earlier process; anything else at that path is not ours to remove.
    if (::lstat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode)) ::unlink(path.c_str());
    return unix_address(path);
  }
  return TRY(resolve(o.address, std::to_string(o.port))).front();
}

// What the protocol is told by: ALPN, else the first bytes. Gives up at the peer's end.
struct Sniffed {
  bool h2 = false;
  std::string first;
};

Task<Result<Sniffed>> sniff(std::shared_ptr<Wire> wire) {
  Sniffed out;
  char buf[4096];
  for (;;) {
    const Wire::Io io = wire->read(buf, sizeof buf);
    if (io.state == Wire::State::kAgain) {
      co_await wire->wait_readable();
      continue;
    }
    if (io.state != Wire::State::kOk) co_return fail(Code::kUnavailable, "ended before a request");
    out.first.append(buf, io.n);
    const std::size_t n = std::min(out.first.size(), kPreface.size());
    out.h2 = std::string_view(out.first).substr(0, n) == kPreface.substr(0, n);
    if (!out.h2 || n == kPreface.size()) co_return out;
  }
}

// Whether a connection to a port that has certificates goes on in TLS.
Task<bool> wants_tls(const ServerShard& shard, std::shared_ptr<Wire> wire) {
  constexpr unsigned char kHandshakeRecord = 22;
  if (!shard.shared->options.plain_too) co_return true;
  co_await wire->wait_readable();
  co_return wire->peek() == kHandshakeRecord;
}

Task<Result<void>> shake_hands(std::shared_ptr<Wire> wire) {
  for (;;) {
    const Wire::State state = wire->handshake();
    if (state == Wire::State::kOk) co_return Result<void>();
    if (state == Wire::State::kEnd) co_return fail(Code::kUnavailable, "ended within the TLS handshake");
    if (state != Wire::State::kAgain) co_return fail(Code::kUnauthenticated, wire->failure());
    if (wire->blocked()) {
      co_await wire->wait_writable();
    } else {
      co_await wire->wait_readable();
    }
  }
}

// Who merely goes away again (a probe of the port) is no warning.
void log_rejection(const ServerShared& shared, const ConnectionInfo& info, const Error& why) {
  const std::string& name = shared.options.name;
  const bool told = !name.empty() && why.code == Code::kUnauthenticated;
  const auto say = told ? &Logger::warn : &Logger::debug;
  (shared.logger.*say)(
      "rejected connection on " + (name.empty() ? "server" : name),
      {{"remote-addr", info.remote_address + ":" + std::to_string(info.remote_port)}, {"error", why.message}},
      Logger::Caller::current());
}

class ServerImpl final : public Server {
 public:
  ServerImpl(ServerOptions options, const std::vector<Executor>& executors, Handler& handler, Clock& clock,
             Logger logger)
      : shared_(std::make_shared<ServerShared>()), acceptor_(executors.front()) {
    shared_->options = std::move(options);
    shared_->handler = &handler;
    shared_->clock = &clock;
    shared_->logger = std::move(logger);
    for (const Executor& ex : executors) {
      auto shard = std::make_shared<ServerShard>();
      shard->ex = ex;
      shard->shared = shared_;
      shards_.push_back(std::move(shard));
    }
  }
  ~ServerImpl() override {
    if (!unix_path_.empty()) ::unlink(unix_path_.c_str());
  }

  Result<void> open();
  std::uint16_t port() const override { return port_; }
  Result<void> set_tls(TlsServerConfig config) override;
  Task<> stop(Duration grace) override;

 private:
  static Task<> accept_loop(ServerImpl* self);
  static Task<> tick_loop(ServerImpl* self, std::shared_ptr<ServerShard> shard);
  // Handshake and protocol of one new connection.
  static Task<> admit(std::shared_ptr<ServerShard> shard, int fd, SslContext tls,
                      std::shared_ptr<ConnectionInfo> info);
  static Task<> admit_wire(std::shared_ptr<ServerShard> shard, std::shared_ptr<Wire> wire,
                           std::shared_ptr<ConnectionInfo> info);
  void accept_one(int fd, const SocketAddress& remote);
  void on_every_shard(void (*action)(ServerShard&));

  const std::shared_ptr<ServerShared> shared_;
  std::vector<std::shared_ptr<ServerShard>> shards_;
  asio::posix::basic_stream_descriptor<Executor> acceptor_;
  TaskGroup group_;
  std::mutex tls_mu_;
  SslContext tls_;
  std::uint16_t port_ = 0;
  std::string local_address_;
  std::string unix_path_;
  std::size_t next_shard_ = 0;
};

Result<void> ServerImpl::open() {
  const ServerOptions& o = shared_->options;
  if (o.tls) TRY(set_tls(*o.tls));
  const SocketAddress address = TRY(listen_address(o));
  const int fd = TRY(open_listener(address, o.address));
  acceptor_.assign(fd);
  SocketAddress bound;
  bound.size = sizeof bound.storage;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound.storage), &bound.size);
  port_ = bound.port();
  local_address_ = bound.ip();
  if (bound.is_unix()) unix_path_ = o.address.substr(kUnixPrefix.size());
  for (auto& shard : shards_) {
    shard->now = shared_->clock->now();
    group_.spawn(shard->ex, tick_loop(this, shard));
  }
  group_.spawn(shards_.front()->ex, accept_loop(this));
  return {};
}

Result<void> ServerImpl::set_tls(TlsServerConfig config) {
  SslContext fresh = TRY(make_server_context(config));
  std::lock_guard lock(tls_mu_);
  tls_ = std::move(fresh);
  return {};
}

Task<> ServerImpl::tick_loop(ServerImpl* self, std::shared_ptr<ServerShard> shard) {
  for (;;) {
    shard->tick();
    co_await self->shared_->clock->sleep_for(kTick);
  }
}

Task<> ServerImpl::accept_loop(ServerImpl* self) {
  for (;;) {
    SocketAddress remote;
    remote.size = sizeof remote.storage;
    const int fd = ::accept4(self->acceptor_.native_handle(), reinterpret_cast<sockaddr*>(&remote.storage),
                             &remote.size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      self->accept_one(fd, remote);
      continue;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK) {
      co_await self->acceptor_.async_wait(asio::posix::stream_descriptor::wait_read, asio::use_awaitable);
    } else if (errno != EINTR && errno != ECONNABORTED) {
      self->shared_->logger.warn("accept failed", {{"error", std::strerror(errno)}});
      co_await self->shared_->clock->sleep_for(std::chrono::milliseconds(100));
    }
  }
}

void ServerImpl::accept_one(int fd, const SocketAddress& remote) {
  tune_socket(fd, remote.is_unix());
  auto info = std::make_shared<ConnectionInfo>();
  info->remote_address = remote.ip();
  info->remote_port = remote.port();
  info->local_address = local_address_;
  info->id = shared_->next_id.fetch_add(1);
  SslContext tls;
  {
    std::lock_guard lock(tls_mu_);
    tls = tls_;
  }
  const auto& shard = shards_[next_shard_++ % shards_.size()];
  group_.spawn(shard->ex, admit(shard, fd, std::move(tls), std::move(info)));
}

Task<> ServerImpl::admit(std::shared_ptr<ServerShard> shard, int fd, SslContext tls,
                         std::shared_ptr<ConnectionInfo> info) {
  auto wire = std::make_shared<Wire>(shard->ex, fd, nullptr, Wire::Side::kServer);
  shard->handshakes.emplace(wire.get(), shard->now);
  std::exception_ptr cancelled;
  try {
    if (tls && co_await wants_tls(*shard, wire)) wire->use_tls(SSL_new(tls.get()), Wire::Side::kServer);
    info->tls = wire->ssl() != nullptr;
    co_await admit_wire(shard, wire, std::move(info));
  } catch (...) {
    cancelled = std::current_exception();
  }
  shard->handshakes.erase(wire.get());
  if (cancelled) std::rethrow_exception(cancelled);
}

Task<> ServerImpl::admit_wire(std::shared_ptr<ServerShard> shard, std::shared_ptr<Wire> wire,
                              std::shared_ptr<ConnectionInfo> info) {
  const auto shaken = co_await shake_hands(wire);
  if (!shaken) {
    const std::string why = verify_failure(wire->ssl());
    log_rejection(*shard->shared, *info,
                  why.empty() ? shaken.error() : Error{.code = Code::kUnauthenticated, .message = why});
    co_return;
  }
  Sniffed sniffed;
  std::string_view alpn;
  if (wire->ssl() != nullptr) {
    info->peer = peer_certificate(wire->ssl());
    const auto& tls = shard->shared->options.tls;
    if (tls && tls->accept && !info->peer && !tls->accept(nullptr)) {
      log_rejection(*shard->shared, *info,
                    {.code = Code::kUnauthenticated,
                     .message = "client certificate authentication failed: there is none"});
      co_return;
    }
    if (const auto& admit = shard->shared->options.admit) {
      if (const auto admitted = co_await admit(info); !admitted) {
        log_rejection(*shard->shared, *info, admitted.error());
        co_return;
      }
    }
    alpn = alpn_protocol(wire->ssl());
  }
  if (alpn.empty()) {
    auto found = co_await sniff(wire);
    if (!found) co_return;
    sniffed = std::move(*found);
  }
  const bool h2 = sniffed.h2 || alpn == "h2";
  info->http_version = h2 ? 20 : 11;
  auto make = h2 ? make_h2_connection : make_h1_connection;
  make(shard, std::move(wire), std::move(info))->start(std::move(sniffed.first));
}

void ServerImpl::on_every_shard(void (*action)(ServerShard&)) {
  for (const auto& shard : shards_) {
    asio::post(shard->ex, [shard, action] { action(*shard); });
  }
}

Task<> ServerImpl::stop(Duration grace) {
  const MonoTime deadline = shared_->clock->now() + grace;
  co_await group_.stop();
  boost::system::error_code ignored;
  acceptor_.close(ignored);
  shared_->draining = true;
  if (shared_->live == 0) shared_->quiet.set();
  on_every_shard([](ServerShard& shard) {
    const std::vector<std::shared_ptr<ServerConnection>> all(shard.connections.begin(),
                                                             shard.connections.end());
    for (const auto& c : all) c->drain();
  });
  if (co_await shared_->quiet.wait_until(*shared_->clock, deadline)) co_return;
  on_every_shard([](ServerShard& shard) {
    const std::vector<std::shared_ptr<ServerConnection>> all(shard.connections.begin(),
                                                             shard.connections.end());
    for (const auto& c : all) c->abort();
    for (const auto& weak : shard.upgraded) {
      if (const auto wire = weak.lock()) wire->abort();
    }
  });
  co_await shared_->quiet.wait();
}

}  // namespace

Result<std::unique_ptr<Server>> Server::listen(ServerOptions options, std::vector<Executor> executors,
                                               Handler& handler, Clock& clock, Logger logger) {
  CHECK(!executors.empty());
  auto server =
      std::make_unique<ServerImpl>(std::move(options), executors, handler, clock, std::move(logger));
  TRY(server->open());
  return server;
}

}  // namespace keelson::net
