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

constexpr std::size_t kReadBuffer = 64 * 1024;
constexpr std::size_t kOutBuffer = 64 * 1024;
constexpr std::size_t kKeepBuffer = 16 * 1024;
// Reads per turn before other connections of the executor get theirs.
constexpr int kReadsPerTurn = 8;
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
    : shard_(std::move(shard)), shared_(shard_->shared), wire_(std::move(wire)), info_(std::move(info)) {
  shared_->live.fetch_add(1);
  last_active_ = shard_->now;
}

ServerConnection::~ServerConnection() {
  wire_.reset();
  shared_->leave();
}

void ServerConnection::start(std::string first) {
  shard_->connections.insert(shared_from_this());
  if (shared_->draining) drain();
  in_turn_ = true;
  if (!first.empty() && !consume(first)) ending_ = true;
  in_turn_ = false;
  flush();
  if (!gone_) on_readable({});
}

void ServerConnection::tick() {
  if (gone_) return;
  const MonoTime end = lingering_ ? last_active_ + kLinger : deadline();
  if (shard_->now > end) fail_with("timed out");
}

void ServerConnection::abort() {
  close();
  for (ServerExchange* x : running()) x->cancel_.emit(asio::cancellation_type::all);
}

void ServerConnection::fail_with(std::string why) {
  if (gone_) return;
  if (shared_->logger.enabled(LogLevel::kDebug)) {
    shared_->logger.debug("connection ended", {{"remote", info_->remote_address}, {"why", why}});
  }
  close();
}

void ServerConnection::close() {
  if (gone_) return;
  const auto self = shared_from_this();
  gone_ = true;
  if (wire_) wire_->close();
  on_gone();
  leave_shard();
}

void ServerConnection::leave_shard() {
  if (gone_ && running().empty()) shard_->connections.erase(shared_from_this());
}

std::shared_ptr<Wire> ServerConnection::detach() {
  gone_ = true;
  wire_->cancel_waits();
  shard_->upgraded.push_back(wire_);
  return std::move(wire_);
}

void ServerConnection::read_more() {
  if (reading_ || gone_ || peer_ended_ || !(lingering_ || wants_input())) return;
  reading_ = true;
  if (held_back_) {
    // TLS may hold bytes that the socket will not announce.
    held_back_ = false;
    asio::post(shard_->ex, [self = shared_from_this()] {
      self->reading_ = false;
      self->on_readable({});
    });
    return;
  }
  wire_->async_readable([self = shared_from_this()](boost::system::error_code ec) {
    self->reading_ = false;
    self->on_readable(ec);
  });
}

void ServerConnection::on_readable(boost::system::error_code ec) {
  if (gone_ || ec) return;
  const auto self = shared_from_this();
  in_turn_ = true;
  const bool more = read_turn();
  in_turn_ = false;
  flush();
  if (gone_) return;
  if (more) {
    // Fairness: the rest after the others' turns.
    reading_ = true;
    asio::post(shard_->ex, [self] {
      self->reading_ = false;
      self->on_readable({});
    });
    return;
  }
  read_more();
}

// True when the wire may have more.
bool ServerConnection::read_turn() {
  thread_local std::unique_ptr<char[]> buffer(new char[kReadBuffer]);
  for (int i = 0; i < kReadsPerTurn; ++i) {
    if (gone_) return false;
    if (!lingering_ && !wants_input()) {
      held_back_ = true;
      return false;
    }
    const Wire::Io io = wire_->read(buffer.get(), kReadBuffer);
    switch (io.state) {
      case Wire::State::kAgain:
        return false;
      case Wire::State::kFailed:
        fail_with(wire_->failure());
        return false;
      case Wire::State::kEnd:
        peer_ended_ = true;
        if (lingering_) {
          close();
        } else {
          on_peer_end();
        }
        return false;
      case Wire::State::kOk:
        break;
    }
    if (lingering_) continue;
    last_active_ = shard_->now;
    if (!ending_ && !consume({buffer.get(), io.n})) ending_ = true;
  }
  return true;
}

void ServerConnection::want_flush() {
  if (in_turn_ || flush_posted_ || writing_ || gone_) return;
  flush_posted_ = true;
  asio::post(shard_->ex, [self = shared_from_this()] {
    self->flush_posted_ = false;
    self->flush();
  });
}

void ServerConnection::flush() {
  if (gone_ || writing_) return;
  const auto self = shared_from_this();
  for (;;) {
    if (out_.size() - out_pos_ < kOutBuffer) fill(out_, kOutBuffer);
    if (out_.size() == out_pos_ && !wire_->blocked()) break;
    const Wire::Io io = wire_->write(std::string_view(out_).substr(out_pos_));
    out_pos_ += io.n;
    if (io.n > 0) last_active_ = shard_->now;
    if (out_pos_ == out_.size()) {
      out_pos_ = 0;
      out_.clear();
      if (out_.capacity() > kKeepBuffer) out_.shrink_to_fit();
    }
    if (io.state == Wire::State::kOk) continue;
    if (io.state != Wire::State::kAgain) return fail_with(wire_->failure());
    if (out_pos_ > 0) {
      out_.erase(0, out_pos_);
      out_pos_ = 0;
    }
    writing_ = true;
    wire_->async_writable([self](boost::system::error_code) {
      self->writing_ = false;
      self->flush();
    });
    return;
  }
  if (!lingering_ && (finished() || ending_)) end_gently();
}

void ServerConnection::end_gently() {
  wire_->shutdown_write();
  if (peer_ended_ || shared_->draining) return close();
  lingering_ = true;
  read_more();
}

void ServerConnection::run_handler(std::shared_ptr<ServerExchange> exchange) {
  ServerExchange& x = *exchange;
  auto done = [self = shared_from_this(), exchange](std::exception_ptr e) {
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
