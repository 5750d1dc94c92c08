#include "net/client.h"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <optional>
#include <vector>

#include "net/client_connection.h"
#include "net/dial.h"
#include "net/home.h"
#include "net/tls.h"
#include "net/wire_stream.h"

namespace keelson::net {
namespace {

namespace asio = boost::asio;

constexpr Duration kDeadlineTick = std::chrono::milliseconds(20);
constexpr Duration kForever = std::chrono::hours(24 * 365);
constexpr Duration kHealthTick = std::chrono::seconds(5);
constexpr int kAttempts = 3;
constexpr std::size_t kRefusalBody = 64 * 1024;

using Timer = asio::basic_waitable_timer<std::chrono::steady_clock,
                                         asio::wait_traits<std::chrono::steady_clock>, Executor>;

struct Origin {
  DialTarget target;
  std::string authority;
  bool tls = false;
};

Result<Origin> parse_origin(const std::string& text) {
  Origin out;
  std::string_view rest = text;
  if (rest.starts_with("unix:")) {
    out.target = TRY(parse_dial_target(rest));
    out.authority = "localhost";
    return out;
  }
  const auto scheme = rest.find("://");
  if (scheme == std::string_view::npos) return fail(Code::kInvalidArgument, "no scheme in origin " + text);
  out.tls = rest.substr(0, scheme) == "https";
  if (!out.tls && rest.substr(0, scheme) != "http")
    return fail(Code::kInvalidArgument, "bad scheme in " + text);
  rest.remove_prefix(scheme + 3);
  rest = rest.substr(0, rest.find('/'));
  out.authority = rest;
  const bool has_port = rest.find(':', rest.starts_with('[') ? rest.find(']') : 0) != std::string_view::npos;
  out.target =
      TRY(parse_dial_target(has_port ? std::string(rest) : std::string(rest) + (out.tls ? ":443" : ":80")));
  return out;
}

// An attempt to connect that several calls may wait for.
struct Connecting {
  AsyncEvent done;
  std::optional<Error> error;
};

// The client's state. Home executor only.
class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(ClientOptions options, Executor home, Clock& clock_in, Logger logger_in)
      : ex(std::move(home)),
        clock(clock_in),
        logger(std::move(logger_in)),
        options_(std::move(options)),
        timer_(ex),
        health_timer_(ex) {
    auto origin = parse_origin(options_.origin);
    if (!origin) {
      bad_ = std::move(origin).error();
      return;
    }
    origin_ = std::move(*origin);
    origin_.target.local_address = options_.local_address;
    if (!origin_.tls) return;
    if (!options_.tls) options_.tls.emplace();
    auto tls = make_client_context(*options_.tls, !options_.http1_only);
    if (tls) {
      tls_ = std::move(*tls);
    } else {
      bad_ = std::move(tls).error();
    }
  }

  // A connection that can take a call now.
  Task<Result<std::shared_ptr<ClientConnection>>> acquire(MonoTime deadline);
  // A new one of its own that speaks HTTP/1.1, for upgrades.
  Task<Result<std::shared_ptr<ClientConnection>>> connect_h1();
  // Makes deadlines count.
  void arm_timer();
  // Makes connections notice silent servers.
  void watch_health();
  void retire();

  const Executor ex;
  Clock& clock;
  const Logger logger;

 private:
  Task<Result<std::shared_ptr<ClientConnection>>> connect(Duration timeout);
  NewSession session_maker(SslContext context) const;
  std::shared_ptr<ClientConnection> find_usable();

  ClientOptions options_;
  Origin origin_;
  std::optional<Error> bad_;
  SslContext tls_;
  std::vector<std::shared_ptr<ClientConnection>> connections_;
  std::shared_ptr<Connecting> connecting_;
  bool speaks_h1_ = false;  // the last connection did: calls do not wait for each other's connections
  bool retired_ = false;
  Timer timer_;
  bool armed_ = false;
  Timer health_timer_;
  bool watching_ = false;
};

NewSession Pool::session_maker(SslContext context) const {
  if (!origin_.tls) return nullptr;
  return [context = std::move(context), tls = *options_.tls, host = origin_.target.host] {
    return make_client_session(context, tls, host);
  };
}

std::shared_ptr<ClientConnection> Pool::find_usable() {
  std::erase_if(connections_, [](const auto& c) { return c->gone(); });
  for (const auto& c : connections_) {
    if (c->usable()) return c;
  }
  return nullptr;
}

Task<Result<std::shared_ptr<ClientConnection>>> Pool::acquire(MonoTime deadline) {
  if (bad_) co_return fail(*bad_);
  for (;;) {
    if (auto c = find_usable()) co_return c;
    if (!connecting_ || speaks_h1_) break;
    const auto attempt = connecting_;
    if (deadline == MonoTime::max()) {
      co_await attempt->done.wait();
    } else if (!co_await attempt->done.wait_until(clock, deadline)) {
      co_return fail(Code::kDeadlineExceeded, "no connection in time");
    }
    if (attempt->error) co_return fail(*attempt->error);
  }
  const Duration timeout = deadline == MonoTime::max()
                               ? options_.connect_timeout
                               : std::min(options_.connect_timeout, deadline - clock.now());
  const auto attempt = connecting_ = std::make_shared<Connecting>();
  struct Announce {
    Pool& pool;
    std::shared_ptr<Connecting> attempt;
    ~Announce() {
      if (pool.connecting_ == attempt) pool.connecting_.reset();
      attempt->done.set();
    }
  };
  const Announce announce{*this, attempt};
  auto made = co_await connect(timeout);
  if (!made) attempt->error = made.error();
  co_return made;
}

Task<Result<std::shared_ptr<ClientConnection>>> Pool::connect(Duration timeout) {
  auto wire = CO_TRY(co_await connect_wire(origin_.target, session_maker(tls_), timeout));
  const bool h2 = wire->ssl() != nullptr ? alpn_protocol(wire->ssl()) == "h2" : options_.h2c_prior_knowledge;
  speaks_h1_ = !h2;
  auto c =
      h2 ? make_h2_client(std::move(wire), origin_.authority, origin_.tls, origin_.target.unix_path.empty())
         : make_h1_client(std::move(wire), origin_.authority);
  c->run({});
  if (retired_) {
    c->retire();
  } else {
    connections_.push_back(c);
    watch_health();
  }
  co_return c;
}

Task<Result<std::shared_ptr<ClientConnection>>> Pool::connect_h1() {
  if (bad_) co_return fail(*bad_);
  SslContext context;
  if (origin_.tls) context = CO_TRY(make_client_context(*options_.tls, false));
  auto wire = CO_TRY(
      co_await connect_wire(origin_.target, session_maker(std::move(context)), options_.connect_timeout));
  auto c = make_h1_client(std::move(wire), origin_.authority);
  c->run({});
  co_return c;
}

void Pool::arm_timer() {
  if (std::exchange(armed_, true)) return;
  timer_.expires_after(kDeadlineTick);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
    const auto self = weak.lock();
    if (ec || !self) return;
    self->armed_ = false;
    bool more = false;
    const auto all = self->connections_;
    for (const auto& c : all) more = c->expire(self->clock.now()) || more;
    if (more) self->arm_timer();
  });
}

void Pool::watch_health() {
  if (std::exchange(watching_, true)) return;
  health_timer_.expires_after(kHealthTick);
  health_timer_.async_wait([weak = weak_from_this()](boost::system::error_code ec) {
    const auto self = weak.lock();
    if (ec || !self) return;
    self->watching_ = false;
    const auto all = self->connections_;
    for (const auto& c : all) c->check_health(self->clock.now());
    std::erase_if(self->connections_, [](const auto& c) { return c->gone(); });
    if (!self->connections_.empty()) self->watch_health();
  });
}

void Pool::retire() {
  retired_ = true;
  const auto all = std::exchange(connections_, {});
  for (const auto& c : all) c->retire();
}

// ---- exchanges, at home

// Cancels the exchange unless it ended.
void let_go(ClientConnection& connection, ClientCall& call) {
  if (!call.over() || !call.sent_all) connection.abandon(call, Error{Code::kCancelled, "cancelled"});
}

struct CallGuard {
  std::shared_ptr<ClientConnection> connection;
  std::shared_ptr<ClientCall> call;
  CallGuard(std::shared_ptr<ClientConnection> c, std::shared_ptr<ClientCall> x)
      : connection(std::move(c)), call(std::move(x)) {}
  CallGuard(const CallGuard&) = delete;
  CallGuard& operator=(const CallGuard&) = delete;
  ~CallGuard() {
    if (call) let_go(*connection, *call);
  }
};

std::shared_ptr<ClientCall> make_call(const ClientRequest& request, MonoTime deadline) {
  auto call = std::make_shared<ClientCall>();
  call->head = request.method == "HEAD";
  call->idempotent = call->head || request.method == "GET";
  call->deadline = deadline;
  return call;
}

Task<Result<ClientResponse>> finish_call(std::shared_ptr<ClientConnection> connection,
                                         std::shared_ptr<ClientCall> call, std::size_t max_body) {
  const CallGuard guard{connection, call};
  ClientResponse out;
  for (;;) {
    if (!call->body.empty()) {
      const std::size_t n = call->body.size();
      if (out.body.size() + n > max_body) co_return fail(Code::kResourceExhausted, "the reply is too large");
      if (out.body.empty()) {
        out.body = std::exchange(call->body, std::string());
      } else {
        out.body += std::exchange(call->body, std::string());
      }
      connection->taken(*call, n);
    }
    if (call->error) co_return fail(*call->error);
    if (call->body_done) break;
    co_await wait_for_input(call);
  }
  out.status = call->status;
  out.headers = std::move(call->headers);
  out.trailers = std::move(call->trailers);
  co_return out;
}

Error not_sent(Error error) {
  if (!error.detail) error.detail = std::make_shared<NotSent>();
  return error;
}

Task<Result<ClientResponse>> call_at_home(std::shared_ptr<Pool> pool, ClientRequest request,
                                          MonoTime deadline, std::size_t max_body) {
  for (int attempt = 1;; ++attempt) {
    auto acquired = co_await pool->acquire(deadline);
    if (!acquired) co_return fail(not_sent(acquired.error()));
    auto connection = std::move(*acquired);
    auto call = make_call(request, deadline);
    if (deadline != MonoTime::max()) pool->arm_timer();
    connection->begin(call, request, false);
    auto result = co_await finish_call(std::move(connection), call, max_body);
    if (result || !call->unprocessed) co_return result;
    if (attempt == kAttempts) co_return fail(not_sent(result.error()));
  }
}

Task<Result<void>> await_headers(std::shared_ptr<ClientCall> call) {
  while (!call->headers_done && !call->error) co_await wait_for_input(call);
  if (!call->headers_done) co_return fail(*call->error);
  co_return Result<void>();
}

Task<Result<std::string>> read_some_at_home(std::shared_ptr<ClientConnection> connection,
                                            std::shared_ptr<ClientCall> call) {
  for (;;) {
    if (!call->body.empty()) {
      std::string out = std::exchange(call->body, std::string());
      connection->taken(*call, out.size());
      co_return out;
    }
    if (call->error) co_return fail(*call->error);
    if (call->body_done) co_return std::string();
    co_await wait_for_input(call);
  }
}

Task<Result<void>> write_at_home(std::shared_ptr<ClientConnection> connection,
                                 std::shared_ptr<ClientCall> call, Bytes data) {
  if (call->sent_all) co_return fail(Code::kFailedPrecondition, "the request's body has ended");
  if (call->error) co_return fail(*call->error);
  if (call->body_done) co_return fail(Code::kCancelled, "the reply is complete");
  call->queue.append(std::move(data));
  connection->resume(*call);
  if (call->queue.size() <= ClientConnection::kWriteAhead) co_return Result<void>();
  while (call->queue.size() > ClientConnection::kWriteAhead / 2 && !call->over())
    co_await wait_for_room(call);
  if (call->error) co_return fail(*call->error);
  co_return Result<void>();
}

Task<Result<void>> finish_at_home(std::shared_ptr<ClientConnection> connection,
                                  std::shared_ptr<ClientCall> call) {
  call->sent_all = true;
  connection->resume(*call);
  co_return Result<void>();
}

class StreamHandle final : public ClientStream {
 public:
  StreamHandle(Executor ex, std::shared_ptr<ClientConnection> connection, std::shared_ptr<ClientCall> call)
      : ex_(std::move(ex)), connection_(std::move(connection)), call_(std::move(call)) {}
  ~StreamHandle() override {
    asio::post(
        ex_, [connection = std::move(connection_), call = std::move(call_)] { let_go(*connection, *call); });
  }
  Task<Result<void>> wait_headers() override { return run_home(ex_, await_headers(call_)); }
  int status() const override { return call_->status; }
  const Headers& headers() const override { return call_->headers; }
  const Headers& trailers() const override { return call_->trailers; }
  Task<Result<std::string>> read_some() override {
    return run_home(ex_, read_some_at_home(connection_, call_));
  }
  Task<Result<void>> write(Bytes data) override {
    return run_home(ex_, write_at_home(connection_, call_, std::move(data)));
  }
  Task<Result<void>> finish_body() override { return run_home(ex_, finish_at_home(connection_, call_)); }
  void cancel() override {
    asio::post(ex_, [connection = connection_, call = call_] {
      connection->abandon(*call, Error{Code::kCancelled, "cancelled"});
    });
  }

 private:
  const Executor ex_;
  std::shared_ptr<ClientConnection> connection_;
  std::shared_ptr<ClientCall> call_;
};

Task<Result<std::unique_ptr<ClientStream>>> open_at_home(std::shared_ptr<Pool> pool, ClientRequest request,
                                                         bool streaming_body) {
  for (int attempt = 1;; ++attempt) {
    auto connection = CO_TRY(co_await pool->acquire(MonoTime::max()));
    auto call = make_call(request, MonoTime::max());
    connection->begin(call, request, streaming_body);
    auto handle = std::make_unique<StreamHandle>(pool->ex, std::move(connection), call);
    if (streaming_body) co_return handle;
    const auto got = co_await await_headers(call);
    if (got) co_return handle;
    if (!call->unprocessed || attempt == kAttempts) co_return fail(got.error());
  }
}

Task<Result<HttpClient::Upgraded>> upgrade_at_home(std::shared_ptr<Pool> pool, ClientRequest request) {
  auto connection = CO_TRY(co_await pool->connect_h1());
  auto call = make_call(request, MonoTime::max());
  connection->begin(call, std::move(request), false);
  CallGuard guard{connection, call};
  CO_TRY(co_await await_headers(call));
  if (call->status == 101) {
    guard.call.reset();
    auto [wire, ahead] = connection->take_upgraded();
    co_return HttpClient::Upgraded{std::move(call->headers),
                                   make_wire_stream(std::move(wire), std::move(ahead))};
  }
  auto refused = std::make_shared<UpgradeRefused>();
  refused->status = call->status;
  refused->headers = call->headers;
  while (refused->body.size() < kRefusalBody) {
    auto piece = co_await read_some_at_home(connection, call);
    if (!piece || piece->empty()) break;
    refused->body += *piece;
  }
  refused->body.resize(std::min(refused->body.size(), kRefusalBody));
  connection->retire();
  Error error{Code::kFailedPrecondition,
              "upgrade refused with " + std::to_string(call->status) + ": " + refused->body};
  error.detail = std::move(refused);
  co_return fail(std::move(error));
}

class ClientImpl final : public HttpClient {
 public:
  explicit ClientImpl(std::shared_ptr<Pool> pool) : pool_(std::move(pool)) {}
  ~ClientImpl() override {
    asio::post(pool_->ex, [pool = pool_] { pool->retire(); });
  }
  Task<Result<ClientResponse>> call(ClientRequest request, Duration timeout, std::size_t max_body) override {
    const MonoTime deadline = timeout > kForever ? MonoTime::max() : pool_->clock.now() + timeout;
    return run_home(pool_->ex, call_at_home(pool_, std::move(request), deadline, max_body));
  }
  Task<Result<std::unique_ptr<ClientStream>>> open(ClientRequest request, bool streaming_body) override {
    return run_home(pool_->ex, open_at_home(pool_, std::move(request), streaming_body));
  }
  Task<Result<Upgraded>> upgrade(ClientRequest request) override {
    return run_home(pool_->ex, upgrade_at_home(pool_, std::move(request)));
  }

 private:
  const std::shared_ptr<Pool> pool_;
};

}  // namespace

Task<> wait_for_input(std::shared_ptr<ClientCall> call) {
  if (!call->input) call->input.emplace();
  call->input->reset();
  co_await call->input->wait();
}

Task<> wait_for_room(std::shared_ptr<ClientCall> call) {
  if (!call->room) call->room.emplace();
  call->room->reset();
  co_await call->room->wait();
}

std::shared_ptr<HttpClient> HttpClient::create(ClientOptions options, Executor ex, Clock& clock,
                                               Logger logger) {
  return std::make_shared<ClientImpl>(
      std::make_shared<Pool>(std::move(options), std::move(ex), clock, std::move(logger)));
}

}  // namespace keelson::net
