// ServerConnection: what HTTP/1.1 and HTTP/2 connections of a server share: timeouts, start and end of
// handlers. The connection is driven by callbacks (wire_driver.h); each request's handler is a coroutine.
//
// Thread rule: home executor only. Lifetime: shared by its shard, its callbacks under way and its exchanges.
// Internal to net/.
#pragma once

#include <atomic>
#include <boost/asio/cancellation_signal.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/async.h"
#include "net/http.h"
#include "net/server.h"
#include "net/wire_driver.h"

namespace keelson::net {

class ServerConnection;

// What all connections of one server share. Immutable but for the atomics and the event.
struct ServerShared {
  ServerOptions options;
  Handler* handler = nullptr;
  Clock* clock = nullptr;
  Logger logger;
  std::atomic<bool> draining = false;
  std::atomic<std::size_t> live = 0;  // connections not yet destroyed
  AsyncEvent quiet;                   // set when draining and live is 0
  std::atomic<std::uint64_t> next_id = 1;

  void leave();
};

// The part of a server on one executor. Home executor only.
struct ServerShard {
  Executor ex;
  std::shared_ptr<ServerShared> shared;
  MonoTime now{};    // of the last tick
  std::string date;  // the Date header's value, of the last tick
  std::unordered_set<std::shared_ptr<ServerConnection>> connections;
  std::unordered_map<Wire*, MonoTime> handshakes;  // and when they began
  std::vector<std::weak_ptr<Wire>> upgraded;

  // Renews now and date, ends what has timed out.
  void tick();
};

// The part of an exchange that the connection's base deals with.
class ServerExchange : public Exchange {
 public:
  explicit ServerExchange(Executor ex) : ex_(std::move(ex)) {}
  const Request& request() const final { return request_; }
  Executor executor() final { return ex_; }
  Task<> closed() final;
  bool is_closed() const final { return closed_.load(std::memory_order_acquire); }
  Task<Result<void>> respond(int status, Headers headers, Bytes body) final;
  Task<Result<void>> respond(int status, Headers headers, std::vector<Bytes> body) final;

  // Ends closed(). Wakes no reader or writer.
  void mark_closed();

  Request request_;
  boost::asio::cancellation_signal cancel_;

 protected:
  // Completes the reply; the exchange fails by itself when the client is gone.
  virtual Result<void> reply(int status, const Headers& headers, std::span<Bytes> body) = 0;
  const Executor ex_;

 private:
  std::atomic<bool> closed_ = false;
  std::mutex event_mu_;
  std::unique_ptr<AsyncEvent> closed_event_;
};

class ServerConnection : public WireDriver {
 public:
  ServerConnection(std::shared_ptr<ServerShard> shard, std::shared_ptr<Wire> wire,
                   std::shared_ptr<const ConnectionInfo> info);
  ~ServerConnection() override;

  // Joins the shard, takes `first` (bytes read while the protocol was found out) and reads on.
  void start(std::string first);
  // Ends what has timed out at shard.now.
  void tick();
  // No further requests; ends once the exchanges under way have ended.
  void drain();
  // Cuts the connection and cancels its handlers.
  void abort();

 protected:
  virtual void on_drain() = 0;
  // Every half second while the connection lives.
  virtual void on_tick() {}
  // The connection is gone: exchanges are marked closed, their waits are woken.
  virtual void end_exchanges() = 0;
  // Exchanges whose handlers run.
  virtual std::vector<ServerExchange*> running() = 0;
  // When nothing else happens, the connection ends at this point in time.
  virtual MonoTime deadline() const = 0;
  virtual void handler_ended(ServerExchange& exchange, bool failed) = 0;

  void on_gone(std::string_view why) final;
  MonoTime coarse_now() const final { return shard_->now; }
  bool may_linger() const final { return !shared_->draining; }

  // Runs the handler inline up to its first suspension. Keeps `exchange` and the connection alive until it
  // ends.
  void run_handler(std::shared_ptr<ServerExchange> exchange);
  std::shared_ptr<ServerConnection> self() {
    return std::static_pointer_cast<ServerConnection>(shared_from_this());
  }

  const std::shared_ptr<ServerShard> shard_;
  const std::shared_ptr<ServerShared> shared_;
  const std::shared_ptr<const ConnectionInfo> info_;

 private:
  // Once gone and without handlers.
  void leave_shard();
};

std::shared_ptr<ServerConnection> make_h1_connection(std::shared_ptr<ServerShard> shard,
                                                     std::shared_ptr<Wire> wire,
                                                     std::shared_ptr<const ConnectionInfo> info);
std::shared_ptr<ServerConnection> make_h2_connection(std::shared_ptr<ServerShard> shard,
                                                     std::shared_ptr<Wire> wire,
                                                     std::shared_ptr<const ConnectionInfo> info);

// "Not Found" for 404; "Unknown" where there is none.
std::string_view reason_phrase(int status);

}  // namespace keelson::net
