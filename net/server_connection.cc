#include "net/server_connection.h"

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <ctime>

#include "base/check.h"
#include "net/home.h"

namespace keelson::net {

namespace asio = boost::asio;

namespace {

// After our end of stream the peer may still be sending; closing at once would reset it before it has read
// the reply.
constexpr Duration kLinger = std::chrono::seconds(2);

std::string http_date(WallTime t) {
  const std::time_t tt = std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
  std::tm tm{};
  ::gmtime_r(&tt, &tm);
  char text[64];
  return std::string(text, std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm));
}

}  // namespace

void ServerShared::leave() {
  if (live.fetch_sub(1) == 1 && draining.load()) quiet.set();
}

void ServerShard::tick() {
  now = shared->clock->now();
  date = http_date(shared->clock->wall());
  const std::vector<std::shared_ptr<ServerConnection>> all(connections.begin(), connections.end());
  for (const auto& c : all) c->tick();
  for (const auto& [wire, began] : handshakes) {
    if (now - began > shared->options.handshake_timeout) wire->abort();
  }
  std::erase_if(upgraded, [](const std::weak_ptr<Wire>& w) { return w.expired(); });
}

Task<> ServerExchange::closed() {
  AsyncEvent* event = nullptr;
  {
    std::lock_guard lock(event_mu_);
    if (closed_.load()) co_return;
    if (!closed_event_) closed_event_ = std::make_unique<AsyncEvent>();
    event = closed_event_.get();
  }
  co_await event->wait();
}

void ServerExchange::mark_closed() {
  std::lock_guard lock(event_mu_);
  closed_.store(true, std::memory_order_release);
  if (closed_event_) closed_event_->set();
}

Task<Result<void>> ServerExchange::respond(int status, Headers headers, Bytes body) {
  GO_HOME(ex_);
  co_return reply(status, headers, std::span(&body, 1));
}

Task<Result<void>> ServerExchange::respond(int status, Headers headers, std::vector<Bytes> body) {
  GO_HOME(ex_);
  co_return reply(status, headers, body);
}

ServerConnection::ServerConnection(std::shared_ptr<ServerShard> shard, std::shared_ptr<Wire> wire,
                                   std::shared_ptr<const ConnectionInfo> info)
    : WireDriver(std::move(wire)), shard_(std::move(shard)), shared_(shard_->shared), info_(std::move(info)) {
  shared_->live.fetch_add(1);
}

ServerConnection::~ServerConnection() {
  wire_.reset();
  shared_->leave();
}

void ServerConnection::start(std::string first) {
  shard_->connections.insert(self());
  if (shared_->draining) on_drain();
  run(std::move(first));
}

void ServerConnection::tick() {
  if (gone()) return;
  const MonoTime end = lingering() ? last_active() + kLinger : deadline();
  if (shard_->now > end) return close_for("timed out");
  if (!lingering()) on_tick();
}

void ServerConnection::drain() {
  if (lingering()) {
    close();
  } else {
    on_drain();
  }
}

void ServerConnection::abort() {
  close();
  for (ServerExchange* x : running()) x->cancel_.emit(asio::cancellation_type::all);
}

void ServerConnection::on_gone(std::string_view why) {
  if (shared_->logger.enabled(LogLevel::kDebug)) {
    shared_->logger.debug("connection ended", {{"remote", info_->remote_address}, {"why", why}});
  }
  end_exchanges();
  leave_shard();
}

void ServerConnection::leave_shard() {
  if (gone() && running().empty()) shard_->connections.erase(self());
}

void ServerConnection::run_handler(std::shared_ptr<ServerExchange> exchange) {
  ServerExchange& x = *exchange;
  auto done = [self = self(), exchange](std::exception_ptr e) {
    bool failed = false;
    if (e) {
      std::string what = "unknown exception";
      try {
        std::rethrow_exception(e);
      } catch (const boost::system::system_error& err) {
        failed = err.code() != asio::error::operation_aborted;
        what = err.what();
      } catch (const std::exception& err) {
        failed = true;
        what = err.what();
      } catch (...) {
        failed = true;
      }
      if (failed)
        self->shared_->logger.error("a handler failed",
                                    {{"what", what}, {"target", exchange->request_.target}});
    }
    self->handler_ended(*exchange, failed);
    self->leave_shard();
  };
  asio::co_spawn(shard_->ex, shared_->handler->handle(x),
                 asio::bind_cancellation_slot(x.cancel_.slot(), std::move(done)));
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 100:
      return "Continue";
    case 101:
      return "Switching Protocols";
    case 200:
      return "OK";
    case 201:
      return "Created";
    case 202:
      return "Accepted";
    case 204:
      return "No Content";
    case 206:
      return "Partial Content";
    case 301:
      return "Moved Permanently";
    case 302:
      return "Found";
    case 303:
      return "See Other";
    case 304:
      return "Not Modified";
    case 307:
      return "Temporary Redirect";
    case 308:
      return "Permanent Redirect";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 405:
      return "Method Not Allowed";
    case 406:
      return "Not Acceptable";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 410:
      return "Gone";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Request Entity Too Large";
    case 415:
      return "Unsupported Media Type";
    case 422:
      return "Unprocessable Entity";
    case 429:
      return "Too Many Requests";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    case 504:
      return "Gateway Timeout";
    default:
      return "Unknown";
  }
}

}  // namespace keelson::net
